/* The packed weights of an executor: held for good, or read again during each run.
 *
 * Blocks (model/packed.h) of resident ops lie in one mapping and are read once. Blocks of
 * the plan's streamed ops are read slice by slice (plan/slices.h), in the order in which
 * the steps of a run need them, by a thread of the store's own, which is one slot ahead of
 * the thread that computes. Serial equivalent, for each TESS_STEP_RUN of a streamed op:
 *     for each slice of the op
 *         read it from the source
 *         compute it
 * except that an op of a single slice that runs twice in a row is read once.
 * A store with a shelf (executor/weight_shelf.h) holds and reads nothing itself: all ops are
 * resident, the plan's streamed ones, too.
 *
 * Does not know kernels, and asks plan and layout alone what to read. All functions belong
 * to one thread, the one that runs. The source is called from that thread while loading
 * and from the store's between begin_run and end_run, never from both at one time.
 */
#ifndef TESS_EXECUTOR_WEIGHT_STORE_H
#define TESS_EXECUTOR_WEIGHT_STORE_H

#include <stdint.h>

#include "base/error.h"
#include "executor/memory_block.h"
#include "executor/weight_shelf.h"
#include "model/packed_source.h"
#include "plan/layout.h"

struct tess_weight_store;

/* Some of an op's blocks, aligned to 64 bytes. */
struct tess_weight_slice {
    const void *packed;
    int first_block, n_blocks;
};

/* Where weights come from and where they lie, all borrowed. */
struct tess_weight_supply {
    struct tess_packed_source blocks; /* of the layout's ops; unused with a shelf */
    struct tess_memory_block *memory; /* NULL: the store maps its own */
    struct tess_weight_shelf *shelf;  /* NULL: none */
    const int *
        origins; /* [n_ops] an op's number on the shelf; NULL: its own. Not borrowed after
                           loading. */
};

/* Maps the memory and, if the plan streams anything, starts the thread. Reads nothing yet.
 * `layout` and what `supply` borrows must outlive the store. TESS_E_NOMEM. */
enum tess_status tess_weight_store_create(const struct tess_layout *layout,
                                          const struct tess_weight_supply *supply,
                                          struct tess_weight_store **store_out,
                                          struct tess_error *error);

/* Joins the thread and gives the memory back. Not between begin_run and end_run. */
void tess_weight_store_destroy(struct tess_weight_store *store); /* accepts NULL */

/* What is mapped: resident blocks and slots, each rounded up to pages; 0 with a shelf. */
int64_t tess_weight_store_bytes(const struct tess_weight_store *store);

/* Reads the weights of op `op`, if it is resident and has any, or finds them on the shelf. Before
 * the first run. What the source reports. */
enum tess_status tess_weight_store_load(struct tess_weight_store *store, int op,
                                        struct tess_error *error);

/* All blocks of a loaded op; NULL of a streamed one. Borrowed from the store or its shelf. */
const void *tess_weight_store_resident(const struct tess_weight_store *store, int op);

/* A run begins: from now on slices are read ahead. */
void tess_weight_store_begin_run(struct tess_weight_store *store);

/* Waits for the next slice of the streamed op `op`: its first one, or the one after that
 * taken before. Runs of ops come in the order of tess_walk, slices in that of blocks. The
 * slice is valid until it is given back, which must happen before the next is taken. What
 * the source reported when it failed at this slice, with its message; nothing is then to
 * be given back and the run is to be ended. Allocates nothing. */
enum tess_status tess_weight_store_take(struct tess_weight_store *store, int op,
                                        struct tess_weight_slice *slice_out,
                                        struct tess_error *error);
void tess_weight_store_give_back(struct tess_weight_store *store);

/* The run is over, for whatever reason and at whatever step: waits until nothing is read
 * any more, at most for the slice that is being read. Another run may begin. */
void tess_weight_store_end_run(struct tess_weight_store *store);

#endif
