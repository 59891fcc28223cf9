#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cluster_file.h"
#include "cli/cluster_report.h"
#include "cli/cluster_search.h"
#include "plan/cluster_text.h"
#include "plan/plan_text.h"

static enum tess_status check_args(const struct tess_args *args, struct tess_error *error)
{
    if (strcmp(args->sends, "bytes") != 0 && strcmp(args->sends, "floats") != 0)
        return tess_error_set(error, TESS_E_USAGE, "--sends %s: expected bytes or floats",
                              args->sends);
    return TESS_OK;
}

/* What one device of speed 1 takes by itself, every layer whole, however much memory that is. */
static enum tess_status find_untiled(const struct tess_session *session,
                                     double *untiled_us_out, struct tess_error *error)
{
    struct tess_args args = *session->args;
    struct tess_session alone = *session;
    struct tess_plan *plan = NULL;
    struct tess_text text;
    args.search = "untiled";
    args.has_budget = false;
    alone.args = &args;
    tess_text_init(&text);
    enum tess_status status = tess_session_search(&alone, 0, &text, error);
    if (status == TESS_OK)
        status = tess_plan_read(tess_text_string(&text), text.len, "planner",
                                session->graph, &plan, error);
    if (status == TESS_OK)
        *untiled_us_out = plan->predicted_us;
    tess_plan_destroy(plan);
    tess_text_release(&text);
    return status;
}

static enum tess_status put_table(const struct tess_session *session,
                                  const struct tess_text *plan_text,
                                  struct tess_error *error)
{
    struct tess_cluster_plan *plan = NULL;
    struct tess_text text;
    double untiled_us = 0;
    tess_text_init(&text);
    enum tess_status status =
        tess_cluster_plan_read(tess_text_string(plan_text), plan_text->len, "planner",
                               session->graph, &plan, error);
    if (status == TESS_OK)
        status = find_untiled(session, &untiled_us, error);
    if (status == TESS_OK)
        status = tess_report_cluster_plan(plan, session->graph, untiled_us,
                                          session->profile[0] != '\0', &text, error);
    if (status == TESS_OK)
        fputs(tess_text_string(&text), stderr);
    tess_text_release(&text);
    tess_cluster_plan_destroy(plan);
    return status;
}

static enum tess_status plan_cluster(struct tess_session *session,
                                     struct tess_error *error)
{
    const struct tess_args *args = session->args;
    struct tess_text cluster, plan;
    tess_text_init(&cluster);
    tess_text_init(&plan);
    enum tess_status status =
        tess_cluster_file_read(args, session->graph, &cluster, error);
    if (status == TESS_OK)
        status = tess_session_start(session, error);
    if (status == TESS_OK)
        status = tess_cluster_search(session, tess_text_string(&cluster), cluster.len,
                                     strcmp(args->sends, "bytes") == 0, &plan, error);
    if (status == TESS_OK)
        status = tess_file_write_text(args->output ? args->output : "-", &plan, error);
    if (status == TESS_OK && !args->is_quiet)
        status = put_table(session, &plan, error);
    tess_text_release(&cluster);
    tess_text_release(&plan);
    return status;
}

enum tess_status tess_verb_cluster_plan(const struct tess_args *args,
                                        struct tess_error *error)
{
    struct tess_session session = {0};
    enum tess_status status = check_args(args, error);
    if (status == TESS_OK)
        status = tess_session_init(&session, args, error);
    if (status == TESS_OK)
        status = plan_cluster(&session, error);
    tess_session_release(&session);
    return status;
}
