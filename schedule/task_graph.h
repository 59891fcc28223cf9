/* Tasks that read and write tensors: what a scheduler orders.
 *
 * A task is anything with inputs and outputs: an op of a network, a tile of a fused group. A
 * tensor is a number of bytes that lives from its first producer to its last consumer. Several
 * tasks may add to one tensor; it can be read when all of them have run. Immutable once created.
 * Knows neither networks nor files: ask planner/graph_file.h to read one, schedule/ordering.h for
 * an order, schedule/peak.h for what an order costs.
 *
 * What is alive, of which every order's peak is made:
 *   - a tensor is alive from when its first producer begins, or from the start if it is an
 *     input, until its last consumer has run, or to the end if it is retained;
 *   - nobody reads it and it is not retained: it dies with its last producer, or never lives if it
 *     is an input;
 *   - while a task runs its inputs and outputs are alive, except that a task which may overwrite
 *     puts its only output (that no other task adds to) onto an input of the same size that dies
 *     with it: then the two count once.
 */
#ifndef TESS_SCHEDULE_TASK_GRAPH_H
#define TESS_SCHEDULE_TASK_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* No sum of tensors may be larger: every difference of sums stays far inside 64 bits. */
#define TESS_TASKS_LIMIT_BYTES (INT64_MAX / 8)

/* Nor may tasks need each other in more pairs: a tensor that m tasks add to and n read makes
 * m * n of them. */
enum { TESS_TASKS_LIMIT_PAIRS = 1 << 23 };

enum tess_task_flag {
    TESS_TASK_OVERWRITES = 1, /* may put its output where a dying input of its size was */
    TESS_TASK_CONCAT = 2,     /* its output is its inputs, side by side */
    /* What schedule/rewrite.h needs to know of a task whose only input is a concat's output: */
    TESS_TASK_SUMS = 4, /* it makes an addend of its output of each part: a convolution */
    TESS_TASK_PARTWISE = 8 /* it makes a part of its output of each: a depthwise one */
};

/* How memory is counted; the alignment is separate. */
enum tess_memory_model {
    TESS_MODEL_BASE,    /* nothing overwrites, a concat copies */
    TESS_MODEL_INPLACE, /* flagged tasks overwrite */
    TESS_MODEL_VIEW     /* and the output of a concat is, where it can be, its parts */
};

struct tess_tensor_spec {
    int64_t bytes;    /* >= 0 */
    bool is_input;    /* there before the first task */
    bool is_retained; /* there after the last */
};

struct tess_task_spec {
    unsigned flags; /* of tess_task_flag */
    int n_inputs, n_outputs;
    const int *inputs, *outputs; /* tensors, in any order; twice means once */
};

/* What a graph is made from; borrowed during the call only. */
struct tess_tasks_spec {
    int n_tasks, n_tensors;
    const struct tess_task_spec *tasks;
    const struct tess_tensor_spec *tensors;
};

struct tess_task_tensor {
    int64_t bytes;
    bool is_input, is_retained;
    int n_producers, n_consumers;
    const int *producers, *consumers; /* tasks, rising, each once */
};

struct tess_task {
    unsigned flags;
    int n_inputs, n_outputs;
    const int *inputs, *outputs; /* tensors, rising, each once */
    int n_before, n_after;
    const int *before, *after; /* tasks that must run before or after it, rising */
};

struct tess_task_graph {
    int n_tasks, n_tensors;
    struct tess_task *tasks;
    struct tess_task_tensor *tensors;
    int *lists; /* what the pointers above point into */
};

/* What a spec was refused for; -1 where it was not about one. */
struct tess_task_fault {
    int task, tensor;
};

/* New graph. TESS_E_MODEL for a tensor that does not exist, a size below 0 or beyond
 * TESS_TASKS_LIMIT_BYTES in sum, an input that a task writes, a tensor that no task writes, a
 * cycle, more than TESS_TASKS_LIMIT_PAIRS; *fault_out (may be NULL) then says where. TESS_E_NOMEM.
 * Cost: O(size * log). */
enum tess_status tess_task_graph_create(const struct tess_tasks_spec *spec,
                                        struct tess_task_graph **graph_out,
                                        struct tess_task_fault *fault_out,
                                        struct tess_error *error);
void tess_task_graph_destroy(struct tess_task_graph *graph); /* accepts NULL */

/* New graph with the same tasks and tensors, counted by `model`, every size rounded up to a
 * multiple of `alignment` (>= 1). Only the result of this may be ordered: the flags of `graph`
 * say what its tasks could do, those of the result what they do.
 *
 * TESS_MODEL_VIEW: a part is viewed where it lies if a task wrote it, it is not retained, and it
 * is part of this one concat only, once. The output keeps the bytes of the other parts, which are
 * copied, and whoever reads it reads the viewed parts, too. Views do not nest: what a viewed part
 * itself only views is copied once more (in full: bytes of the output minus bytes that the viewed
 * parts hold themselves). A retained concat retains what it views. */
enum tess_status tess_task_graph_count(const struct tess_task_graph *graph,
                                       enum tess_memory_model model, int64_t alignment,
                                       struct tess_task_graph **counted_out,
                                       struct tess_error *error);

/* Fills order_out [n_tasks]: of the tasks that can run always the one with the lowest id. That is
 * 0, 1, 2, ... if this is a valid order. TESS_E_NOMEM. */
enum tess_status tess_task_graph_file_order(const struct tess_task_graph *graph,
                                            int *order_out, struct tess_error *error);

/* Is the task's output, which no other task writes, nothing but its inputs side by side? A concat
 * of a tensor with itself is not: its list of inputs holds each once. */
bool tess_task_is_plain_concat(const struct tess_task_graph *graph, int task);

/* "base", "inplace", "view". */
const char *tess_memory_model_name(enum tess_memory_model model);
bool tess_memory_model_find(const char *name, enum tess_memory_model *model_out);

/* Asserts everything above. */
void tess_task_graph_assert_valid(const struct tess_task_graph *graph);

#endif
