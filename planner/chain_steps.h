/* What runs of tasks add to the bytes alive, step by step, and what that depends on. */
#ifndef TESS_PLANNER_CHAIN_STEPS_H
#define TESS_PLANNER_CHAIN_STEPS_H

#include "planner/precedence.h"

/* An input of a chain that dies with it if some other chains have run before. */
struct tess_chain_death {
    int tensor;
    int step;                  /* the last of the chain that reads it */
    int first_other, n_others; /* chains, in tess_chain_steps.others */
};

/* While one task of a chain runs, this many bytes more are alive than before the chain:
 *     bytes - sum of the deaths at earlier steps - saved if a candidate dies at this step. */
struct tess_chain_step {
    int64_t bytes;
    int64_t
        saved_bytes; /* of an output put onto an input; 0: none, or counted in `bytes` */
    bool is_beneath; /* never more than another step */
};

struct tess_chain_steps {
    int n_steps, n_deaths;
    struct tess_chain_step *steps; /* [n_steps] one per task */
    struct tess_chain_death *deaths;
    int *others;
    int64_t least_rise; /* the most of any step if all deaths happen */
};

/* Measures a chain. What is certain, by what must run before and after it, is counted; tensors
 * that other chains write, too, are not: neither their making nor their bytes. Only candidates
 * (deaths at a step with saved_bytes whose tensors have saved_bytes bytes) save. TESS_E_NOMEM; the
 * caller releases in every case. */
enum tess_status tess_chain_steps_init(struct tess_chain_steps *steps,
                                       const struct tess_precedence *precedence,
                                       int chain, struct tess_error *error);
void tess_chain_steps_release(struct tess_chain_steps *steps); /* zeroed or NULL, too */

/* Can this death save step `step`'s output its bytes? */
bool tess_chain_death_saves(const struct tess_chain_steps *steps,
                            const struct tess_task_graph *graph, int death, int step);

/* steps.least_rise of a chain, never below 0. TESS_E_NOMEM. */
enum tess_status tess_chain_least_rise(const struct tess_precedence *precedence,
                                       int chain, int64_t *rise_out,
                                       struct tess_error *error);

#endif
