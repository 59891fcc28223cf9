/* Runs a plan on one device.
 *
 * Sets up once (arena, kernels, threads), then runs as often as wanted without allocating. It
 * does what the walk says and decides nothing: cuts, orders, places and what of the weights is
 * held are the plan's, files and images are the caller's.
 *
 * Kernels of families that use packed weights have none of their own: the executor holds or
 * streams the weights (executor/weight_store.h).
 */
#ifndef TESS_EXECUTOR_EXECUTOR_H
#define TESS_EXECUTOR_EXECUTOR_H

#include <stdint.h>

#include "base/error.h"
#include "executor/kernel.h"
#include "executor/memory_block.h"
#include "executor/weight_shelf.h"
#include "model/packed_source.h"
#include "plan/layout.h"

struct tess_executor;

/* Told whenever a tile of an op's output is complete; the plane is borrowed for the call. An
 * output tile may be told more than once (halos recomputed), always with the same values. */
struct tess_observer {
    enum tess_status (*done)(void *context, int op, const struct tess_plane *tile,
                             struct tess_error *error);
    void *context;
};

/* Where the network's input comes from: `read` fills the rows of [H,W,C] that the plane names,
 * whole rows, each time later ones than before. Called on the thread that runs. */
struct tess_row_source {
    enum tess_status (*read)(void *context, const struct tess_plane *rows,
                             struct tess_error *error);
    void *context;
};

struct tess_executor_options {
    const struct tess_kernel_family *family; /* started by the caller */
    /* The weights. Families that use packed ones read `blocks`, during create and, on another
     * thread, during runs of a plan that streams; others read `filters`, during create only. The
     * one that is not read may be empty. */
    struct tess_filter_source filters;
    struct tess_packed_source blocks;
    int n_threads; /* at least 1 */
    /* What the caller shares among executors that never run at one time, all borrowed, each NULL
     * for none: the executor then makes its own. */
    struct pthreadpool *pool;        /* of n_threads threads */
    struct tess_memory_block *arena; /* fitted during create; others may fit it, too,
                                                but never to less */
    struct tess_memory_block
        *weight_memory; /* fitted during create, for this executor alone
                                                until it is destroyed */
    /* For families that use packed weights: all of them, streamed or not, lie on this shelf and
     * `blocks` may be empty. Op `op` is op shelf_origins[op] there (NULL: has the same number),
     * which is read during create only. */
    struct tess_weight_shelf *shelf;
    const int *shelf_origins;
    /* Told after each op whose kernel is made and whose weights are loaded; may be NULL. */
    void (*progress)(void *context, int n_done, int n_total);
    void *progress_context;
};

/* Maps the arena, starts the threads, makes every kernel and loads what is not streamed. `layout`
 * (with its plan and graph, whose facts are the family's) must outlive the executor. On success
 * *executor_out is new. TESS_E_NOMEM, TESS_E_CONFIG if the plan streams weights that the family
 * cannot, TESS_E_BUDGET if kernels and weights hold more than the plan says, and what the family
 * and the source of weights report. */
enum tess_status tess_executor_create(const struct tess_layout *layout,
                                      const struct tess_executor_options *options,
                                      struct tess_executor **executor_out,
                                      struct tess_error *error);
void tess_executor_destroy(struct tess_executor *executor); /* accepts NULL */

/* Computes the network once. `observer` may be NULL. `group_us_out` (may be NULL): [n_groups]
 * microseconds each group took, reading the input not counted. Allocates nothing. A failed run,
 * with what input, observer, kernels or the source of weights report, leaves the executor as it
 * was: another may follow. */
enum tess_status tess_executor_run(struct tess_executor *executor,
                                   const struct tess_row_source *input,
                                   const struct tess_observer *observer,
                                   double *group_us_out, struct tess_error *error);

/* Gives the kernels and all weights back. Outputs can still be read; nothing can be run again. */
void tess_executor_drop_kernels(struct tess_executor *executor);

/* A network output [H,W,C] after a run; valid until the next. */
struct tess_plane tess_executor_output(struct tess_executor *executor, int tensor);

/* What the kernels of this executor hold, and the weights beside them: packed weights, slots of
 * streamed ones, tables, bookkeeping. Not what is on a shelf. */
int64_t tess_executor_heap_bytes(const struct tess_executor *executor);

#endif
