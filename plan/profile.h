/* Device profile: how fast one machine runs the kernels, as measured by `tessera bench
 * --profile` and read by the planner.
 *
 * Speeds only; sizes are kernel facts (plan/facts.h). Floats are fine here: a profile decides
 * between plans, never what a plan computes.
 */
#ifndef TESS_PLAN_PROFILE_H
#define TESS_PLAN_PROFILE_H

#include "base/error.h"
#include "base/text.h"
#include "model/graph.h"

/* Shape classes with a speed of their own. */
enum tess_speed_class {
    TESS_SPEED_CONV_FEW,    /* convolution of at most 4 input channels per group */
    TESS_SPEED_CONV_NARROW, /* kernel above 1x1, fewer than 64 input channels per group */
    TESS_SPEED_CONV_WIDE,   /* kernel above 1x1, 64 or more */
    TESS_SPEED_CONV_POINT,  /* kernel 1x1 */
    TESS_SPEED_DEPTHWISE,
    TESS_SPEED_CONNECTED
};
enum { TESS_SPEED_N_CLASSES = TESS_SPEED_CONNECTED + 1 };

struct tess_profile {
    char device[64]; /* what people call it, no newline */
    char family[16]; /* kernel family measured */
    int n_threads;
    double macs_per_us[TESS_SPEED_N_CLASSES]; /* > 0 */
    double bytes_per_us; /* moved by copies and element-wise ops, read and written, > 0 */
    double call_us;      /* per kernel call, >= 0 */
    double
        cache_bytes; /* of a processor's own cache, >= 0: larger tiles go through memory */
    double stream_bytes_per_us; /* compiled weights read from the system's cache and
                                   checked, > 0 */
    double pack_bytes_per_us;   /* darknet's weights read and packed, > 0 */
    double
        disk_bytes_per_us; /* the same past that cache, from the disk: time that passes, of
                                   which little is a processor's; 0: not measured, and not
                                   counted */
    double slice_us;       /* per slice of streamed weights besides, >= 0 */
    double row_us; /* per row that a convolution call puts out, >= 0: short rows waste
                              part of a vector tile */
};

/* The profile used when the user has measured none: a mid-range core. */
void tess_profile_init(struct tess_profile *profile);

/* Class of an op that multiplies. */
enum tess_speed_class tess_speed_class_of(const struct tess_graph *graph, int op);
const char *tess_speed_class_name(enum tess_speed_class class_of);

/* YAML text of a profile, appended to `text_out`, canonical. */
void tess_profile_write(const struct tess_profile *profile, struct tess_text *text_out);

/* Reads one; fields that are absent keep the defaults of tess_profile_init. `file_name` is for
 * messages. TESS_E_CONFIG with line, column and a did-you-mean for misspelt names. */
enum tess_status tess_profile_read(const char *text, size_t n_bytes,
                                   const char *file_name,
                                   struct tess_profile *profile_out,
                                   struct tess_error *error);

#endif
