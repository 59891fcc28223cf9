/* Measures how fast weights are read again during a run: a network of one wide convolution,
 * its weights in files of their own, read slice by slice from the system's cache.
 */
#ifndef TESS_CLI_MEASURE_WEIGHTS_H
#define TESS_CLI_MEASURE_WEIGHTS_H

#include "base/error.h"
#include "plan/profile.h"

/* Fills stream_bytes_per_us and pack_bytes_per_us. Needs 38 MB in TMPDIR, or else /tmp, for a
 * second. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_measure_weights(struct tess_profile *profile,
                                      struct tess_error *error);

#endif
