/* Reads task graphs from files: ops of a network with the bytes of their tensors, as JSON.
 *
 *   {"name": .., "meta": {..}, "nodes": [{"id": 0, "name": .., "op": "conv", "inputs": [0],
 *    "outputs": [1], "cost": 123}, ..], "tensors": [{"id": 0, "name": .., "bytes": 3072}, ..],
 *    "inputs": [0], "outputs": [1]}
 *
 * "name", "meta" and "cost" may be missing, and other keys be there. "inputs" and "outputs" of
 * the graph are tensors that are there at the start, and that stay to the end. The order of the
 * nodes is the order of the file. Ids are any numbers from 0 on, each given once. relu, add,
 * bnrelu, swish and reshape may overwrite an input; concat is a concat; conv and fc sum over the
 * parts of a concat; dwconv, maxpool, avgpool, gap, upsample, relu, bnrelu and swish treat each
 * by itself. Every error names line and column. Knows no memory model: ask
 * schedule/task_graph.h for one.
 */
#ifndef TESS_PLANNER_GRAPH_FILE_H
#define TESS_PLANNER_GRAPH_FILE_H

#include <stddef.h>

#include "schedule/task_graph.h"

enum {
    TESS_GRAPH_FILE_LIMIT_BYTES = 1 << 28,
    TESS_GRAPH_FILE_LIMIT_NODES = 1 << 24 /* values in the file */
};

struct tess_graph_file_task {
    int id;
    int64_t cost; /* 0 if the file has none */
    const char *name, *op;
};

struct tess_graph_file_tensor {
    int id;
    const char *name;
};

struct tess_graph_file {
    struct tess_task_graph *graph;      /* tasks and tensors in the order of the file */
    char *name;                         /* "" if the file has none */
    struct tess_graph_file_task *tasks; /* [graph->n_tasks] */
    struct tess_graph_file_tensor *tensors; /* [graph->n_tensors] */
    char *texts;                            /* what names point into */
};

/* Reads a file ("-": standard input), or a text. TESS_E_IO, TESS_E_CONFIG with a place,
 * TESS_E_NOMEM; the caller releases in every case. Cost: O(n log n). */
enum tess_status tess_graph_file_read(struct tess_graph_file *file, const char *path,
                                      struct tess_error *error);
enum tess_status tess_graph_file_parse(struct tess_graph_file *file, const char *text,
                                       size_t n_bytes, const char *file_name,
                                       struct tess_error *error);
void tess_graph_file_release(struct tess_graph_file *file); /* accepts zeroed and NULL */

#endif
