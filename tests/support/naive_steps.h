/* The oracle of the walk: runs steps with naive loops on a real arena.
 *
 * Instead of floats, pixels hold 32-bit hashes of all that a kernel would read to compute
 * them, so that any wrong, stale or missing input changes the result; no sum can cancel
 * an error out and no maximum can hide it. Memory that nothing was written to holds
 * poison.
 */
#ifndef TESS_TESTS_SUPPORT_NAIVE_STEPS_H
#define TESS_TESTS_SUPPORT_NAIVE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/layout.h"
#include "plan/walk.h"

/* What every tensor of a network must hold. */
struct tess_naive_net {
    const struct tess_graph *graph; /* borrowed */
    uint32_t **pixels;              /* [n_tensors][H,W,C] */
};

struct tess_naive_net *tess_naive_net_create(const struct tess_graph *graph);
void tess_naive_net_destroy(struct tess_naive_net *net); /* accepts NULL */

struct tess_naive_run {
    const struct tess_layout *layout; /* borrowed */
    const struct tess_naive_net *net; /* borrowed: where the input's rows come from */
    int n_input_rows;                 /* up to which they were taken */
    uint32_t *arena;
    int64_t n_cells; /* floats of the arena */
    bool is_broken; /* a step read poison, a pixel outside its place, or outside the arena
                     */
    int64_t n_steps;
    struct tess_step first_broken; /* the step that set is_broken */
};

/* Poisons an arena. `net` must outlive the run. */
struct tess_naive_run *tess_naive_run_create(const struct tess_layout *layout,
                                             const struct tess_naive_net *net);
void tess_naive_run_destroy(struct tess_naive_run *run); /* accepts NULL */

/* A tess_step_visitor; `context` is a tess_naive_run. Never fails: ask is_right at the
 * end. */
enum tess_status tess_naive_run_step(void *context, const struct tess_step *step,
                                     struct tess_error *error);

/* Did no step misread, and does every output of the network hold what it must? */
bool tess_naive_run_is_right(const struct tess_naive_run *run,
                             const struct tess_naive_net *net);

#endif
