/* tessera: runs detectors whose memory does not fit. Wires the verbs; see cli/args.h for what
 * they take.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/spawn.h"
#include "cli/verbs.h"

static tess_verb_function *const VERBS[TESS_N_VERBS] = {
    [TESS_VERB_INFO] = tess_verb_info,
    [TESS_VERB_PLAN] = tess_verb_plan,
    [TESS_VERB_VERIFY] = tess_verb_verify,
    [TESS_VERB_RUN] = tess_verb_run,
    [TESS_VERB_BENCH] = tess_verb_bench,
    [TESS_VERB_SYNTH] = tess_verb_synth,
    [TESS_VERB_COMPILE] = tess_verb_compile,
    [TESS_VERB_DOCTOR] = tess_verb_doctor,
    [TESS_VERB_CLUSTER_PLAN] = tess_verb_cluster_plan,
};

static int print_help(const struct tess_args *args)
{
    struct tess_text text;
    tess_text_init(&text);
    if (args)
        tess_args_verb_help(args->verb, &text);
    else
        tess_args_help(&text);
    fputs(tess_text_string(&text), stdout);
    tess_text_release(&text);
    return 0;
}

/* The commands of other programs, beside those of VERBS. */
static const char *const PROGRAMS[TESS_N_VERBS] = {
    [TESS_VERB_SCHEDULE] = "tessera-planner", [TESS_VERB_WORKER] = "tessera-node",
    [TESS_VERB_CLUSTER_RUN] = "tessera-node", [TESS_VERB_CLUSTER_STATUS] = "tessera-node",
    [TESS_VERB_KEYGEN] = "tessera-node",
};

/* The program that does what is asked for; NULL for this one. */
static const char *other_program(const struct tess_args *args)
{
    return args->tests_links ? "tessera-node" : PROGRAMS[args->verb];
}

int main(int argc, char **argv)
{
    struct tess_args args;
    struct tess_error error;
    tess_error_init(&error);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
                      strcmp(argv[1], "help") == 0))
        return print_help(NULL);
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        printf("tessera %s\n", TESSERA_VERSION);
        return 0;
    }
    enum tess_status status = tess_args_parse(argc, argv, &args, &error);
    if (status == TESS_OK && args.has_help)
        return print_help(&args);
    const char *other = status == TESS_OK ? other_program(&args) : NULL;
    if (other)
        status = tess_spawn_become(other, argv, &error);
    else if (status == TESS_OK)
        status = VERBS[args.verb](&args, &error);
    if (status != TESS_OK)
        tess_print_error(&error);
    return tess_status_exit_code(status);
}
