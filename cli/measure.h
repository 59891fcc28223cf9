/* Measures a device: small networks of one shape class each, run by the real executor, become
 * the numbers of a device profile.
 */
#ifndef TESS_CLI_MEASURE_H
#define TESS_CLI_MEASURE_H

#include "base/error.h"
#include "executor/kernel.h"
#include "plan/profile.h"

/* Measures with a started family on `n_threads` threads; some seconds. `say` (may be NULL) is
 * told what is being measured. Errors are the executor's. */
enum tess_status tess_measure_profile(const struct tess_kernel_family *family,
                                      int n_threads, void (*say)(const char *what),
                                      struct tess_profile *profile_out,
                                      struct tess_error *error);

#endif
