/* What an order costs: the one evaluator that every method shares.
 *
 * A state is a set of tasks that have run, closed under "needs". From the bytes alive in it follow
 * the bytes alive after any task that can run next and the most while that task runs. What is
 * alive when: schedule/task_graph.h. To doubt this, schedule/check.h counts by itself.
 */
#ifndef TESS_SCHEDULE_PEAK_H
#define TESS_SCHEDULE_PEAK_H

#include "schedule/task_graph.h"

/* Which tasks have run, as far as memory is concerned. */
struct tess_live {
    const struct tess_task_graph *graph; /* borrowed, counted by a model */
    int *n_unread;  /* [n_tensors] consumers still to run; one more if it is retained */
    int *n_written; /* [n_tensors] producers that have run */
    int64_t bytes;  /* alive between the tasks */
};

/* No task has run. TESS_E_NOMEM. */
enum tess_status tess_live_init(struct tess_live *live,
                                const struct tess_task_graph *graph,
                                struct tess_error *error);
void tess_live_release(struct tess_live *live); /* accepts zeroed memory and NULL */

/* Runs a task, all that it needs has run: the most bytes alive while it does. O(its tensors). */
int64_t tess_live_run(struct tess_live *live, int task);

/* Takes the task back, nothing that needs it has run: what tess_live_run returned. */
int64_t tess_live_undo(struct tess_live *live, int task);

/* What tess_live_run would return; *after_out is what `bytes` would be. */
int64_t tess_live_probe(const struct tess_live *live, int task, int64_t *after_out);

/* Most bytes alive at one moment when the tasks run in this valid order; TESS_E_NOMEM.
 * task_bytes_out [n_tasks], if not NULL, gets the most while each position's task runs. */
enum tess_status tess_peak_of_order(const struct tess_task_graph *graph, const int *order,
                                    int64_t *peak_out, int64_t *task_bytes_out,
                                    struct tess_error *error);

/* Can the task, in some order, put its output onto an input? */
bool tess_task_may_overwrite(const struct tess_task_graph *graph, int task);

/* A peak below which no order goes: the most that some task holds by its own tensors, the start,
 * the end. */
int64_t tess_peak_trivial_bound(const struct tess_task_graph *graph);

/* The same for sequences in which tasks run more than once: there an output of the graph may be
 * overwritten, to be computed anew. */
int64_t tess_peak_repeated_bound(const struct tess_task_graph *graph);

#endif
