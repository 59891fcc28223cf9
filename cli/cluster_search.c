#include "cli/cluster_search.h"

#include <string.h>

#include "cli/command.h"
#include "plan/plan_text.h"

/* What goes to the planner program: strings, each ended by a zero byte. */
static void put_string(struct tess_text *input, const char *text, size_t n_bytes)
{
    tess_text_append(input, text, n_bytes);
    tess_text_append(input, "", 1);
}

static void put_facts(struct tess_text *input, const struct tess_kernel_facts *facts)
{
    tess_facts_write(facts, input);
    tess_text_append(input, "", 1);
}

static void begin(struct tess_command *command, const char *model, int n_threads,
                  const char *profile)
{
    tess_command_add(command, "cluster");
    tess_command_add(command, "plan");
    tess_command_add(command, model);
    tess_command_add(command, "--facts-from-stdin");
    tess_command_add(command, "--quiet");
    tess_command_add_number(command, "--threads", n_threads);
    tess_command_add_pair(command, "--profile", profile && profile[0] ? profile : NULL);
}

enum tess_status tess_cluster_search(const struct tess_session *session, const char *text,
                                     size_t n_bytes, bool sends_bytes,
                                     struct tess_text *plan_out, struct tess_error *error)
{
    const struct tess_args *args = session->args;
    struct tess_command command;
    struct tess_text input;
    enum tess_status status = tess_command_init(&command, error);
    if (status != TESS_OK)
        return status;
    begin(&command, args->model, session->n_threads, session->profile);
    tess_command_add_pair(&command, "--sends", sends_bytes ? "bytes" : "floats");
    /* For its name in messages only. */
    tess_command_add_pair(&command, "--cluster", args->plan ? args->plan : args->cluster);
    tess_text_init(&input);
    put_facts(&input, &session->facts);
    put_string(&input, text, n_bytes);
    status = tess_command_run(&command, &input, plan_out, error);
    tess_text_release(&input);
    return status;
}

enum tess_status tess_tile_search(const struct tess_tile_search *search,
                                  struct tess_text *plans_out, struct tess_error *error)
{
    struct tess_command command;
    struct tess_text input;
    enum tess_status status = tess_command_init(&command, error);
    if (status != TESS_OK)
        return status;
    begin(&command, "-", search->n_threads, search->profile);
    tess_command_add_pair(&command, "--tiles-of", search->node);
    if (search->memory_bytes > 0)
        tess_command_add_number(&command, "--memory", search->memory_bytes);
    tess_text_init(&input);
    put_facts(&input, &search->facts);
    put_string(&input, search->plan_text, strlen(search->plan_text));
    put_string(&input, search->cfg, strlen(search->cfg));
    status = tess_command_run(&command, &input, plans_out, error);
    tess_text_release(&input);
    return status;
}
