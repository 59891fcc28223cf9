/* Where a report goes: as JSON to the file of --json, as a table to standard output. What is in
 * them: the planner_*_report.h and planner_curve.h.
 */
#ifndef TESS_CLI_REPORT_OUT_H
#define TESS_CLI_REPORT_OUT_H

#include "base/error.h"
#include "base/text.h"

/* Writes the JSON to json_path, nowhere if that is NULL ("-": standard output); then the table,
 * unless it is NULL or the JSON went where it would go. TESS_E_NOMEM if what is written is broken,
 * TESS_E_IO. */
enum tess_status tess_report_put(const char *json_path, const struct tess_text *json,
                                 const struct tess_text *table, struct tess_error *error);

#endif
