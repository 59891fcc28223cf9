/* Task graphs of networks and of plans, as if they had been read from files.
 *
 * A network's tasks are its ops. A plan's are its tiled groups, and the ops of its other groups;
 * each holds, while it runs, what the plan gives it beside the tensors that it reads and writes:
 * a further tensor, written by it and read by nobody. What may overwrite is what the executor lets
 * overwrite: additions, heads, partial convolutions that go on from others. Ids of tensors are
 * those of the network; the memory of task t of a plan has id n_tensors + t. Runs nothing: ask
 * schedule/ordering.h for an order.
 */
#ifndef TESS_PLANNER_GRAPH_MODEL_H
#define TESS_PLANNER_GRAPH_MODEL_H

#include "model/graph.h"
#include "plan/layout.h"
#include "planner/graph_file.h"

/* The ops of a network, tensors stored densely. With `views_slices` a slice is what it is for the
 * executor, a range of its input: of no bytes, and who reads it reads the input.
 * TESS_E_MODEL if the tensors are too large to be added up, TESS_E_NOMEM; the caller releases the
 * file (tess_graph_file_release) in every case. */
enum tess_status tess_graph_file_of_network(struct tess_graph_file *file,
                                            const struct tess_graph *network,
                                            bool views_slices, struct tess_error *error);

/* The tasks of a plan, in its order. A tensor takes the bytes of its storage, or, where several
 * share one, its own; slices are ranges of their inputs. As above. */
enum tess_status tess_graph_file_of_plan(struct tess_graph_file *file,
                                         const struct tess_layout *layout,
                                         struct tess_error *error);

#endif
