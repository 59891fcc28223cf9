/* Random networks, plans and kernel facts for property tests.
 *
 * A test that fails prints its seed; TESS_TEST_SEED=<seed> runs that case again. Nets are
 * small enough for naive loops and odd enough to meet the corners: strides above the
 * kernel, padding on one side only, dilation, nested concats and slices, shortcuts
 * between unlike maps, several outputs, ops that read whole maps. Memory shortage ends
 * the test program.
 */
#ifndef TESS_TESTS_SUPPORT_RANDOM_NET_H
#define TESS_TESTS_SUPPORT_RANDOM_NET_H

#include <stdint.h>

#include "base/rng.h"
#include "model/graph.h"
#include "plan/facts.h"
#include "plan/layout.h"
#include "plan/plan.h"

struct tess_random_net {
    int max_ops;          /* at least 1; some kinds bring one helper op more */
    int max_side;         /* rows and columns of the input; upsampling may double them */
    int max_channels;     /* of the input and of each convolution */
    int max_kernel;       /* of windows */
    unsigned kinds;       /* bit 1 << kind for each enum tess_op_kind that may appear */
    int chain_percent;    /* how often an op reads the newest tensor rather than any */
    bool has_activations; /* else everything is linear */
    int joined_percent;   /* how often a concat and a convolution of it come together */
    int split_percent;    /* of the convolutions of concats that become partial ones */
};

/* Every kind, at most 12 ops on maps of 14x14 with 6 channels. */
void tess_random_net_init(struct tess_random_net *options);

/* New graph that passes tess_graph_assert_valid. */
struct tess_graph *tess_random_net_create(const struct tess_random_net *options,
                                          struct tess_rng *rng);

/* How plans are drawn. */
struct tess_random_plan {
    int max_tiles;         /* rows, or columns, of a grid */
    int tiled_percent;     /* how often a group that can be cut is cut */
    int cut_percent;       /* how often a group ends after an op */
    bool has_columns;      /* else bands only */
    bool is_natural_order; /* else any topological order */
    int streamed_percent; /* how often an op with weights is streamed, in slices of any size */
};

/* Grids up to 5x5, groups of about four ops, any order, nothing streamed. */
void tess_random_plan_init(struct tess_random_plan *options);

/* New plan that passes tess_plan_check, with the given facts, random groups, tilings,
 * `copies` and `streamed`. */
struct tess_plan *tess_random_plan_create(const struct tess_random_plan *options,
                                          const struct tess_graph *graph,
                                          const struct tess_kernel_facts *facts,
                                          struct tess_rng *rng);

/* Facts of a family that a test makes up: plain loops for everything, or a library that
 * wants dense rows, with or without padding of whole maps by itself. */
void tess_random_facts(struct tess_kernel_facts *facts_out, struct tess_rng *rng);

/* All of the above from one seed, and the layout of the plan. */
struct tess_random_case {
    struct tess_graph *graph;
    struct tess_plan *plan;
    struct tess_layout *layout;
};
void tess_random_case_init(struct tess_random_case *made,
                           const struct tess_random_net *nets,
                           const struct tess_random_plan *plans, uint64_t seed);
void tess_random_case_release(struct tess_random_case *made);

/* The seed in TESS_TEST_SEED if there is one (then *n_cases_out becomes 1), else `seed`.
 * TESS_TEST_CASES, if set and no seed is given, replaces *n_cases_out: for long soaks. */
uint64_t tess_random_seed(uint64_t seed, int *n_cases_out);

/* One line about the graph and one per group, on stderr: for a case that failed. */
void tess_random_net_print(const struct tess_graph *graph, const struct tess_plan *plan);

#endif
