/* The layout of a plan: every buffer, its size, when it lives and where it lies.
 *
 * Derived from graph and plan alone, deterministically; planner, executor and reports share it.
 * Time is counted in ticks: op number p of the schedule runs at tick p. In a tiled group the
 * ticks repeat for every tile, so what must survive from tile to tile lives for the whole group.
 *
 * Every tensor lives in one or both of two worlds:
 *   stored: the whole map, with rows of zeros above and below where a kernel wants them;
 *   local:  only within its group: one tile's region (halos recomputed), or a rolling window of
 *           rows over the whole width (halos reused).
 * Tensors can share a storage: a concat's inputs are channel ranges of its output, a slice is a
 * channel range of its input, and an op may overwrite an input that nobody reads again.
 *
 * The steps that fill these buffers are in plan/walk.h; that they are right is checked by
 * plan/verify.h, which uses nothing from here but the addresses.
 */
#ifndef TESS_PLAN_LAYOUT_H
#define TESS_PLAN_LAYOUT_H

#include "base/error.h"
#include "model/graph.h"
#include "partition/tiles.h"
#include "plan/facts.h"
#include "plan/plan.h"

/* Where a tensor lies: floats [channel, channel + C) of each pixel of a storage. */
struct tess_slot {
    int storage; /* -1: not in this world */
    int channel;
};

struct tess_storage {
    int tensor;   /* the one that gives it its channels */
    int group;    /* local: its group; stored: -1 */
    int channels; /* floats per pixel */
    bool is_rolling;
    /* Map rows and columns held while tile row r, tile column c runs; out-of-map parts are
     * zeros. One entry where the extent does not depend on the tile. */
    int n_rows, n_cols;
    struct tess_range *rows; /* [n_rows] */
    struct tess_range *cols; /* [n_cols] */
    int first_tick, last_tick;
    int64_t bytes;  /* with the tail that kernels may read */
    int64_t offset; /* from the start of the arena */
};

/* Memory for one tick: a gathered input or a dense output. */
struct tess_temp {
    int tick;
    int64_t bytes, offset;
};

/* How one op is called, the same in all tiles. */
struct tess_op_layout {
    struct tess_call_shape largest;
    bool pads_rows, pads_cols; /* left to the kernel */
    int in_temp[2]; /* temp that the input is gathered into, -1: read in place */
    int out_temp;   /* temp that the output is computed into, -1: written in place */
    bool
        is_spread; /* computed densely at the start of its storage, then spread in place */
};

struct tess_layout {
    const struct tess_graph *graph; /* borrowed */
    const struct tess_plan *plan;   /* borrowed */
    struct tess_tiles *tiles;       /* [plan->n_groups] */
    int *position;                  /* [n_ops] op id -> tick */
    int *group_of;                  /* [n_ops] op id -> group */
    struct tess_slot *stored;       /* [n_tensors] */
    struct tess_slot *local;        /* [n_tensors] */
    int n_storages;
    struct tess_storage *storages;
    int n_temps;
    struct tess_temp *temps;
    struct tess_op_layout *ops; /* [n_ops] by op id */
    int64_t live_bytes;  /* most bytes alive at one tick: no arena can be smaller */
    int live_tick;       /* when */
    int64_t arena_bytes; /* what the offsets need */
};

/* Lays out the whole plan. The plan must have passed tess_plan_check. `graph` and `plan` must
 * outlive the layout. TESS_E_NOMEM. */
enum tess_status tess_layout_create(const struct tess_graph *graph,
                                    const struct tess_plan *plan,
                                    struct tess_layout **layout_out,
                                    struct tess_error *error);

/* Lays out only group `group`: the storages it touches, without offsets. live_bytes is then the
 * group's own peak, to which tensors that merely survive the group must be added. For the
 * planner's search; cost O(ops of the group * tile rows). */
enum tess_status tess_layout_create_group(const struct tess_graph *graph,
                                          const struct tess_plan *plan, int group,
                                          struct tess_layout **layout_out,
                                          struct tess_error *error);

void tess_layout_destroy(struct tess_layout *layout); /* accepts NULL */

/* Fills the terms of `memory_out` that follow from the layout: base, threads, weights,
 * workspace, arena, window and peak; input is left as it is. Scratch for unpacking weights and
 * the arena are never needed at one time: the larger of them counts. */
void tess_layout_memory(const struct tess_layout *layout, struct tess_memory *memory_out);

/* What the kernel of op `op` holds besides weights; all that it holds, where weights are read
 * in packed blocks, which lie outside of it. */
int64_t tess_layout_workspace_bytes(const struct tess_layout *layout, int op);

/* The slots for slices of streamed weights, all of them; 0 if nothing is streamed. */
int64_t tess_layout_slots_bytes(const struct tess_layout *layout);

/* Memory for unpacking weights while the kernels are made, given back before the first run. */
int64_t tess_layout_scratch_bytes(const struct tess_layout *layout);

/* Arena bytes, or the scratch for unpacking weights if that is more. */
int64_t tess_layout_arena_bytes(const struct tess_layout *layout);

/* Map rows that a storage holds while tile row `tile` runs; columns alike. */
struct tess_range tess_storage_rows(const struct tess_storage *storage, int tile);
struct tess_range tess_storage_cols(const struct tess_storage *storage, int tile);

/* Where the op at `position` in its group reads its input from and writes its output to: the
 * local world where the tensor has a place there, else the stored one. */
struct tess_slot tess_layout_source(const struct tess_layout *layout, int op, int input);
struct tess_slot tess_layout_target(const struct tess_layout *layout, int op);

/* The range of its input that op `op` needs in memory in tile `tile` of `axis`: what it reads,
 * less the padding left to the kernel. Empty if the tile computes nothing of it. */
struct tess_range tess_layout_needs(const struct tess_layout *layout, int op, int input,
                                    enum tess_axis axis, int tile);

/* Does `op` move data at all? A slice, and a concat whose inputs are all views, do not. */
bool tess_layout_is_view(const struct tess_layout *layout, int op, int input);

/* Asserts the invariants of sizes, slots and lifetimes. */
void tess_layout_assert_valid(const struct tess_layout *layout);

#endif
