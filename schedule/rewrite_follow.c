#include "schedule/rewrite_follow.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"
#include "schedule/frontier.h"

struct place {
    struct tess_rewritten_task what;
    int position; /* in the source's order */
};

/* By origin, and within it by all that tells its tasks apart. */
static int compare_tasks(const struct tess_rewritten_task *x,
                         const struct tess_rewritten_task *y)
{
    if (x->origin != y->origin)
        return x->origin - y->origin;
    if (x->kind != y->kind)
        return (int)x->kind - (int)y->kind;
    return x->n_parts != y->n_parts ? x->n_parts - y->n_parts : x->part - y->part;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return compare_tasks(&x->what, &y->what);
}

/* Where the source runs this task; if it has not got it, the last of the same origin; -1: none. */
static int find_position(const struct place *places, int n_places,
                         const struct tess_rewritten_task *what)
{
    int low = 0, high = n_places, last = -1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (places[middle].what.origin < what->origin)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n_places && places[low].what.origin == what->origin; low++) {
        if (compare_tasks(&places[low].what, what) == 0)
            return places[low].position;
        last = tess_max_int(last, places[low].position);
    }
    return last;
}

static void run_by_key(struct tess_frontier *frontier, const int *key, int *order_out)
{
    int n_tasks = frontier->chains->graph->n_tasks;
    for (int at = 0; at < n_tasks; at++) {
        int next = frontier->ready[0];
        for (int k = 1; k < frontier->n_ready; k++) {
            int task = frontier->ready[k];
            if (key[task] < key[next] || (key[task] == key[next] && task < next))
                next = task;
        }
        order_out[at] = next;
        tess_frontier_run(frontier, next);
    }
}

enum tess_status tess_rewrite_follow(const struct tess_rewritten *source,
                                     const int *order,
                                     const struct tess_rewritten *target, int *order_out,
                                     struct tess_error *error)
{
    int n_places = source->graph->n_tasks, n_tasks = target->graph->n_tasks;
    struct tess_chains singles = {0};
    struct tess_frontier frontier = {0};
    struct place *places = calloc((size_t)n_places + 1, sizeof *places);
    int *key = malloc(sizeof *key * ((size_t)n_tasks + 1));
    enum tess_status status = places && key ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_chains_single(&singles, target->graph, error);
    if (status == TESS_OK)
        status = tess_frontier_init(&frontier, &singles, false, error);
    if (status != TESS_OK)
        goto out;
    for (int at = 0; at < n_places; at++)
        places[at] = (struct place){source->tasks[order[at]], at};
    qsort(places, (size_t)n_places, sizeof *places, compare_places);
    for (int i = 0; i < n_tasks; i++)
        key[i] = find_position(places, n_places, &target->tasks[i]);
    run_by_key(&frontier, key, order_out);
out:
    tess_frontier_release(&frontier);
    tess_chains_release(&singles);
    free(places);
    free(key);
    return status;
}
