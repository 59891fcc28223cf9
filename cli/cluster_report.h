/* A cluster plan as a table for people.
 */
#ifndef TESS_CLI_CLUSTER_REPORT_H
#define TESS_CLI_CLUSTER_REPORT_H

#include "base/error.h"
#include "base/text.h"
#include "plan/cluster.h"

/* Appends stages (layers, tiles, predicted time, bytes moved, shares of nodes), nodes (tiles, time
 * computing, peak), and the whole. `untiled_us`: what the network takes alone on a device of speed
 * 1, every layer whole. Without a profile of that device times are rough. The plan has predictions.
 * TESS_E_NOMEM. */
enum tess_status tess_report_cluster_plan(const struct tess_cluster_plan *plan,
                                          const struct tess_graph *graph,
                                          double untiled_us, bool has_profile,
                                          struct tess_text *text_out,
                                          struct tess_error *error);

#endif
