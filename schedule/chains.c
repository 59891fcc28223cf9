/* Problem: make a task graph smaller so that the least peak of its orders stays what it is.
 *
 * Method: a chain a with one successor b, which has no other predecessor, all of whose inputs a
 * makes, and neither adds to a tensor that others add to, too. Running a, then b adds to the
 * bytes alive, relative to before a, hills h (the most while a part runs) and a rest r (after
 * it). How much that is depends on which inputs of a die with it, something between none and all.
 *   Rule A, b at once:  h(b) <= h(a) and r(ab) <= r(a), if none die.                    (1)
 *   Rule B, a later:    r(a) >= 0 and h(a) <= h(b), if all die.                         (2)
 * (1): wherever an order runs a, running b directly after it raises nothing there and leaves no
 * more alive. If some inputs die that is their bytes less in all of b, and at most their bytes
 * less in the hill of a, so the comparison only gets better. (2): wherever an order runs b,
 * running a directly before it, not earlier, has r(a) less alive in between, and the hill of a
 * hides behind that of b. Here dying inputs make it worse, so all die. Repeated to a fixpoint.
 *
 * Invariant: each task is in one chain; the least peak over orders that run chains without a
 * break is that of the graph.
 *
 * Cost: O(size) per pair tried, at most one success per task.
 *
 * Worked example: x (6 bytes, others read it, too) -> a -> y (4) -> b -> z (4). h(a) = 4,
 * r(a) = 4, h(b) = 8: not (1). r(a) = 4 - 6 < 0 if x dies: not (2). Were x 3 bytes: r(a) = 1,
 * h(a) = 4 <= h(b) = 5: fused by (2).
 *
 * Not done: runs that end in more than one tensor; splitting at each valley inside (the hill and
 * valley sequences of Liu).
 *
 * Reference: the first rule is the join rule of HMCOS (Wang et al., DAC 2022); J. W. H. Liu,
 * "An application of generalized tree pebbling", 1987.
 */
#include "schedule/chains.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* While fusing: chains are linked lists of tasks, named by their first. */
struct fusion {
    const struct tess_task_graph *graph;
    int *next;     /* [n_tasks] within its chain; -1: last */
    int *last;     /* [n_tasks] of a chain, at its first task */
    int *first_of; /* [n_tasks] the chain that a task is in */
    int *n_unread; /* [n_tensors] of the chains measured; reads still to come */
};

/* Hills and rest of a chain followed by another, relative to before. */
struct profile {
    int64_t hill_a, hill_b, rest_a, rest_ab;
};

static int64_t run_relative(struct fusion *fusion, int task_id, int64_t *alive)
{
    const struct tess_task_graph *graph = fusion->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t made = 0, freed = 0, saved = 0, wanted = -1;
    for (int k = 0; k < task->n_outputs; k++) {
        const struct tess_task_tensor *tensor = &graph->tensors[task->outputs[k]];
        made += tensor->bytes;
        freed += tensor->n_consumers + tensor->is_retained == 0 ? tensor->bytes : 0;
    }
    if ((task->flags & TESS_TASK_OVERWRITES) && task->n_outputs == 1)
        wanted = graph->tensors[task->outputs[0]].bytes;
    for (int k = 0; k < task->n_inputs; k++) {
        int64_t bytes = graph->tensors[task->inputs[k]].bytes;
        if (--fusion->n_unread[task->inputs[k]] > 0)
            continue;
        freed += bytes;
        saved = bytes == wanted ? wanted : saved;
    }
    int64_t most = *alive + made - saved;
    *alive += made - freed;
    return most;
}

/* Sets how often the inputs of a chain's tasks are still read; `all_die`: by these tasks only,
 * unless the tensor is retained. Tensors that the two chains make themselves are read as they are.
 */
static void count_reads(struct fusion *fusion, int chain_a, int chain_b, bool all_die)
{
    const struct tess_task_graph *graph = fusion->graph;
    for (int pass = 0; pass < 2; pass++)
        for (int half = 0; half < 2; half++)
            for (int i = half ? chain_b : chain_a; i >= 0; i = fusion->next[i])
                for (int k = 0; k < graph->tasks[i].n_inputs; k++) {
                    int t = graph->tasks[i].inputs[k];
                    const struct tess_task_tensor *tensor = &graph->tensors[t];
                    int maker =
                        tensor->n_producers ? fusion->first_of[tensor->producers[0]] : -1;
                    bool is_own = maker == chain_a || maker == chain_b;
                    if (pass == 0)
                        fusion->n_unread[t] =
                            tensor->is_retained +
                            (is_own || !all_die ? tensor->n_consumers : 0);
                    else if (!is_own && all_die)
                        fusion->n_unread[t]++;
                }
}

static struct profile measure(struct fusion *fusion, int chain_a, int chain_b,
                              bool all_die)
{
    struct profile profile = {INT64_MIN, INT64_MIN, 0, 0};
    int64_t alive = 0;
    count_reads(fusion, chain_a, chain_b, all_die);
    for (int i = chain_a; i >= 0; i = fusion->next[i])
        profile.hill_a = tess_max_i64(profile.hill_a, run_relative(fusion, i, &alive));
    profile.rest_a = alive;
    for (int i = chain_b; i >= 0; i = fusion->next[i])
        profile.hill_b = tess_max_i64(profile.hill_b, run_relative(fusion, i, &alive));
    profile.rest_ab = alive;
    return profile;
}

/* The one chain after (before) a chain; -1: none or several. */
static int only_neighbour(const struct fusion *fusion, int chain, bool is_after)
{
    int found = -1;
    for (int i = chain; i >= 0; i = fusion->next[i]) {
        const struct tess_task *task = &fusion->graph->tasks[i];
        int n = is_after ? task->n_after : task->n_before;
        for (int k = 0; k < n; k++) {
            int other = fusion->first_of[is_after ? task->after[k] : task->before[k]];
            if (other == chain)
                continue;
            if (found >= 0 && found != other)
                return -1;
            found = other;
        }
    }
    return found;
}

/* Does it add to a tensor that others add to, or read (is_second) what the graph was given? */
static bool is_entangled(const struct fusion *fusion, int chain, bool is_second)
{
    const struct tess_task_graph *graph = fusion->graph;
    for (int i = chain; i >= 0; i = fusion->next[i]) {
        const struct tess_task *task = &graph->tasks[i];
        for (int k = 0; k < task->n_outputs; k++)
            if (graph->tensors[task->outputs[k]].n_producers > 1)
                return true;
        for (int k = 0; k < task->n_inputs && is_second; k++)
            if (graph->tensors[task->inputs[k]].is_input)
                return true;
    }
    return false;
}

static bool can_fuse(struct fusion *fusion, int chain_a, int chain_b)
{
    if (chain_b < 0 || only_neighbour(fusion, chain_b, false) != chain_a ||
        is_entangled(fusion, chain_a, false) || is_entangled(fusion, chain_b, true))
        return false;
    struct profile none = measure(fusion, chain_a, chain_b, false);
    if (none.hill_b <= none.hill_a && none.rest_ab <= none.rest_a) /* (1) */
        return true;
    struct profile all = measure(fusion, chain_a, chain_b, true);
    return all.rest_a >= 0 && all.hill_a <= all.hill_b; /* (2) */
}

static void join(struct fusion *fusion, int chain_a, int chain_b)
{
    for (int i = chain_b; i >= 0; i = fusion->next[i])
        fusion->first_of[i] = chain_a;
    fusion->next[fusion->last[chain_a]] = chain_b;
    fusion->last[chain_a] = fusion->last[chain_b];
}

static void fuse_all(struct fusion *fusion)
{
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        for (int i = 0; i < fusion->graph->n_tasks; i++) {
            if (fusion->first_of[i] != i)
                continue;
            for (;;) {
                int after = only_neighbour(fusion, i, true);
                if (!can_fuse(fusion, i, after))
                    break;
                join(fusion, i, after);
                has_changed = true;
            }
        }
    }
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The chains before or after one, from those of its tasks. */
static int gather(const struct tess_chains *chains, int chain_id, bool is_before, int *at)
{
    const struct tess_chain *chain = &chains->chains[chain_id];
    int n = 0, n_kept = 0;
    for (int i = 0; i < chain->n_tasks; i++) {
        const struct tess_task *task = &chains->graph->tasks[chain->tasks[i]];
        int n_more = is_before ? task->n_before : task->n_after;
        for (int k = 0; k < n_more; k++) {
            int other = chains->chain_of[is_before ? task->before[k] : task->after[k]];
            if (other != chain_id)
                at[n++] = other;
        }
    }
    if (n > 1)
        qsort(at, (size_t)n, sizeof *at, compare_ints);
    for (int i = 0; i < n; i++)
        if (n_kept == 0 || at[n_kept - 1] != at[i])
            at[n_kept++] = at[i];
    return n_kept;
}

/* Lists of tasks become arrays; chains are numbered by their first tasks. */
static enum tess_status lay_out(struct tess_chains *chains, const struct fusion *fusion,
                                struct tess_error *error)
{
    const struct tess_task_graph *graph = fusion->graph;
    size_t n = (size_t)graph->n_tasks, n_edges = 0;
    for (int i = 0; i < graph->n_tasks; i++)
        n_edges += (size_t)graph->tasks[i].n_before + (size_t)graph->tasks[i].n_after;
    chains->chains = calloc(n + 1, sizeof *chains->chains);
    chains->chain_of = malloc((n + 1) * sizeof *chains->chain_of);
    chains->lists = malloc((n + n_edges + 1) * sizeof *chains->lists);
    if (!chains->chains || !chains->chain_of || !chains->lists)
        return tess_error_nomem(error);
    int *at = chains->lists;
    for (int i = 0; i < graph->n_tasks; i++) {
        if (fusion->first_of[i] != i)
            continue;
        struct tess_chain *chain = &chains->chains[chains->n_chains];
        chain->tasks = at;
        for (int k = i; k >= 0; k = fusion->next[k]) {
            at[chain->n_tasks++] = k;
            chains->chain_of[k] = chains->n_chains;
        }
        at += chain->n_tasks;
        chains->n_chains++;
    }
    for (int i = 0; i < chains->n_chains; i++) {
        struct tess_chain *chain = &chains->chains[i];
        chain->before = at;
        at += chain->n_before = gather(chains, i, true, at);
        chain->after = at;
        at += chain->n_after = gather(chains, i, false, at);
    }
    return TESS_OK;
}

static enum tess_status create(struct tess_chains *chains,
                               const struct tess_task_graph *graph, bool fuses,
                               struct tess_error *error)
{
    *chains = (struct tess_chains){.graph = graph};
    size_t n = (size_t)graph->n_tasks + 1, n_tensors = (size_t)graph->n_tensors + 1;
    int *work = malloc(sizeof *work * (3 * n + n_tensors));
    if (!work)
        return tess_error_nomem(error);
    struct fusion fusion = {graph, work, work + n, work + 2 * n, work + 3 * n};
    for (int i = 0; i < graph->n_tasks; i++) {
        fusion.next[i] = -1;
        fusion.last[i] = fusion.first_of[i] = i;
    }
    if (fuses)
        fuse_all(&fusion);
    enum tess_status status = lay_out(chains, &fusion, error);
    free(work);
    return status;
}

enum tess_status tess_chains_single(struct tess_chains *chains,
                                    const struct tess_task_graph *graph,
                                    struct tess_error *error)
{
    return create(chains, graph, false, error);
}

enum tess_status tess_chains_fuse(struct tess_chains *chains,
                                  const struct tess_task_graph *graph,
                                  struct tess_error *error)
{
    return create(chains, graph, true, error);
}

void tess_chains_release(struct tess_chains *chains)
{
    if (!chains)
        return;
    free(chains->chains);
    free(chains->chain_of);
    free(chains->lists);
    *chains = (struct tess_chains){0};
}

void tess_chains_expand(const struct tess_chains *chains, const int *chain_order,
                        int *order_out)
{
    for (int i = 0; i < chains->n_chains; i++) {
        const struct tess_chain *chain = &chains->chains[chain_order[i]];
        memcpy(order_out, chain->tasks, sizeof *order_out * (size_t)chain->n_tasks);
        order_out += chain->n_tasks;
    }
}

void tess_chains_contract(const struct tess_chains *chains, const int *order,
                          bool is_by_first, int *scratch, int *chain_order_out)
{
    int n_found = 0;
    for (int i = 0; i < chains->n_chains; i++)
        scratch[i] = 0;
    for (int at = 0; at < chains->graph->n_tasks; at++) {
        int chain = chains->chain_of[order[at]];
        int n_run = ++scratch[chain];
        if (n_run == (is_by_first ? 1 : chains->chains[chain].n_tasks))
            chain_order_out[n_found++] = chain;
    }
    assert(n_found == chains->n_chains);
}
