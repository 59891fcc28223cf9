/* Random problems of rematerialization, and their best answer by trying all states. */
#ifndef TESS_TESTS_SUPPORT_RANDOM_REMAT_H
#define TESS_TESTS_SUPPORT_RANDOM_REMAT_H

#include "base/rng.h"
#include "remat/sequence.h"

enum { RANDOM_REMAT_TASKS = 12 };

struct random_remat {
    struct tess_task_graph *graph; /* counted by some model */
    int64_t costs[RANDOM_REMAT_TASKS];
    int order[RANDOM_REMAT_TASKS];
    struct tess_remat_problem
        problem; /* with two runs at most, and a budget that is not trivial */
};

/* At most max_tasks tasks (at most RANDOM_REMAT_TASKS). */
void random_remat_init(struct random_remat *random, int max_tasks, struct tess_rng *rng);
void random_remat_release(struct random_remat *random);

/* The least cost of all sequences within the budget, INT64_MAX if there is none, -1 if there are
 * more states than could be tried. From the definition in remat/sequence.h: before every run any
 * tensors may be dropped, in every way. Shares no code with remat/. */
int64_t brute_remat_cost(const struct tess_remat_problem *problem);

#endif
