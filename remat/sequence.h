/* Sequences of tasks in which a task may run more than once, and what they cost.
 *
 * Rematerialization: where the best order of tasks still needs more than the budget, a tensor is
 * dropped after one use and computed anew before the next one. The problem is to run every task at
 * least once within the budget, in as little time as possible. How sequences are found:
 * remat/method.h; to doubt what is measured here: remat/sequence_check.h; the tasks and tensors:
 * schedule/task_graph.h.
 *
 * What is alive, when a task runs more than once:
 *   - each run of a task computes all its outputs: from there on an older copy does not count;
 *   - a copy is alive from its run to its last use before the next run of its task; if nobody
 *     reads it before that, during its own run only;
 *   - a retained tensor's last copy stays to the end;
 *   - an input of the graph cannot be computed: it is alive from the start to its last use;
 *   - a tensor that several tasks add to is alive from the first of them on and can be read when
 *     all have run. None of them may run again (tess_remat_may_repeat);
 *   - a task that may overwrite puts its output onto an input of the same size whose copy dies
 *     with it: then the two count once.
 */
#ifndef TESS_REMAT_SEQUENCE_H
#define TESS_REMAT_SEQUENCE_H

#include "schedule/task_graph.h"

/* No sum of costs of one run of each task may be larger. */
#define TESS_REMAT_LIMIT_COST (INT64_MAX / 4096)

/* Nor may a task run more often. */
enum { TESS_REMAT_LIMIT_RUNS = 1000 };

/* Everything is borrowed. */
struct tess_remat_problem {
    const struct tess_task_graph *graph; /* counted by a model */
    const int64_t *costs;                /* [n_tasks] of one run, >= 0, in any unit */
    const int *order; /* [n_tasks] every task once, valid: see keeps_order */
    bool keeps_order; /* first runs come in this order; else it is one to begin with */
    int most_runs;    /* of one task, 1 .. TESS_REMAT_LIMIT_RUNS */
    int64_t budget_bytes; /* >= 0 */
};

struct tess_remat_sequence {
    int n, capacity;
    int *tasks; /* [n] what runs, one after the other */
};

/* What a sequence costs. */
struct tess_remat_value {
    int64_t peak_bytes; /* most bytes alive at one moment */
    int64_t cost;       /* of all runs */
};

/* A copy of a tensor: positions in the sequence, both included. */
struct tess_remat_copy {
    int tensor;
    int first, last; /* first > last: an input that never lives */
    bool is_last;    /* no later copy of this tensor */
};

/* All copies, and which of them each run reads. */
struct tess_remat_copies {
    int n_copies;
    struct tess_remat_copy *copies;
    int *first_read; /* [n + 1] of each position, in `reads` */
    int *reads;      /* copies, in the order of the task's inputs */
    int *first_made; /* [n + 1] of each position, in `made` */
    int *made;       /* copies, in the order of the task's outputs */
};

/* An empty sequence is zeroed memory. Accepts NULL. */
void tess_remat_sequence_release(struct tess_remat_sequence *sequence);

/* Makes room; keeps what is there. TESS_E_NOMEM leaves it as it was. */
enum tess_status tess_remat_sequence_reserve(struct tess_remat_sequence *sequence,
                                             int capacity, struct tess_error *error);

/* Becomes a copy of `tasks` [n]. TESS_E_NOMEM leaves it as it was. */
enum tess_status tess_remat_sequence_set(struct tess_remat_sequence *sequence,
                                         const int *tasks, int n,
                                         struct tess_error *error);

/* May this task run more than once? Not if it adds to a tensor that others add to. */
bool tess_remat_may_repeat(const struct tess_task_graph *graph, int task);

/* Of running every task once: no sequence costs less. */
int64_t tess_remat_least_cost(const struct tess_remat_problem *problem);

/* Bytes that every sequence has alive at some moment: the most that one task holds by itself, the
 * start, the end. A budget below is infeasible. */
int64_t tess_remat_least_bytes(const struct tess_remat_problem *problem);

/* The copies of a sequence. TESS_E_VERIFY with a message if a task reads what is not there, one
 * does not exist or does not run, or one that must not runs again; TESS_E_NOMEM. The caller
 * releases in every case. Looks at nothing else of what a problem asks.
 * Cost: O(tensors + n + all inputs and outputs). */
enum tess_status tess_remat_copies_init(struct tess_remat_copies *copies,
                                        const struct tess_task_graph *graph,
                                        const struct tess_remat_sequence *sequence,
                                        struct tess_error *error);
void tess_remat_copies_release(struct tess_remat_copies *copies); /* zeroed, NULL */

/* What a sequence costs: the one evaluator that every method shares. bytes_out [n] (may be NULL)
 * gets the most bytes alive while each position runs. Errors and cost as for the copies. */
enum tess_status tess_remat_measure(const struct tess_remat_problem *problem,
                                    const struct tess_remat_sequence *sequence,
                                    struct tess_remat_value *value_out,
                                    int64_t *bytes_out, struct tess_error *error);

#endif
