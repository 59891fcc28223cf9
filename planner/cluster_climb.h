/* Makes a plan for several nodes better, step by step: cuts, edges of tiles and who computes them,
 * all judged by the time of the whole frame (planner/cluster_frame.h).
 *
 * Knows no memory but what it is told: tiles that were found not to fit are forbidden by their
 * size. Tiles' times are those of planner/cluster_tiling.h, without a search each.
 */
#ifndef TESS_PLANNER_CLUSTER_CLIMB_H
#define TESS_PLANNER_CLUSTER_CLIMB_H

#include "planner/cluster_chain.h"
#include "planner/cluster_plan.h"

struct tess_climber;

/* Borrows everything but the error. TESS_E_NOMEM. */
enum tess_status tess_climber_create(const struct tess_graph *graph,
                                     const struct tess_cluster *cluster,
                                     const struct tess_cluster_options *options,
                                     struct tess_climber **climber_out);
void tess_climber_destroy(struct tess_climber *climber); /* accepts NULL */

/* Tiles of ops [first, end) with as many pixels do not fit. TESS_E_NOMEM. */
enum tess_status tess_climber_forbid(struct tess_climber *climber, int first, int end,
                                     int64_t n_pixels);

/* The chain of a plan whose stages are runs of ops. False if its tiles are no spread, or not. */
bool tess_climber_read(struct tess_climber *climber, const struct tess_cluster_plan *plan,
                       struct tess_chain *chain_out);

/* Takes note of what tiles of a plan were predicted to take, by planners of one device: others of
 * the same stages will take as much more or less than by their ops. */
void tess_climber_learn(struct tess_climber *climber,
                        const struct tess_cluster_plan *plan);

/* Climbs from `chain` until nothing that is tried makes it better, or long enough: the same at
 * every call. TESS_E_NOMEM. */
enum tess_status tess_climber_climb(struct tess_climber *climber,
                                    struct tess_chain *chain);

/* Wanders about from `chain`, less and less far, and climbs from the best that is met.
 * The same for the same seed. TESS_E_NOMEM. */
enum tess_status tess_climber_anneal(struct tess_climber *climber,
                                     struct tess_chain *chain, uint64_t seed);

/* A new plan of the chain's stages, without predictions. TESS_E_NOMEM. */
enum tess_status tess_climber_write(struct tess_climber *climber,
                                    const struct tess_chain *chain,
                                    struct tess_cluster_plan **plan_out,
                                    struct tess_error *error);

#endif
