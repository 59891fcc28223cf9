/* The parts of family `xnn`, for files kernel_xnn*.c only. */
#ifndef TESS_EXECUTOR_KERNEL_XNN_PRIV_H
#define TESS_EXECUTOR_KERNEL_XNN_PRIV_H

#include "executor/kernel_priv.h"

/* New kernel of an op that is not plain (tess_facts_is_plain). */
enum tess_status tess_xnn_conv_create(const struct tess_kernel_request *request,
                                      struct tess_kernel **kernel_out,
                                      struct tess_error *error);

/* What such a kernel adds to the block besides what the library takes. */
int64_t tess_xnn_conv_bytes(void);
int64_t tess_xnn_slice_bytes(void);

/* Measures the facts of the library, which must be initialised, and checks that it
 * allocates and computes as xnn_heap.h and kernel.h (bit identity) presume.
 * TESS_E_INTERNAL if it does not: then the family cannot be used. */
enum tess_status tess_xnn_probe(struct tess_kernel_facts *facts_out,
                                struct tess_error *error);

#endif
