/* What a run has to say: a table for people, JSON for programs.
 *
 * Every report shows three peaks of memory: predicted from the plan, verified by the independent
 * checker, measured by the operating system.
 */
#ifndef TESS_CLI_REPORT_H
#define TESS_CLI_REPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/json_out.h"
#include "cli/names.h"
#include "cli/results.h"
#include "plan/plan.h"
#include "plan/verify.h"

struct tess_run_report {
    const struct tess_graph *graph;
    const struct tess_plan *plan;
    const struct tess_verdict *verdict;
    const struct tess_results *results;
    const struct tess_names *names; /* may be NULL */
    const char *kernels;            /* name of the family that ran */
    int64_t measured_peak_bytes;    /* VmHWM, 0 unknown */
    bool has_profile;               /* times were predicted for this device */
    int n_runs;
    const double *run_us;   /* [n_runs] */
    const double *group_us; /* [plan->n_groups], of the median run */
};

/* What was found, as members of the JSON object that is open, and as lines of a table. `names` may
 * be NULL. */
void tess_report_results_json(const struct tess_results *results,
                              const struct tess_names *names, struct tess_json *json);
void tess_report_results_table(const struct tess_results *results,
                               const struct tess_names *names,
                               struct tess_text *text_out);

/* Appends the JSON document. */
void tess_report_json(const struct tess_run_report *report, struct tess_text *text_out);

/* Appends a table of detections (or classes), times and the three peaks. */
void tess_report_table(const struct tess_run_report *report, struct tess_text *text_out);

/* Appends a table of the groups of a plan. Without a profile of the device, the times say only
 * which plan is faster. */
void tess_report_plan(const struct tess_graph *graph, const struct tess_plan *plan,
                      bool has_profile, struct tess_text *text_out);

/* Median, least and greatest of n > 0 times. The median of an even number is the lower one. */
struct tess_time_summary {
    double median_us, least_us, most_us;
    int median_index; /* which run it was */
};
struct tess_time_summary tess_time_summarize(const double *run_us, int n_runs);

#endif
