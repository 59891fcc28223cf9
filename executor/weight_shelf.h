/* All packed weights of a network, read once each, when first asked for, and held for good:
 * executors share them and copy nothing.
 *
 * For nodes that have room for all weights they ever need. Belongs to one thread.
 */
#ifndef TESS_EXECUTOR_WEIGHT_SHELF_H
#define TESS_EXECUTOR_WEIGHT_SHELF_H

#include <stdint.h>

#include "base/error.h"
#include "model/packed_source.h"

struct tess_weight_shelf;

/* Reads nothing yet. `graph` and what `blocks` borrows, which are of its ops, must outlive the
 * shelf. TESS_E_NOMEM. */
enum tess_status tess_weight_shelf_create(const struct tess_graph *graph,
                                          const struct tess_packed_source *blocks,
                                          struct tess_weight_shelf **shelf_out,
                                          struct tess_error *error);
void tess_weight_shelf_destroy(struct tess_weight_shelf *shelf); /* accepts NULL */

/* What the weights read so far take. */
int64_t tess_weight_shelf_bytes(const struct tess_weight_shelf *shelf);

/* All blocks of op `op`, which has weights, one after the other and aligned to 64 bytes:
 * borrowed until destroy. TESS_E_NOMEM, or what the source reports; asked again, it is read
 * again. */
enum tess_status tess_weight_shelf_find(struct tess_weight_shelf *shelf, int op,
                                        const void **packed_out,
                                        struct tess_error *error);

#endif
