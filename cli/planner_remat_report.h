/* What a schedule within a budget has to say: some lines for people, JSON for programs. Part of
 * the planner program. */
#ifndef TESS_CLI_PLANNER_REMAT_REPORT_H
#define TESS_CLI_PLANNER_REMAT_REPORT_H

#include <stdbool.h>

#include "base/text.h"
#include "planner/graph_file.h"
#include "remat/remat.h"

struct tess_remat_report {
    const struct tess_graph_file *file;
    const struct tess_remat *remat;
    const struct tess_remat_options *options;
    bool is_interrupted;
};

/* Append what was found, whether it fits or not. */
void tess_remat_table(const struct tess_remat_report *report, struct tess_text *text_out);
void tess_remat_json(const struct tess_remat_report *report, struct tess_text *text_out);

#endif
