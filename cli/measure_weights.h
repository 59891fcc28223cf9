/* Measures how fast weights are read again during a run: a network of one wide convolution,
 * its weights in files of their own, read slice by slice from the system's cache, and from the
 * disk.
 */
#ifndef TESS_CLI_MEASURE_WEIGHTS_H
#define TESS_CLI_MEASURE_WEIGHTS_H

#include "base/error.h"
#include "plan/profile.h"

/* Fills stream_bytes_per_us, pack_bytes_per_us and disk_bytes_per_us. Needs 76 MB in TMPDIR, or
 * else /tmp, for a second, or as long as the disk takes to write them. The disk's is left as it is
 * where files there cannot be read past the system's cache. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_measure_weights(struct tess_profile *profile,
                                      struct tess_error *error);

#endif
