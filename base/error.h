/* One error message for one person: what, where in the user's own file, and what to do.
 *
 * Functions that can fail take an optional `struct tess_error *` as their last argument. The
 * first error wins: a later one does not overwrite it. Nothing here prints; only the command
 * line does.
 */
#ifndef TESS_BASE_ERROR_H
#define TESS_BASE_ERROR_H

#include "base/status.h"

#if defined(__GNUC__)
#define TESS_PRINTF(format_index, first_arg)                                             \
    __attribute__((format(printf, format_index, first_arg)))
#else
#define TESS_PRINTF(format_index, first_arg)
#endif

struct tess_error {
    enum tess_status status; /* TESS_OK while no error is recorded */
    int line;                /* 1-based, 0 = not tied to a line */
    int col;                 /* 1-based, 0 = not tied to a column */
    char file[256];          /* the user's file, empty if none */
    char message[512];       /* one sentence, no newline */
    char hint[384];          /* what to do about it, may be empty */
};

/* Prepares an empty error. */
void tess_error_init(struct tess_error *error);

/* Records `status` with a formatted message unless an error is already recorded. Returns
 * `status`, so that a failing function can end with `return tess_error_set(...)`. `error` may
 * be NULL. */
enum tess_status tess_error_set(struct tess_error *error, enum tess_status status,
                                const char *format, ...) TESS_PRINTF(3, 4);

/* Like tess_error_set, with a place in the user's file. `line` and `col` may be 0. */
enum tess_status tess_error_at(struct tess_error *error, enum tess_status status,
                               const char *file, int line, int col, const char *format,
                               ...) TESS_PRINTF(6, 7);

/* Adds advice to the recorded error; does nothing if there is none or it has advice. */
void tess_error_hint(struct tess_error *error, const char *format, ...) TESS_PRINTF(2, 3);

/* Records that the system refused memory. */
enum tess_status tess_error_nomem(struct tess_error *error);

#endif
