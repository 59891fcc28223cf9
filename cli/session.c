#include "cli/session.h"

#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "executor/process_memory.h"
#include "plan/layout.h"
#include "plan/plan_text.h"
#include "plan/verify_split.h"

/* TUNING: what a run touches after the facts were taken and outside of every counted term:
 * code of readers, decoders and reports, their heap, page tables of libraries. Over the table of
 * bench/memory_table.sh, see bench/results.md. */
enum { LATER_BASE_BYTES = 512 * 1024 };
enum { PLAN_LIMIT_BYTES = 1 << 20 };

int tess_session_n_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void tess_session_find_profile(const struct tess_args *args, char *path, size_t size)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (args->profile) {
        snprintf(path, size, "%s", args->profile);
        return;
    }
    if (config && config[0])
        snprintf(path, size, "%s/tessera/profile.yaml", config);
    else if (home && home[0])
        snprintf(path, size, "%s/.config/tessera/profile.yaml", home);
    if (path[0] && access(path, R_OK) != 0)
        path[0] = '\0';
}

int64_t tess_session_base_bytes(void)
{
    malloc_trim(0);
    /* Rounded, so that the same model and budget give the same plan again and again although
     * address randomisation moves the true number by some pages. */
    return tess_round_up(tess_process_resident_bytes() + LATER_BASE_BYTES,
                         TESS_BASE_STEP_BYTES);
}

enum tess_status tess_session_init(struct tess_session *session,
                                   const struct tess_args *args, struct tess_error *error)
{
    struct tess_text warnings;
    tess_text_init(&warnings);
    memset(session, 0, sizeof *session);
    session->args = args;
    tess_session_find_profile(args, session->profile, sizeof session->profile);
    session->n_threads =
        args->n_threads > 0 ? (int)args->n_threads : tess_session_n_processors();
    enum tess_status status =
        tess_model_file_init(&session->model, args, &warnings, error);
    if (warnings.len > 0 && !args->is_quiet)
        fprintf(stderr, "%s", tess_text_string(&warnings));
    tess_text_release(&warnings);
    session->network = session->model.network;
    session->graph = session->model.graph;
    return status;
}

enum tess_status tess_session_start(struct tess_session *session,
                                    struct tess_error *error)
{
    const char *name = session->args->kernels;
    const struct tess_kernel_family *family = tess_kernel_family_find(name);
    if (!family) {
        tess_error_set(error, TESS_E_USAGE, "unknown kernels \"%s\"", name);
        tess_error_hint(error, "use auto, nat, xnn or ref");
        return TESS_E_USAGE;
    }
    enum tess_status status = family->start(0, error);
    if (status != TESS_OK)
        return status;
    session->family = family;
    family->facts(&session->facts);
    session->facts.source_bytes = tess_model_file_source_bytes(&session->model);
    session->facts.has_unpacked_source = session->model.compiled == NULL;
    session->facts.base_bytes = tess_session_base_bytes();
    return TESS_OK;
}

void tess_session_release(struct tess_session *session)
{
    if (session->family)
        session->family->stop();
    tess_model_file_release(&session->model);
    memset(session, 0, sizeof *session);
}

static void add_techniques(const struct tess_args *args, struct tess_command *command)
{
    tess_command_add_pair(command, "--search", args->search);
    tess_command_add_pair(command, "--halo", args->halo);
    if (args->forbids_columns)
        tess_command_add(command, "--no-columns");
    if (args->forbids_copies)
        tess_command_add(command, "--no-copies");
    if (args->forbids_reorder)
        tess_command_add(command, "--no-reorder");
    if (args->forbids_placement)
        tess_command_add(command, "--no-placement");
    if (args->forbids_streaming)
        tess_command_add(command, "--no-streaming");
    if (args->rewrites)
        tess_command_add(command, "--rewrite");
}

static void build_command(const struct tess_session *session, int64_t input_bytes,
                          struct tess_command *command)
{
    const struct tess_args *args = session->args;
    tess_command_add(command, "plan");
    tess_command_add(command, args->model);
    tess_command_add(command, "--facts-from-stdin");
    if (args->has_budget)
        tess_command_add_number(command, "--memory", args->memory_bytes);
    tess_command_add_number(command, "--threads", session->n_threads);
    tess_command_add_number(command, "--input-bytes", input_bytes);
    tess_command_add_pair(command, "--profile",
                          session->profile[0] ? session->profile : NULL);
    add_techniques(args, command);
    if (args->is_savings)
        tess_command_add(command, "--savings");
    if (args->is_curve) {
        tess_command_add(command, "--curve");
        tess_command_add_pair(command, "--json", args->json);
    }
    tess_command_add(command, "--quiet");
    if (args->has_layers)
        tess_command_add_range(command, "--layers", args->first_layer, args->last_layer);
}

enum tess_status tess_session_search(const struct tess_session *session,
                                     int64_t input_bytes, struct tess_text *text_out,
                                     struct tess_error *error)
{
    struct tess_command command;
    struct tess_text facts;
    enum tess_status status = tess_command_init(&command, error);
    if (status != TESS_OK)
        return status;
    tess_text_init(&facts);
    tess_facts_write(&session->facts, &facts);
    build_command(session, input_bytes, &command);
    status = tess_command_run(&command, &facts, text_out, error);
    tess_text_release(&facts);
    return status;
}

/* Splits what the plan wants to have split. */
static enum tess_status split(struct tess_session *session, const struct tess_text *text,
                              const char *name, struct tess_error *error)
{
    struct tess_graph *made = NULL;
    enum tess_status status = tess_plan_read_split(tess_text_string(text), text->len,
                                                   name, session->graph, &made, error);
    if (status != TESS_OK || !made)
        return status;
    status = tess_verify_split(session->graph, made, error);
    tess_model_file_set_split(&session->model, made);
    session->graph = session->model.graph;
    return status;
}

static enum tess_status obtain(struct tess_session *session, int64_t input_bytes,
                               struct tess_plan **plan_out, struct tess_error *error)
{
    const struct tess_args *args = session->args;
    const char *name = args->plan ? args->plan : "planner";
    struct tess_text text;
    enum tess_status status;
    if (args->is_untiled)
        return tess_plan_create(session->graph, plan_out, error);
    tess_text_init(&text);
    if (args->plan)
        status = tess_file_read(args->plan, PLAN_LIMIT_BYTES, &text, error);
    else
        status = tess_session_search(session, input_bytes, &text, error);
    if (status == TESS_OK)
        status = split(session, &text, name, error);
    if (status == TESS_OK)
        status = tess_plan_read(tess_text_string(&text), text.len, name, session->graph,
                                plan_out, error);
    tess_text_release(&text);
    return status;
}

enum tess_status tess_session_plan(struct tess_session *session, int64_t input_bytes,
                                   struct tess_plan **plan_out, struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    struct tess_layout *layout = NULL;
    enum tess_status status = obtain(session, input_bytes, &plan, error);
    if (status != TESS_OK)
        return status;
    plan->facts = session->facts;
    plan->n_threads = session->n_threads;
    if (session->args->has_budget)
        plan->budget_bytes = session->args->memory_bytes;
    plan->memory.input = input_bytes;
    status = tess_layout_create(session->graph, plan, &layout, error);
    if (status != TESS_OK) {
        tess_plan_destroy(plan);
        return status;
    }
    tess_layout_memory(layout, &plan->memory);
    tess_layout_destroy(layout);
    malloc_trim(0);
    *plan_out = plan;
    return TESS_OK;
}
