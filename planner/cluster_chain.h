/* A plan for several nodes while it is looked for: all ops in stages, each with a spread of nodes
 * over its output. What it takes: planner/cluster_climb.h.
 */
#ifndef TESS_PLANNER_CLUSTER_CHAIN_H
#define TESS_PLANNER_CLUSTER_CHAIN_H

#include "planner/cluster_spread.h"

/* Ops from the end of the stage before, in the graph's order. */
struct tess_chain_stage {
    int end;
    struct tess_spread spread;
};

/* A plan: all ops in stages. */
struct tess_chain {
    int n_stages;
    struct tess_chain_stage *stages; /* [n_ops] */
    double us; /* as the climber finds it; INFINITY: it is no plan */
};

enum tess_status tess_chain_init(struct tess_chain *chain,
                                 const struct tess_graph *graph);
void tess_chain_release(struct tess_chain *chain); /* accepts zeroed memory */
void tess_chain_copy(struct tess_chain *to, const struct tess_chain *from);

/* First op of a stage. */
int tess_chain_begin(const struct tess_chain *chain, int stage);

/* A stage and the next become one, with the spread of either. */
void tess_chain_merge(struct tess_chain *chain, int stage, bool takes_second);

/* A stage becomes two of its spread, the first up to op `end`. */
void tess_chain_split(struct tess_chain *chain, int stage, int end);

/* Nodes a and b change places in one stage, or with -1 in all. */
void tess_chain_swap(struct tess_chain *chain, int stage, int a, int b);

#endif
