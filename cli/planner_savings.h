/* What each technique of the planner saves, as a table: plans with all of them, and with each left
 * out in turn. Part of the planner program.
 */
#ifndef TESS_CLI_PLANNER_SAVINGS_H
#define TESS_CLI_PLANNER_SAVINGS_H

#include "base/text.h"
#include "planner/planner.h"

/* Appends the table for the budget of `options` (0: none): per row the smallest budget that works,
 * and what the plan for the budget comes to. Techniques that the options switch off stay off.
 * TESS_E_NOMEM, TESS_E_USAGE. Cost: two plans a row. */
enum tess_status tess_savings_table(const struct tess_graph *graph,
                                    const struct tess_planner_options *options,
                                    struct tess_text *text_out, struct tess_error *error);

#endif
