#include "cli/verbs.h"

#include <stdio.h>

#include "base/file.h"
#include "cli/json_out.h"
#include "cli/report.h"
#include "cli/session.h"
#include "plan/verify.h"

static void put_verdict(const struct tess_args *args, const struct tess_plan *plan,
                        const struct tess_verdict *verdict, struct tess_text *text)
{
    char predicted[24], verified[24];
    if (!args->json) {
        tess_text_printf(
            text, "the plan is right: %lld steps, peak %s (predicted %s)\n",
            (long long)verdict->n_steps,
            tess_format_bytes(verdict->memory.peak, verified, sizeof verified),
            tess_format_bytes(plan->memory.peak, predicted, sizeof predicted));
        return;
    }
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_int(&json, "steps", verdict->n_steps);
    tess_json_put_int(&json, "macs", verdict->macs);
    tess_json_put_int(&json, "predicted_peak_bytes", plan->memory.peak);
    tess_json_put_int(&json, "verified_peak_bytes", verdict->memory.peak);
    tess_json_end(&json);
}

enum tess_status tess_verb_verify(const struct tess_args *args, struct tess_error *error)
{
    struct tess_session session = {0};
    struct tess_plan *plan = NULL;
    struct tess_layout *layout = NULL;
    struct tess_verdict verdict;
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = TESS_OK;
    if (!args->plan)
        status = tess_error_set(error, TESS_E_USAGE, "verify needs --plan FILE");
    if (status == TESS_OK)
        status = tess_session_init(&session, args, error);
    if (status == TESS_OK)
        status = tess_session_start(&session, error);
    if (status == TESS_OK)
        status = tess_session_plan(&session, 0, &plan, error);
    if (status == TESS_OK)
        status = tess_layout_create(session.graph, plan, &layout, error);
    if (status == TESS_OK)
        status = tess_verify(layout, &verdict, error);
    if (status == TESS_OK) {
        put_verdict(args, plan, &verdict, &text);
        status = tess_file_write_text(args->json ? args->json : "-", &text, error);
    }
    tess_text_release(&text);
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
    tess_session_release(&session);
    return status;
}
