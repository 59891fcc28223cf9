/* What memory buys, as a table for people and as JSON for programs. Part of the planner program.
 */
#ifndef TESS_CLI_PLANNER_CURVE_H
#define TESS_CLI_PLANNER_CURVE_H

#include "base/text.h"
#include "planner/curve.h"

/* Append a curve, least memory first. Times without a profile of the device only compare. */
void tess_curve_table(const struct tess_curve *curve, const struct tess_graph *graph,
                      bool has_profile, struct tess_text *text_out);
void tess_curve_json(const struct tess_curve *curve, const struct tess_graph *graph,
                     bool has_profile, struct tess_text *text_out);

#endif
