#include "cli/verbs.h"

#include <stdio.h>

#include "base/file.h"
#include "cli/report.h"
#include "cli/session.h"
#include "plan/plan_text.h"

/* Kept free for runs of the plan: their input is not known yet, and their base memory may be
 * larger than this process's. */
enum { RUN_RESERVE_BYTES = TESS_BASE_SPREAD_BYTES };

static enum tess_status put_plan(const struct tess_session *session,
                                 const struct tess_plan *plan, struct tess_error *error)
{
    const struct tess_args *args = session->args;
    struct tess_text text;
    tess_text_init(&text);
    tess_plan_write(plan, session->graph, &text);
    enum tess_status status =
        tess_file_write_text(args->output ? args->output : "-", &text, error);
    if (status == TESS_OK && !args->is_quiet) {
        tess_text_release(&text);
        tess_report_plan(session->graph, plan, session->profile[0] != '\0', &text);
        fputs(tess_text_string(&text), stderr);
    }
    tess_text_release(&text);
    return status;
}

/* A curve or savings: the planner program knows what they are and formats them. */
static enum tess_status put_table(const struct tess_session *session,
                                  struct tess_error *error)
{
    const char *output = session->args->output;
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status =
        tess_session_search(session, RUN_RESERVE_BYTES, &text, error);
    if (status == TESS_OK)
        status = tess_file_write_text(output ? output : "-", &text, error);
    tess_text_release(&text);
    return status;
}

static enum tess_status check_args(const struct tess_args *args, struct tess_error *error)
{
    if (!args->is_curve && args->json) {
        tess_error_set(error, TESS_E_USAGE,
                       "a plan is no JSON: --json goes with --curve");
        tess_error_hint(error, "-o FILE writes the plan");
        return TESS_E_USAGE;
    }
    if (args->is_curve && args->is_savings)
        return tess_error_set(error, TESS_E_USAGE,
                              "--curve and --savings are two tables: ask for one");
    return TESS_OK;
}

enum tess_status tess_verb_plan(const struct tess_args *args, struct tess_error *error)
{
    struct tess_session session;
    struct tess_plan *plan = NULL;
    enum tess_status status = check_args(args, error);
    if (status != TESS_OK)
        return status;
    status = tess_session_init(&session, args, error);
    if (status == TESS_OK)
        status = tess_session_start(&session, error);
    if (status == TESS_OK && (args->is_curve || args->is_savings)) {
        status = put_table(&session, error);
    } else if (status == TESS_OK) {
        status = tess_session_plan(&session, RUN_RESERVE_BYTES, &plan, error);
        if (status == TESS_OK)
            status = put_plan(&session, plan, error);
    }
    tess_plan_destroy(plan);
    tess_session_release(&session);
    return status;
}
