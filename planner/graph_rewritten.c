#include "planner/graph_rewritten.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void put_task_name(const struct tess_graph_file *original,
                          const struct tess_rewritten_task *task, struct tess_text *text)
{
    const struct tess_graph_file_task *origin = &original->tasks[task->origin];
    tess_text_printf(text, "%s", origin->name);
    if (!origin->name[0])
        tess_text_printf(text, "node %d", origin->id);
    if (task->kind == TESS_REWRITE_PART)
        tess_text_printf(text, ", part %d of %d", task->part + 1, task->n_parts);
    else if (task->kind == TESS_REWRITE_GATHER)
        tess_text_printf(text, ", together");
    else if (task->kind == TESS_REWRITE_FINISH)
        tess_text_printf(text, ", from its sums");
}

static void put_tensor_name(const struct tess_graph_file *original,
                            const struct tess_rewritten_tensor *tensor,
                            struct tess_text *text)
{
    const struct tess_graph_file_tensor *origin = &original->tensors[tensor->origin];
    tess_text_printf(text, "%s", origin->name);
    if (!origin->name[0])
        tess_text_printf(text, "tensor %d", origin->id);
    if (tensor->part < 0)
        tess_text_printf(text, ", sums");
    else if (tensor->n_parts > 1)
        tess_text_printf(text, ", part %d of %d", tensor->part + 1, tensor->n_parts);
}

/* Writes the names one after the other, each with its NUL. */
static void put_names(const struct tess_graph_file *original,
                      const struct tess_rewritten *rewritten, struct tess_text *text)
{
    for (int i = 0; i < rewritten->graph->n_tasks; i++) {
        put_task_name(original, &rewritten->tasks[i], text);
        tess_text_append(text, "", 1);
    }
    for (int t = 0; t < rewritten->graph->n_tensors; t++) {
        put_tensor_name(original, &rewritten->tensors[t], text);
        tess_text_append(text, "", 1);
    }
}

static const char *op_of(const struct tess_graph_file *original,
                         const struct tess_rewritten_task *task)
{
    return task->kind == TESS_REWRITE_GATHER   ? "concat"
           : task->kind == TESS_REWRITE_FINISH ? "requantize"
                                               : original->tasks[task->origin].op;
}

enum tess_status tess_graph_rewritten_init(struct tess_graph_file *file,
                                           const struct tess_graph_file *original,
                                           const struct tess_rewritten *rewritten,
                                           struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    *file = (struct tess_graph_file){.graph = rewritten->graph};
    file->name = strdup(original->name);
    file->tasks = calloc((size_t)file->graph->n_tasks + 1, sizeof *file->tasks);
    file->tensors = calloc((size_t)file->graph->n_tensors + 1, sizeof *file->tensors);
    put_names(original, rewritten, &text);
    file->texts = text.data;
    if (!file->name || !file->tasks || !file->tensors || text.is_broken)
        return tess_error_nomem(error);
    const char *name = file->texts;
    for (int i = 0; i < file->graph->n_tasks; i++, name += strlen(name) + 1) {
        const struct tess_rewritten_task *task = &rewritten->tasks[i];
        int64_t cost = original->tasks[task->origin].cost;
        file->tasks[i] = (struct tess_graph_file_task){
            i,
            task->kind == TESS_REWRITE_PART    ? cost / task->n_parts
            : task->kind == TESS_REWRITE_WHOLE ? cost
                                               : 0,
            name, op_of(original, task)};
    }
    for (int t = 0; t < file->graph->n_tensors; t++, name += strlen(name) + 1)
        file->tensors[t] = (struct tess_graph_file_tensor){t, name};
    return TESS_OK;
}

void tess_graph_rewritten_release(struct tess_graph_file *file)
{
    if (!file)
        return;
    file->graph = NULL;
    tess_graph_file_release(file);
}
