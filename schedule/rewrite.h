/* Rewrites task graphs so that what a concat would hold whole is never whole.
 *
 * A tensor that is parts side by side need not be put together for a task that can take them one
 * by one:
 *   - a convolution (TESS_TASK_SUMS) becomes one task per part, each adding to its output;
 *   - a depthwise one, a pooling, a relu (TESS_TASK_PARTWISE) becomes one task per part, each
 *     making a part of its output; this is parts side by side in turn, and is put together only
 *     if somebody reads it who cannot take parts, or it is retained;
 *   - a concat of it becomes a concat of the parts.
 * Every part can then die by itself. That makes some peaks lower and some higher: this rewrites
 * what it is told to, schedule/rewrite_search.h finds out what is worth it. The values computed
 * are the same up to the order of additions, and only if sums are kept as they are added: where
 * they are wider than the tensor, say so (accumulator_factor).
 *
 * Source: Ahn et al., "Ordering Chaos: Memory-Aware Scheduling of Irregularly Wired Neural
 * Networks for Edge Devices", MLSys 2020, section 3.3 (identity graph rewriting).
 */
#ifndef TESS_SCHEDULE_REWRITE_H
#define TESS_SCHEDULE_REWRITE_H

#include "schedule/task_graph.h"

enum tess_rewrite_kind {
    TESS_REWRITE_WHOLE, /* the task as it was; a concat may have other inputs than it had */
    TESS_REWRITE_PART,   /* does what the task did, for one part of its input */
    TESS_REWRITE_GATHER, /* a concat of the parts that a task made */
    TESS_REWRITE_FINISH  /* makes the output out of the wider sums */
};

struct tess_rewritten_task {
    int origin; /* task of the graph that was rewritten */
    enum tess_rewrite_kind kind;
    int part, n_parts; /* 0 of 1 but for TESS_REWRITE_PART */
};

/* Parts are counted in the order of the concat's inputs, which is by tensor, each replaced by its
 * own parts if it has some. */
struct tess_rewritten_tensor {
    int origin;        /* tensor of the graph that was rewritten */
    int part, n_parts; /* 0 of 1: all of it; part -1: its wider sums */
};

struct tess_rewritten {
    struct tess_task_graph *graph;         /* not counted by a model yet */
    struct tess_rewritten_task *tasks;     /* [graph->n_tasks] */
    struct tess_rewritten_tensor *tensors; /* [graph->n_tensors] */
    int n_dissolved;                       /* concats that are gone */
    int n_summed, n_parted;                /* tasks of the two flags that are in parts */
};

/* Can this task be told to be dissolved: a concat of nothing but its inputs, each once, whose
 * output is only read by tasks that can take parts? */
bool tess_rewrite_is_site(const struct tess_task_graph *graph, int task);

/* Fills is_fixed_out [n_tasks]: no concat, and whatever is dissolved, the task stays whole and
 * reads the same tensors. TESS_E_NOMEM. */
enum tess_status tess_rewrite_find_fixed(const struct tess_task_graph *graph,
                                         bool *is_fixed_out, struct tess_error *error);

/* Dissolves the concats that are marked (`dissolve` [n_tasks], true at sites only). Sums are
 * kept in accumulator_factor (>= 1) times the bytes of the output if there is more than one part;
 * above 1 they are a tensor of their own. With nothing marked the result is the graph. The file
 * order stays valid and the same. TESS_E_NOMEM, TESS_E_MODEL if sizes grow too large; release in
 * every case. Cost: O(size of the result). */
enum tess_status tess_rewrite_apply(struct tess_rewritten *rewritten,
                                    const struct tess_task_graph *graph,
                                    const bool *dissolve, int accumulator_factor,
                                    struct tess_error *error);
void tess_rewritten_release(struct tess_rewritten *rewritten); /* accepts zeroed, NULL */

#endif
