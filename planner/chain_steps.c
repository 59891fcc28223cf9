#include "planner/chain_steps.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* How a tensor read in a chain fares there. */
enum fate { STAYS, DIES, MAY_DIE };

/* Is the tensor read by a later task of the chain? */
static bool is_read_later(const struct tess_task_graph *graph,
                          const struct tess_chain *chain, int step, int tensor)
{
    for (int i = step + 1; i < chain->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[chain->tasks[i]];
        for (int k = 0; k < task->n_inputs; k++)
            if (task->inputs[k] == tensor)
                return true;
    }
    return false;
}

/* After its last use in the chain. Chains that must have run before are no matter; adds the others
 * that are to run before it can die. */
static enum fate find_fate(const struct tess_precedence *precedence, int chain_id,
                           int tensor_id, int *others, int *n_others)
{
    const struct tess_chains *chains = &precedence->chains;
    const struct tess_task_tensor *tensor = &chains->graph->tensors[tensor_id];
    int first = *n_others;
    if (tensor->is_retained)
        return STAYS;
    for (int k = 0; k < tensor->n_consumers; k++) {
        int other = chains->chain_of[tensor->consumers[k]], i = first;
        if (other == chain_id || tess_precedence_is_before(precedence, other, chain_id))
            continue;
        if (tess_precedence_is_before(precedence, chain_id, other)) {
            *n_others = first;
            return STAYS;
        }
        while (i < *n_others && others[i] != other)
            i++;
        if (i == *n_others)
            others[(*n_others)++] = other;
    }
    return *n_others > first ? MAY_DIE : DIES;
}

static int64_t made_bytes(const struct tess_task_graph *graph,
                          const struct tess_task *task, int64_t *freed)
{
    int64_t made = 0;
    for (int k = 0; k < task->n_outputs; k++) {
        const struct tess_task_tensor *tensor = &graph->tensors[task->outputs[k]];
        if (tensor->n_producers > 1)
            continue;
        made += tensor->bytes;
        if (tensor->n_consumers == 0 && !tensor->is_retained)
            *freed += tensor->bytes;
    }
    return made;
}

/* Measures one step; *alive is what the chain has added to the bytes so far, without deaths that
 * are not certain. */
static void measure_step(struct tess_chain_steps *steps,
                         const struct tess_precedence *precedence, int chain_id, int at,
                         int64_t *alive, int *n_others)
{
    const struct tess_task_graph *graph = precedence->chains.graph;
    const struct tess_chain *chain = &precedence->chains.chains[chain_id];
    const struct tess_task *task = &graph->tasks[chain->tasks[at]];
    struct tess_chain_step *step = &steps->steps[at];
    int64_t wanted = -1, freed = 0, made = made_bytes(graph, task, &freed);
    if ((task->flags & TESS_TASK_OVERWRITES) && task->n_outputs == 1 &&
        graph->tensors[task->outputs[0]].n_producers == 1)
        wanted = graph->tensors[task->outputs[0]].bytes;
    bool saves = false, may_save = false;
    for (int k = 0; k < task->n_inputs; k++) {
        int tensor = task->inputs[k], first_other = *n_others;
        int64_t bytes = graph->tensors[tensor].bytes;
        if (is_read_later(graph, chain, at, tensor))
            continue;
        enum fate fate = find_fate(precedence, chain_id, tensor, steps->others, n_others);
        if (fate == MAY_DIE) {
            steps->deaths[steps->n_deaths++] = (struct tess_chain_death){
                tensor, at, first_other, *n_others - first_other};
            may_save = may_save || bytes == wanted;
        } else if (fate == DIES) {
            freed += bytes;
            saves = saves || bytes == wanted;
        }
    }
    step->bytes = *alive + made - (saves ? wanted : 0);
    step->saved_bytes = may_save && !saves ? wanted : 0;
    *alive += made - freed;
}

/* The deaths that have happened before a step, at most. */
static int64_t dead_before(const struct tess_chain_steps *steps,
                           const struct tess_task_graph *graph, int first_step, int step)
{
    int64_t bytes = 0;
    for (int i = 0; i < steps->n_deaths; i++)
        if (steps->deaths[i].step >= first_step && steps->deaths[i].step < step)
            bytes += graph->tensors[steps->deaths[i].tensor].bytes;
    return bytes;
}

/* A step is beneath an earlier one that is not lower, since deaths only add up; and beneath a
 * later one that is not lower even if all in between die. */
static void mark_beneath(struct tess_chain_steps *steps,
                         const struct tess_task_graph *graph)
{
    for (int i = 0; i < steps->n_steps; i++)
        for (int k = 0; k < steps->n_steps && !steps->steps[i].is_beneath; k++) {
            const struct tess_chain_step *other = &steps->steps[k];
            if (k == i || other->is_beneath || other->saved_bytes > 0)
                continue;
            int64_t dead = k > i ? dead_before(steps, graph, i, k) : 0;
            steps->steps[i].is_beneath = steps->steps[i].bytes <= other->bytes - dead;
        }
}

enum tess_status tess_chain_steps_init(struct tess_chain_steps *steps,
                                       const struct tess_precedence *precedence,
                                       int chain_id, struct tess_error *error)
{
    const struct tess_task_graph *graph = precedence->chains.graph;
    const struct tess_chain *chain = &precedence->chains.chains[chain_id];
    size_t n_inputs = 1, n_reads = 1;
    for (int i = 0; i < chain->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[chain->tasks[i]];
        n_inputs += (size_t)task->n_inputs;
        for (int k = 0; k < task->n_inputs; k++)
            n_reads += (size_t)graph->tensors[task->inputs[k]].n_consumers;
    }
    *steps = (struct tess_chain_steps){.n_steps = chain->n_tasks};
    steps->steps = calloc((size_t)chain->n_tasks + 1, sizeof *steps->steps);
    steps->deaths = calloc(n_inputs, sizeof *steps->deaths);
    steps->others = calloc(n_reads, sizeof *steps->others);
    if (!steps->steps || !steps->deaths || !steps->others)
        return tess_error_nomem(error);
    int64_t alive = 0;
    int n_others = 0;
    steps->least_rise = INT64_MIN;
    for (int i = 0; i < chain->n_tasks; i++) {
        measure_step(steps, precedence, chain_id, i, &alive, &n_others);
        steps->least_rise = tess_max_i64(
            steps->least_rise, steps->steps[i].bytes - steps->steps[i].saved_bytes -
                                   dead_before(steps, graph, 0, i));
    }
    mark_beneath(steps, graph);
    return TESS_OK;
}

void tess_chain_steps_release(struct tess_chain_steps *steps)
{
    if (!steps)
        return;
    free(steps->steps);
    free(steps->deaths);
    free(steps->others);
    *steps = (struct tess_chain_steps){0};
}

bool tess_chain_death_saves(const struct tess_chain_steps *steps,
                            const struct tess_task_graph *graph, int death, int step)
{
    int64_t saved = steps->steps[step].saved_bytes;
    return saved > 0 && steps->deaths[death].step == step &&
           graph->tensors[steps->deaths[death].tensor].bytes == saved;
}

enum tess_status tess_chain_least_rise(const struct tess_precedence *precedence,
                                       int chain, int64_t *rise_out,
                                       struct tess_error *error)
{
    struct tess_chain_steps steps;
    enum tess_status status = tess_chain_steps_init(&steps, precedence, chain, error);
    if (status == TESS_OK)
        *rise_out = tess_max_i64(0, steps.least_rise);
    tess_chain_steps_release(&steps);
    return status;
}
