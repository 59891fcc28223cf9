/* Fusion: runs of tasks that some best order runs without a break, made one.
 *
 * A chain is a list of tasks. Everything that searches works on chains; the chains of
 * tess_chains_single are the tasks themselves. What makes a pair of chains one without losing
 * the best order is told in chains.c.
 */
#ifndef TESS_SCHEDULE_CHAINS_H
#define TESS_SCHEDULE_CHAINS_H

#include "schedule/task_graph.h"

struct tess_chain {
    const int *tasks;          /* [n_tasks] in the order in which they run */
    const int *before, *after; /* chains, rising */
    int n_tasks, n_before, n_after;
};

struct tess_chains {
    const struct tess_task_graph *graph; /* borrowed */
    int n_chains;
    struct tess_chain *chains;
    int *chain_of; /* [n_tasks] */
    int *lists;    /* what the chains point into */
};

/* Each task for itself, or all that the rules make one. The caller releases in every case.
 * TESS_E_NOMEM. Cost: O(size * longest chain) per round, few rounds. */
enum tess_status tess_chains_single(struct tess_chains *chains,
                                    const struct tess_task_graph *graph,
                                    struct tess_error *error);
enum tess_status tess_chains_fuse(struct tess_chains *chains,
                                  const struct tess_task_graph *graph,
                                  struct tess_error *error);
void tess_chains_release(struct tess_chains *chains); /* accepts zeroed memory and NULL */

/* Order of chains -> order of tasks [graph->n_tasks]. */
void tess_chains_expand(const struct tess_chains *chains, const int *chain_order,
                        int *order_out);

/* Order of tasks -> order of chains [n_chains] by where each chain's last task runs, or its
 * first: both are valid. `scratch` [n_tasks]. */
void tess_chains_contract(const struct tess_chains *chains, const int *order,
                          bool is_by_first, int *scratch, int *chain_order_out);

#endif
