#include "tests/support/symbolic_tasks.h"

#include <stdlib.h>
#include <string.h>

static void *checked(void *block)
{
    if (!block)
        exit(1);
    return block;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) + b + 1;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int compare_parts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void append(struct tess_symbol *symbol, uint64_t part)
{
    size_t n_parts = (size_t)symbol->n_parts + 1;
    symbol->parts = checked(realloc(symbol->parts, sizeof *symbol->parts * n_parts));
    symbol->parts[symbol->n_parts++] = part;
}

static void sort_parts(struct tess_symbol *symbol)
{
    if (symbol->n_parts > 1)
        qsort(symbol->parts, (size_t)symbol->n_parts, sizeof *symbol->parts,
              compare_parts);
}

static uint64_t digest(const struct tess_symbol *symbol)
{
    uint64_t all = (uint64_t)symbol->n_parts;
    if (symbol->n_parts == 1)
        return symbol->parts[0];
    for (int i = 0; i < symbol->n_parts; i++)
        all = mix(all, symbol->parts[i]);
    return all;
}

/* One input, one output, the flag: what it makes of a part is told by its origin alone. */
static bool is_simple(const struct tess_task *task, unsigned flag)
{
    return (task->flags & flag) && task->n_inputs == 1 && task->n_outputs == 1;
}

static bool is_concat(const struct tess_task_graph *graph, const struct tess_task *task)
{
    int64_t sum = 0;
    for (int k = 0; k < task->n_inputs; k++)
        sum += graph->tensors[task->inputs[k]].bytes;
    return (task->flags & TESS_TASK_CONCAT) && task->n_outputs == 1 &&
           task->n_inputs > 0 && sum == graph->tensors[task->outputs[0]].bytes &&
           graph->tensors[task->outputs[0]].n_producers == 1;
}

/* What the task gives to its k-th output. */
static struct tess_symbol give(const struct tess_task_graph *graph, int task_id, int k,
                               uint64_t origin, bool is_finish,
                               const struct tess_symbol *symbols)
{
    const struct tess_task *task = &graph->tasks[task_id];
    struct tess_symbol given = {0};
    if (is_concat(graph, task) || is_finish) {
        for (int i = 0; i < task->n_inputs; i++)
            for (int p = 0; p < symbols[task->inputs[i]].n_parts; p++)
                append(&given, symbols[task->inputs[i]].parts[p]);
    } else if (is_simple(task, TESS_TASK_SUMS)) {
        uint64_t sum = 0;
        for (int p = 0; p < symbols[task->inputs[0]].n_parts; p++)
            sum += mix(symbols[task->inputs[0]].parts[p], origin);
        append(&given, sum);
    } else if (is_simple(task, TESS_TASK_PARTWISE)) {
        for (int p = 0; p < symbols[task->inputs[0]].n_parts; p++)
            append(&given, mix(symbols[task->inputs[0]].parts[p], origin));
    } else {
        uint64_t all = mix(origin, (uint64_t)k);
        for (int i = 0; i < task->n_inputs; i++)
            all = mix(all, digest(&symbols[task->inputs[i]]));
        append(&given, all);
    }
    sort_parts(&given);
    return given;
}

static void run_task(const struct tess_task_graph *graph, int task_id, uint64_t origin,
                     bool is_finish, struct tess_symbol *symbols)
{
    const struct tess_task *task = &graph->tasks[task_id];
    for (int k = 0; k < task->n_outputs; k++) {
        struct tess_symbol given = give(graph, task_id, k, origin, is_finish, symbols);
        struct tess_symbol *output = &symbols[task->outputs[k]];
        if (graph->tensors[task->outputs[k]].n_producers == 1) {
            *output = given;
            continue;
        }
        if (output->n_parts == 0)
            append(output, 0);
        output->parts[0] += digest(&given);
        free(given.parts);
    }
}

struct tess_symbol *tess_symbols_create(const struct tess_task_graph *graph,
                                        const struct tess_rewritten_task *origins,
                                        const struct tess_rewritten_tensor *tensors)
{
    struct tess_symbol *symbols =
        checked(calloc((size_t)graph->n_tensors + 1, sizeof *symbols));
    int *order = checked(malloc(sizeof *order * ((size_t)graph->n_tasks + 1)));
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_input)
            append(&symbols[t], mix(0, (uint64_t)(tensors ? tensors[t].origin : t)));
    if (tess_task_graph_file_order(graph, order, NULL) != TESS_OK)
        exit(1);
    for (int at = 0; at < graph->n_tasks; at++) {
        int task = order[at];
        run_task(graph, task, 1000 + (uint64_t)(origins ? origins[task].origin : task),
                 origins && origins[task].kind == TESS_REWRITE_FINISH, symbols);
    }
    free(order);
    return symbols;
}

void tess_symbols_destroy(struct tess_symbol *symbols, int n_tensors)
{
    for (int t = 0; t < n_tensors; t++)
        free(symbols[t].parts);
    free(symbols);
}

static bool is_equal(const struct tess_symbol *a, const struct tess_symbol *b)
{
    return a->n_parts == b->n_parts &&
           memcmp(a->parts, b->parts, sizeof *a->parts * (size_t)a->n_parts) == 0;
}

static bool are_whole_equal(const struct tess_task_graph *graph,
                            const struct tess_rewritten *rewritten,
                            const struct tess_symbol *before,
                            const struct tess_symbol *after)
{
    int n_missing = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        n_missing += graph->tensors[t].is_retained + graph->tensors[t].is_input;
    for (int t = 0; t < rewritten->graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &rewritten->graph->tensors[t];
        int from = rewritten->tensors[t].origin;
        if (rewritten->tensors[t].part != 0 || rewritten->tensors[t].n_parts != 1)
            continue;
        n_missing -= tensor->is_retained + tensor->is_input;
        /* A convolution of a concat of one tensor is one part of one. */
        if (tensor->bytes != graph->tensors[from].bytes ||
            tensor->is_retained != graph->tensors[from].is_retained ||
            tensor->is_input != graph->tensors[from].is_input ||
            !is_equal(&after[t], &before[from]))
            return false;
    }
    return n_missing == 0;
}

/* Parts 0, 1, .. of each tensor that is in parts, and all of its bytes. */
static bool are_parts_complete(const struct tess_task_graph *graph,
                               const struct tess_rewritten *rewritten)
{
    bool is_complete = true;
    size_t n = (size_t)graph->n_tensors + 1;
    int64_t *bytes_left = checked(calloc(n, sizeof *bytes_left));
    int *n_left = checked(calloc(n, sizeof *n_left));
    for (int t = 0; t < rewritten->graph->n_tensors; t++) {
        const struct tess_rewritten_tensor *tensor = &rewritten->tensors[t];
        if (tensor->n_parts == 1)
            continue;
        if (tensor->part == 0) {
            bytes_left[tensor->origin] += graph->tensors[tensor->origin].bytes;
            n_left[tensor->origin] += tensor->n_parts;
        }
        bytes_left[tensor->origin] -= rewritten->graph->tensors[t].bytes;
        n_left[tensor->origin]--;
    }
    for (int t = 0; t < graph->n_tensors; t++)
        is_complete &= bytes_left[t] == 0 && n_left[t] == 0;
    free(bytes_left);
    free(n_left);
    return is_complete;
}

bool tess_is_same_function(const struct tess_task_graph *graph,
                           const struct tess_rewritten *rewritten)
{
    struct tess_symbol *before = tess_symbols_create(graph, NULL, NULL);
    struct tess_symbol *after =
        tess_symbols_create(rewritten->graph, rewritten->tasks, rewritten->tensors);
    tess_task_graph_assert_valid(rewritten->graph);
    bool is_same = are_whole_equal(graph, rewritten, before, after) &&
                   are_parts_complete(graph, rewritten);
    tess_symbols_destroy(before, graph->n_tensors);
    tess_symbols_destroy(after, rewritten->graph->n_tensors);
    return is_same;
}
