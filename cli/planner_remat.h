/* tessera schedule --budget: what runs more than once so that the rest fits. Part of the planner
 * program.
 */
#ifndef TESS_CLI_PLANNER_REMAT_H
#define TESS_CLI_PLANNER_REMAT_H

#include <stdbool.h>

#include "cli/args.h"
#include "planner/graph_file.h"
#include "remat/remat.h"
#include "schedule/schedule.h"

/* Reads what --budget, --keep-order, --most-runs and --remat say. TESS_E_USAGE. */
enum tess_status tess_planner_remat_options(const struct tess_args *args,
                                            const struct tess_schedule_options *schedule,
                                            struct tess_remat_options *options_out,
                                            struct tess_error *error);

/* Fits the graph under the budget and reports. TESS_E_INFEASIBLE, with the smallest budget found,
 * after reporting; what tess_remat_init says. */
enum tess_status tess_planner_remat(const struct tess_args *args,
                                    const struct tess_remat_options *options,
                                    const struct tess_graph_file *file,
                                    struct tess_error *error);

#endif
