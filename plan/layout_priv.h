/* What the parts of the layout share: worlds and sharing (layout_slots.c), calls, extents and
 * temps (layout_extents.c), lifetimes and offsets (layout.c). Private to plan/.
 */
#ifndef TESS_PLAN_LAYOUT_PRIV_H
#define TESS_PLAN_LAYOUT_PRIV_H

#include "plan/layout.h"

/* The worlds a tensor can live in. */
enum tess_world { TESS_STORED, TESS_LOCAL };

/* How tensors share storages in one world: a forest, the roots own storages. */
struct tess_sharing {
    bool *is_present; /* [n_tensors] */
    int *parent;      /* [n_tensors] -1: a root */
    int *channel;     /* [n_tensors] place within the parent */
    int *n_children;  /* [n_tensors] */
};

/* Decides for groups [group_begin, group_end) which tensors live where and which share, and
 * creates the storages and slots of `layout` (without extents). TESS_E_NOMEM. */
enum tess_status tess_layout_make_slots(struct tess_layout *layout, int group_begin,
                                        int group_end, struct tess_error *error);

/* Is the group a grid of more than one tile? */
bool tess_group_is_tiled(const struct tess_group *group);

/* Is `op` in group `group`? `op` may be -1. */
bool tess_layout_is_in_group(const struct tess_layout *layout, int op, int group);

/* The tiles of the op's group, and what of its output the op computes in one of them. */
const struct tess_tiles *tess_layout_tiles(const struct tess_layout *layout, int op);
struct tess_range tess_layout_computes(const struct tess_layout *layout, int op,
                                       enum tess_axis axis, int tile);

/* Gives the storages their extent arrays: stored maps whole, the others empty. TESS_E_NOMEM. */
enum tess_status tess_layout_start_extents(struct tess_layout *layout,
                                           struct tess_error *error);

/* Per group, each for all groups before the next: calls, extents, temps. */
void tess_layout_set_calls(struct tess_layout *layout, int group);
void tess_layout_set_extents(struct tess_layout *layout, int group);
void tess_layout_set_temps(struct tess_layout *layout, int group);

/* Bytes of a buffer of that many pixels, tail and alignment included. */
int64_t tess_layout_bytes(const struct tess_layout *layout, int64_t n_rows,
                          int64_t n_cols, int64_t channels);

#endif
