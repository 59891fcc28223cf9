/* A rewritten task graph, as if it had been read from a file.
 *
 * Tasks and tensors are numbered anew, from 0, and named after those that they come from; which
 * those are, schedule/rewrite.h says.
 */
#ifndef TESS_PLANNER_GRAPH_REWRITTEN_H
#define TESS_PLANNER_GRAPH_REWRITTEN_H

#include "planner/graph_file.h"
#include "schedule/rewrite.h"

/* Names the tasks and tensors of what `original` was rewritten to, whose graph is borrowed: release
 * with tess_graph_rewritten_release. TESS_E_NOMEM; the caller releases in every case. */
enum tess_status tess_graph_rewritten_init(struct tess_graph_file *file,
                                           const struct tess_graph_file *original,
                                           const struct tess_rewritten *rewritten,
                                           struct tess_error *error);
void tess_graph_rewritten_release(
    struct tess_graph_file *file); /* zeroed and NULL, too */

#endif
