#include "cli/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/progress.h"
#include "model/cfg_text.h"
#include "model/compiled.h"
#include "model/darknet.h"
#include "model/weights.h"

/* What is being compiled. */
struct input {
    struct tess_text cfg;
    struct tess_graph *graph;
    struct tess_weights *weights;
    float *scratch;
};

static void release(struct input *input)
{
    free(input->scratch);
    tess_weights_destroy(input->weights);
    tess_graph_destroy(input->graph);
    tess_text_release(&input->cfg);
}

static enum tess_status check_arguments(const struct tess_args *args,
                                        struct tess_error *error)
{
    const char *what = !args->model_weights ? "WEIGHTS" : "-o FILE";
    if (args->model_weights && args->output) {
        if (strcmp(args->output, "-") != 0)
            return TESS_OK;
        return tess_error_set(error, TESS_E_USAGE,
                              "compile writes files only, not \"-\"");
    }
    tess_error_set(error, TESS_E_USAGE, "compile needs %s", what);
    tess_error_hint(error, "tessera compile %s %s -o model.tess", args->model,
                    args->model_weights ? args->model_weights : "model.weights");
    return TESS_E_USAGE;
}

static enum tess_status read_cfg(const struct tess_args *args, struct input *input,
                                 struct tess_error *error)
{
    struct tess_text warnings = {0};
    if (tess_compiled_detect(args->model))
        return tess_error_set(error, TESS_E_USAGE, "%s is compiled already", args->model);
    enum tess_status status =
        tess_file_read(args->model, TESS_CFG_LIMIT_BYTES, &input->cfg, error);
    if (status == TESS_OK)
        status = tess_darknet_parse(tess_text_string(&input->cfg), input->cfg.len,
                                    args->model, &input->graph, &warnings, error);
    if (warnings.len > 0 && !args->is_quiet)
        fputs(tess_text_string(&warnings), stderr);
    tess_text_release(&warnings);
    return status;
}

static enum tess_status open_weights(const struct tess_args *args, struct input *input,
                                     struct tess_error *error)
{
    enum tess_status status =
        tess_weights_open(input->graph, args->model_weights, &input->weights, error);
    if (status != TESS_OK)
        return status;
    input->scratch = malloc((size_t)tess_packed_scratch_bytes(input->graph) + 1);
    return input->scratch ? TESS_OK : tess_error_nomem(error);
}

static void show(void *context, double done)
{
    tess_progress_show(context, done);
}

static enum tess_status write_model(const struct tess_args *args, struct input *input,
                                    struct tess_error *error)
{
    struct tess_progress progress;
    struct tess_packed_darknet from = {
        .weights = input->weights,
        .graph = input->graph,
        .scratch = input->scratch,
        .scratch_bytes = tess_packed_scratch_bytes(input->graph),
    };
    struct tess_compiled_job job = {
        .cfg = tess_text_string(&input->cfg),
        .n_cfg_bytes = input->cfg.len,
        .graph = input->graph,
        .blocks = tess_packed_from_darknet(&from),
        .progress = show,
        .progress_context = &progress,
    };
    tess_progress_init(&progress, "compiling", !args->is_quiet);
    enum tess_status status = tess_compiled_write(&job, args->output, error);
    tess_progress_finish(&progress);
    return status;
}

/* Reads the tables back: whoever runs the file later should not be the first to look. */
static enum tess_status report(const struct tess_args *args, double start_us,
                               struct tess_error *error)
{
    struct tess_compiled *compiled = NULL;
    char size[24];
    enum tess_status status = tess_compiled_open(args->output, false, &compiled, error);
    if (status == TESS_OK && !args->is_quiet)
        fprintf(stderr, "%s: %s, %s of packed weights and cfg, in %.1f s\n", args->output,
                tess_compiled_graph(compiled)->name,
                tess_format_bytes(tess_compiled_bytes(compiled), size, sizeof size),
                (tess_clock_us() - start_us) / 1e6);
    tess_compiled_destroy(compiled);
    return status;
}

enum tess_status tess_verb_compile(const struct tess_args *args, struct tess_error *error)
{
    struct input input = {.graph = NULL};
    double start_us = tess_clock_us();
    enum tess_status status = check_arguments(args, error);
    if (status == TESS_OK)
        status = read_cfg(args, &input, error);
    if (status == TESS_OK)
        status = open_weights(args, &input, error);
    if (status == TESS_OK)
        status = write_model(args, &input, error);
    if (status == TESS_OK)
        status = report(args, start_us, error);
    release(&input);
    return status;
}
