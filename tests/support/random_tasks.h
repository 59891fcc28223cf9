/* Random small task graphs, and the best order of one by trying all states. */
#ifndef TESS_TESTS_SUPPORT_RANDOM_TASKS_H
#define TESS_TESTS_SUPPORT_RANDOM_TASKS_H

#include "base/rng.h"
#include "schedule/task_graph.h"

/* New graph of 1 to max_tasks tasks (at most 16), with all that makes ordering hard: several
 * outputs, outputs that nobody reads, retained tensors that are read, inputs that nobody reads,
 * the same input twice, tensors of no bytes, tensors that several tasks add to, tasks that
 * overwrite, concats. Few sizes, so that they coincide. */
struct tess_task_graph *tess_random_tasks_create(int max_tasks, struct tess_rng *rng);

/* The least peak over all orders, from the definition in schedule/task_graph.h, over all states;
 * shares no code with schedule/. At most 16 tasks. */
int64_t tess_brute_peak(const struct tess_task_graph *graph);

#endif
