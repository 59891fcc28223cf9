/* What a schedule has to say: some lines for people, JSON for programs. Part of the planner
 * program. */
#ifndef TESS_CLI_PLANNER_SCHEDULE_REPORT_H
#define TESS_CLI_PLANNER_SCHEDULE_REPORT_H

#include <stdbool.h>

#include "base/text.h"
#include "planner/graph_file.h"
#include "schedule/schedule.h"

struct tess_schedule_report {
    const struct tess_graph_file *file; /* as it was given */
    const struct tess_graph_file
        *tasks; /* what is scheduled: `file`, or that rewritten */
    const struct tess_rewritten *rewritten; /* NULL if nothing was to be */
    const struct tess_schedule *schedule;
    const struct tess_schedule_options *options;
    bool is_from_file; /* as it was given is a file that the user has */
    bool is_interrupted;
};

/* Append a schedule. The JSON lists tasks and tensors if they are not those of the user's file. */
void tess_schedule_table(const struct tess_schedule_report *report,
                         struct tess_text *text_out);
void tess_schedule_json(const struct tess_schedule_report *report,
                        struct tess_text *text_out);

#endif
