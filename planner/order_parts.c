/* Problem: states D of a task graph such that some order with the least peak passes through D.
 *
 * Method: let alive(I) be the bytes alive in state I; it is submodular,
 *     alive(I or D) + alive(I and D) <= alive(I) + alive(D),                               (1)
 * also with a running task's outputs made and its inputs not yet freed (schedule/lattice.c). Any
 * order, a way of states I_0, I_1, .., can be turned into one through D: first I_j and D, then
 * I_j or D. It is no worse if for all I_j
 *     alive(I_j and D) >= alive(D), unless I_j is inside D, and                            (2)
 *     alive(I_j or D) >= alive(D), unless D is inside I_j,                                 (3)
 * since by (1) then alive(I or D) <= alive(I), and alive(I and D) <= alive(I). An I_j that is not
 * inside D holds a task v that is ready at D, so I_j and D holds all that v needs. (2) holds if for
 * each such v no state between what v needs and D has fewer bytes alive than D: a minimum cut. (3)
 * is the same backwards, for each task of D that nothing in D needs.
 *
 * Cut vertices, tasks that all others come before or after, are the simplest case: there is no
 * state at all for which (2) and (3) say anything.
 *
 * Invariant: all states that are marked can be passed by one and the same best order: they are
 * prefixes of one order, so turning ways through one keeps them on the other.
 *
 * Cost: one minimum cut per ready task of each place looked at.
 *
 * Worked example: in (8) -> a -> x (1) and in -> b -> y (1), both read by c. D = {a, b}, 2 bytes.
 * Nothing but c is ready at D, and c needs both: (2) has nothing to say. Nor has (3). D divides.
 * D = {a}, 9 bytes: b is ready; between {} and D, {} has 8 bytes, fewer than 9: not (2).
 */
#include "planner/order_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "schedule/cut.h"
#include "schedule/peak.h"

/* Do several tasks add to one tensor, some before and some after the place? */
static bool splits_sum(const struct tess_task_graph *graph, const int *place_of,
                       int place)
{
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        int n_before = 0;
        for (int k = 0; k < tensor->n_producers; k++)
            n_before += place_of[tensor->producers[k]] < place;
        if (n_before > 0 && n_before < tensor->n_producers)
            return true;
    }
    return false;
}

/* Equation (2) for a task at or behind the place, or (3) for one before it. */
static enum tess_status holds(struct tess_cut *cut, const int *place_of, int place,
                              int task_id, int64_t alive, bool *holds_out,
                              struct tess_error *error)
{
    const struct tess_task *task = &cut->chains->graph->tasks[task_id];
    bool is_forward = place_of[task_id] >= place;
    int64_t bytes;
    enum tess_side fixed = is_forward ? TESS_SIDE_WAITS : TESS_SIDE_RUN;
    int n_near = is_forward ? task->n_before : task->n_after;
    const int *near = is_forward ? task->before : task->after;
    *holds_out = true;
    for (int k = 0; k < n_near; k++)
        if ((place_of[near[k]] >= place) == is_forward)
            return TESS_OK; /* then that task asks for less */
    for (int i = 0; i < cut->chains->n_chains; i++)
        cut->side[i] =
            (signed char)((place_of[i] >= place) == is_forward ? fixed : TESS_SIDE_FREE);
    for (int k = 0; k < n_near; k++)
        tess_cut_set(cut, near[k], is_forward ? TESS_SIDE_RUN : TESS_SIDE_WAITS);
    enum tess_status status = tess_cut_find(cut, alive, &bytes, error);
    if (status == TESS_OK)
        *holds_out = bytes >= alive;
    return status;
}

enum tess_status tess_order_divide(const struct tess_chains *singles, const int *order,
                                   double deadline_us, bool *is_divided_out,
                                   struct tess_error *error)
{
    const struct tess_task_graph *graph = singles->graph;
    int n = graph->n_tasks;
    struct tess_live live = {0};
    struct tess_cut cut = {0};
    int64_t *alive = malloc(sizeof *alive * ((size_t)n + 1));
    int *place_of = malloc(sizeof *place_of * ((size_t)n + 1));
    enum tess_status status =
        alive && place_of ? tess_live_init(&live, graph, error) : tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_cut_init(&cut, singles, error);
    if (status != TESS_OK)
        goto out;
    for (int at = 0; at <= n; at++) {
        alive[at] = live.bytes;
        is_divided_out[at] = at == 0 || at == n;
        if (at < n) {
            place_of[order[at]] = at;
            tess_live_run(&live, order[at]);
        }
    }
    for (int place = 1; place < n && status == TESS_OK; place++) {
        if (alive[place] > alive[place - 1] || alive[place] > alive[place + 1] ||
            splits_sum(graph, place_of, place))
            continue;
        if (tess_deadline_is_past(deadline_us))
            break;
        bool divides = true;
        for (int i = 0; i < n && divides && status == TESS_OK; i++)
            status = holds(&cut, place_of, place, i, alive[place], &divides, error);
        is_divided_out[place] = divides;
    }
out:
    tess_live_release(&live);
    tess_cut_release(&cut);
    free(alive);
    free(place_of);
    return status;
}

/* What is to become of a graph's tensors in a part. */
struct part_draft {
    struct tess_tensor_spec *tensors;
    int *number;                  /* [n_tensors] within the part; -1: not there */
    struct tess_task_spec *tasks; /* their lists are in the new numbers */
    int *lists;
};

/* How many of the tasks are before, within, and behind the part. */
static void count_tasks(const int *tasks, int n_tasks, const int *place_of, int begin,
                        int end, int counts[3])
{
    counts[0] = counts[1] = counts[2] = 0;
    for (int k = 0; k < n_tasks; k++) {
        int place = place_of[tasks[k]];
        counts[place < begin ? 0 : place < end ? 1 : 2]++;
    }
}

static int draft_tensors(struct part_draft *draft, const struct tess_task_graph *graph,
                         const int *place_of, int begin, int end, int64_t unit_bytes)
{
    int n = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        int makers[3], readers[3];
        count_tasks(tensor->producers, tensor->n_producers, place_of, begin, end, makers);
        count_tasks(tensor->consumers, tensor->n_consumers, place_of, begin, end,
                    readers);
        bool is_input = tensor->is_input || makers[0] > 0;
        bool is_retained = tensor->is_retained || readers[2] > 0;
        assert(makers[0] == 0 || makers[1] + makers[2] == 0);
        draft->number[t] = -1;
        if (makers[2] > 0 || (is_input && readers[1] == 0 && !is_retained))
            continue;
        draft->number[t] = n;
        draft->tensors[n++] =
            (struct tess_tensor_spec){.bytes = tensor->bytes / unit_bytes * unit_bytes,
                                      .is_input = is_input,
                                      .is_retained = is_retained};
    }
    return n;
}

static const int *renumber(const struct part_draft *draft, const int *tensors,
                           int n_tensors, int **at)
{
    int *first = *at;
    for (int k = 0; k < n_tensors; k++) {
        assert(draft->number[tensors[k]] >= 0);
        *(*at)++ = draft->number[tensors[k]];
    }
    return first;
}

enum tess_status tess_order_part_create(const struct tess_task_graph *graph,
                                        const int *order, int begin, int end,
                                        int64_t unit_bytes,
                                        struct tess_task_graph **part_out,
                                        struct tess_error *error)
{
    size_t n_lists = 1, n_tasks = (size_t)(end - begin) + 1;
    size_t n_tensors = (size_t)graph->n_tensors + 1;
    for (int at = begin; at < end; at++)
        n_lists += (size_t)graph->tasks[order[at]].n_inputs +
                   (size_t)graph->tasks[order[at]].n_outputs;
    struct part_draft draft = {
        .tensors = malloc(sizeof *draft.tensors * n_tensors),
        .number = malloc(sizeof *draft.number * n_tensors),
        .tasks = malloc(sizeof *draft.tasks * n_tasks),
        .lists = malloc(sizeof *draft.lists * n_lists),
    };
    int *place_of = malloc(sizeof *place_of * ((size_t)graph->n_tasks + 1));
    enum tess_status status = TESS_OK;
    if (!draft.tensors || !draft.number || !draft.tasks || !draft.lists || !place_of) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int at = 0; at < graph->n_tasks; at++)
        place_of[order[at]] = at;
    struct tess_tasks_spec spec = {.n_tasks = end - begin, .tasks = draft.tasks};
    spec.tensors = draft.tensors;
    spec.n_tensors = draft_tensors(&draft, graph, place_of, begin, end, unit_bytes);
    int *next = draft.lists;
    for (int at = begin; at < end; at++) {
        const struct tess_task *task = &graph->tasks[order[at]];
        draft.tasks[at - begin] = (struct tess_task_spec){
            .flags = task->flags,
            .n_inputs = task->n_inputs,
            .n_outputs = task->n_outputs,
            .inputs = renumber(&draft, task->inputs, task->n_inputs, &next),
            .outputs = renumber(&draft, task->outputs, task->n_outputs, &next)};
    }
    status = tess_task_graph_create(&spec, part_out, NULL, error);
out:
    free(draft.tensors);
    free(draft.number);
    free(draft.tasks);
    free(draft.lists);
    free(place_of);
    return status;
}
