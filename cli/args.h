/* Command-line options: one table gives each its name, unit, default, range, help and the verbs
 * that take it. Parsing, --help and the documentation all come from it.
 *
 * Does not act on anything: ask the verb.
 */
#ifndef TESS_CLI_ARGS_H
#define TESS_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum tess_verb {
    TESS_VERB_INFO,
    TESS_VERB_PLAN,
    TESS_VERB_VERIFY,
    TESS_VERB_RUN,
    TESS_VERB_BENCH,
    TESS_VERB_SYNTH,
    TESS_VERB_COMPILE,
    TESS_VERB_SCHEDULE,
    TESS_VERB_DOCTOR,
    TESS_VERB_WORKER,
    TESS_VERB_CLUSTER_RUN,
    TESS_VERB_CLUSTER_PLAN,
    TESS_VERB_CLUSTER_STATUS,
    TESS_VERB_KEYGEN
};
enum { TESS_N_VERBS = TESS_VERB_KEYGEN + 1 };

enum { TESS_MAX_DUMPS = 32, TESS_MAX_IMAGES = 1024 };

struct tess_dump_request {
    int64_t layer;    /* as given: negative from the end */
    const char *path; /* borrowed from argv */
};

/* Strings are borrowed from argv. Absent options have their defaults. */
struct tess_args {
    enum tess_verb verb;
    const char *model;         /* the positional argument, NULL if none */
    const char *model_weights; /* compile: the second one, NULL if none */
    const char *weights, *image, *raw_input, *plan, *kernels, *names, *annotate, *json;
    const char *search, *output, *profile, *fit, *halo;
    const char *memory_model, *method, *without; /* schedule */
    int64_t alignment, accumulator_factor;       /* schedule */
    bool rewrites;                               /* schedule, plan, run */
    bool forbids_rewriting;                      /* schedule */
    const char *budget, *remat;                  /* schedule */
    int64_t most_runs;                           /* schedule */
    bool keeps_order;                            /* schedule */
    double limit_seconds;                        /* schedule */
    bool is_profiling;                           /* bench --profile */
    int64_t memory_bytes, seed, n_threads, n_repeats, input_bytes;
    double threshold, overlap;
    bool is_untiled, is_quiet, has_help, reads_facts, has_budget;
    bool forbids_copies, forbids_columns, forbids_reorder, forbids_streaming,
        forbids_placement;
    bool is_curve, is_savings; /* plan --curve, --savings */
    int64_t first_layer,
        last_layer; /* --layers A..B, negative from the end; -1,-1 none */
    bool has_layers;
    int n_dumps;
    struct tess_dump_request dumps[TESS_MAX_DUMPS];
    int64_t budgets[16]; /* bench --memory A,B,C */
    int n_budgets;
    /* cluster, worker */
    int n_images;
    const char *images[TESS_MAX_IMAGES]; /* files and folders, as given */
    const char *connect, *cache, *name, *cluster, *listen, *key, *coordinator_key, *allow,
        *trace, *sends, *tiles_of;
    int64_t cache_bytes, n_local, n_in_flight;
    double wait_seconds;
    bool is_insecure, is_static, is_whole_frames;
    bool tests_links; /* doctor --link */
};

/* Parses argv[1..]: a verb, then its options. TESS_E_USAGE with a did-you-mean. `--help` sets
 * has_help and skips the check for required arguments. */
enum tess_status tess_args_parse(int argc, char **argv, struct tess_args *args_out,
                                 struct tess_error *error);

/* Help texts. */
void tess_args_help(struct tess_text *text_out);
void tess_args_verb_help(enum tess_verb verb, struct tess_text *text_out);

const char *tess_verb_name(enum tess_verb verb);

#endif
