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
 * inputs, spread outputs, rolling windows moved. */
double tess_cost_traffic_us(const struct tess_layout *layout, int group,
                            const struct tess_profile *profile);

/* Kernel calls and their short rows. */
double tess_cost_calls_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile);

/* The sum of the terms. */
double tess_cost_group_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile);

#endif
