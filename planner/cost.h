/* The time model: microseconds that a group of a plan takes, from a device profile.
 *
 * One function per term. Floats decide between plans here and nowhere else; memory is never
 * estimated here (plan/layout.h is exact).
 */
#ifndef TESS_PLANNER_COST_H
#define TESS_PLANNER_COST_H

#include "plan/layout.h"
#include "plan/profile.h"

/* Arithmetic of every tile, redundant work included. */
double tess_cost_compute_us(const struct tess_layout *layout, int group,
                            const struct tess_profile *profile);

/* Data that goes through memory rather than cache: stored tensors read and written, gathered
 * inputs, spread outputs, rolling windows moved, what tiles too large for the cache hand from op
 * to op, and weights too large for it, once for every tile. */
double tess_cost_traffic_us(const struct tess_layout *layout, int group,
                            const struct tess_profile *profile);

/* Kernel calls and their short rows. */
double tess_cost_calls_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile);

/* Tiles in which the op computes anything: how often it would read its weights. */
int64_t tess_cost_n_reads(const struct tess_layout *layout, int op);

/* Weights that a plan could stream (plan/slices.h), of one op. */
struct tess_streamable {
    int op;
    int64_t weights_bytes; /* packed */
    int64_t block_bytes;
    int n_blocks;
    int64_t n_reads;
    int64_t macs; /* computed with it; 0: leave out what narrow slices cost there */
    enum tess_speed_class speed;
};

/* Of an op with weights: read once and by itself, or as often as the layout's tiles ask for it
 * and with what they compute. */
struct tess_streamable tess_cost_streamable_once(const struct tess_graph *graph,
                                                 const struct tess_kernel_facts *facts,
                                                 int op);
struct tess_streamable tess_cost_streamable(const struct tess_layout *layout, int op);

/* What streaming it costs beyond holding it, in slices of at most `slice_bytes`, no less than a
 * block. Reading is counted in full: only where a processor is idle does it cost less. Slices of
 * few blocks make the kernels slower, too. */
double tess_cost_read_us(const struct tess_streamable *what, int64_t slice_bytes,
                         const struct tess_kernel_facts *facts,
                         const struct tess_profile *profile);

/* Weights of the group that the plan streams. */
double tess_cost_stream_us(const struct tess_layout *layout, int group,
                           const struct tess_profile *profile);

/* The sum of the terms. */
double tess_cost_group_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile);

#endif
