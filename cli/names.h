/* What a detector's classes are called: a text file with one name a line, the first being
 * class 0.
 *
 * Names are kept as they are, apart from the white space around them; whoever prints them
 * escapes what its format needs.
 */
#ifndef TESS_CLI_NAMES_H
#define TESS_CLI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    TESS_NAMES_MAX_BYTES =
        1 << 20,                 /* of the file; thousands of classes take some ten KB */
    TESS_NAMES_BUFFER_BYTES = 24 /* for tess_names_get() */
};

/* Zeroed memory is a valid table without names. */
struct tess_names {
    char *text;   /* the file; line ends are NULs */
    char **lines; /* [n_lines], pointing into text */
    int n_lines;  /* blank lines after the last name do not count */
};

/* Reads a names file; lines end in LF or CRLF, the last one may lack it; a byte order
 * mark is skipped. TESS_E_IO if it cannot be read or is too long, TESS_E_CONFIG with line
 * and column if it is not text or holds no name, TESS_E_NOMEM. On success the caller
 * releases. */
enum tess_status tess_names_load(const char *path, struct tess_names *names_out,
                                 struct tess_error *error);
void tess_names_release(struct tess_names *names); /* accepts NULL and zeroed memory */

/* Name of a class, borrowed; "class 12", written to `buffer`, if the file gives none or
 * `names` is NULL. `size` >= TESS_NAMES_BUFFER_BYTES. */
const char *tess_names_get(const struct tess_names *names, int class_id, char *buffer,
                           size_t size);

#endif
