/* The plan: how a network is cut and run within a budget. Data only, made to be written by
 * hand as well as by the planner.
 *
 * A plan says which groups there are, how each is tiled, in which order ops run, and which
 * concats are views. Everything else (buffers, offsets, steps) follows from it
 * deterministically: ask plan/layout.h. The text form is in plan/plan_text.h.
 */
#ifndef TESS_PLAN_PLAN_H
#define TESS_PLAN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/graph.h"
#include "partition/tiles.h"
#include "plan/facts.h"

struct tess_group {
    int first, last; /* positions in the schedule, both included */
    struct tess_tiling tiling;
    double predicted_us; /* time of the group, 0 when nobody predicted it */
};

/* The memory of a run, term by term; peak is their sum. All in bytes. */
struct tess_memory {
    int64_t base;      /* code, libraries, stacks */
    int64_t threads;   /* what further threads add */
    int64_t weights;   /* packed weights held */
    int64_t workspace; /* the kernels' pointer tables and bookkeeping */
    int64_t arena;     /* activations and scratch at planned offsets */
    int64_t window; /* weights being read: the reader's own, slots of streamed slices */
    int64_t input;  /* what reading the input image or file holds */
    int64_t peak;
};

struct tess_plan {
    char model[64];              /* name of the graph */
    uint64_t model_hash;         /* tess_graph.hash of the graph it was made for */
    char search[16];             /* who made it: "mafat", "dp", "untiled", "hand" */
    int64_t budget_bytes;        /* 0: none */
    int first_layer, last_layer; /* of the whole network, both included; -1, -1: all */
    int n_threads;

    int n_ops;
    int *order;     /* [n_ops] schedule position -> op id */
    bool *copies;   /* [n_ops] by op id: a concat that copies its inputs although they
                             could be views into it */
    bool *streamed; /* [n_ops] by op id: weights are not held but read again, slice by
                       slice, whenever the op runs (plan/slices.h) */
    int64_t slice_bytes;     /* of streamed weights read at once, at most; 0: one block */
    bool is_placed_greedily; /* offsets: by greedy orders alone, without search */
    int n_groups;
    struct tess_group *groups; /* ascending, covering [0, n_ops) exactly */

    struct tess_kernel_facts facts;
    struct tess_memory memory; /* predicted */
    double predicted_us;
};

/* A plan for `graph` with one 1x1 group per op in natural order, no budget and zero facts.
 * TESS_E_NOMEM. */
enum tess_status tess_plan_create(const struct tess_graph *graph,
                                  struct tess_plan **plan_out, struct tess_error *error);
struct tess_plan *
tess_plan_copy(const struct tess_plan *plan);   /* new, NULL without memory */
void tess_plan_destroy(struct tess_plan *plan); /* accepts NULL */

/* Replaces the groups by a copy of these. TESS_E_NOMEM. */
enum tess_status tess_plan_set_groups(struct tess_plan *plan,
                                      const struct tess_group *groups, int n_groups,
                                      struct tess_error *error);

/* Does the plan fit the graph: hash, order a topological permutation, groups a cover, every
 * tiled group cuttable, streamed ops with weights whose blocks fit a slice? TESS_E_CONFIG.
 */
enum tess_status tess_plan_check(const struct tess_plan *plan,
                                 const struct tess_graph *graph,
                                 struct tess_error *error);

/* Sum of the terms. */
int64_t tess_memory_sum(const struct tess_memory *memory);

/* Is every group a single tile? */
bool tess_plan_is_untiled(const struct tess_plan *plan);

/* Fingerprint of what decides the run: groups, tilings, order, copies, streaming, model. */
uint64_t tess_plan_hash(const struct tess_plan *plan);

#endif
