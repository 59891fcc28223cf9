#include "cli/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/rng.h"
#include "cli/measure_weights.h"
#include "cli/report.h"
#include "executor/executor.h"
#include "model/darknet.h"
#include "model/packed.h"
#include "plan/layout.h"

/* TUNING: enough runs for a median that repeats within some percent on a busy machine, short
 * enough to wait for (2026-11). */
enum { MIN_RUNS = 7, MAX_RUNS = 200 };
static const double MIN_US = 150e3;

struct probe {
    const struct tess_kernel_family *family;
    int n_threads;
};

/* A network made for one measurement: one op, so that its one group's time is all. `body` are
 * its sections. */
struct sample {
    int side, channels;
    const char *body;
    struct tess_tiling tiling;
};

static enum tess_status random_filters(void *context, int op, int begin, int end,
                                       float *kernel, float *bias,
                                       struct tess_error *error)
{
    const struct tess_graph *graph = context;
    struct tess_rng rng;
    (void)error;
    tess_rng_init(&rng, (uint64_t)(op + 1));
    const struct tess_op *of = &graph->ops[op];
    int64_t n_kernel = tess_op_n_kernel(graph, of) / graph->tensors[of->output].c;
    for (int64_t i = 0; i < (end - begin) * n_kernel; i++)
        kernel[i] = (tess_rng_float(&rng) - 0.5f) * 0.1f;
    memset(bias, 0, sizeof *bias * (size_t)(end - begin));
    return TESS_OK;
}

static enum tess_status random_blocks(void *context, int op, int first_block,
                                      int n_blocks, void *packed_out,
                                      struct tess_error *error)
{
    const struct tess_graph *graph = context;
    struct tess_rng rng;
    float *packed = packed_out;
    (void)error;
    tess_rng_init(&rng, (uint64_t)first_block + 1);
    int64_t n = n_blocks * tess_packed_block_bytes(graph, op) / (int64_t)sizeof *packed;
    for (int64_t i = 0; i < n; i++)
        packed[i] = (tess_rng_float(&rng) - 0.5f) * 0.1f;
    return TESS_OK;
}

static enum tess_status random_rows(void *context, const struct tess_plane *rows,
                                    struct tess_error *error)
{
    struct tess_rng rng;
    (void)context;
    (void)error;
    tess_rng_init(&rng, (uint64_t)rows->row);
    for (int y = 0; y < rows->n_rows; y++)
        for (size_t i = 0; i < (size_t)rows->n_cols * rows->pixel_stride; i++)
            rows->data[(size_t)y * rows->row_stride + i] = tess_rng_float(&rng);
    return TESS_OK;
}

static enum tess_status time_runs(struct tess_executor *executor, double *median_us_out,
                                  struct tess_error *error)
{
    const struct tess_row_source input = {random_rows, NULL};
    double run_us[MAX_RUNS], total_us = 0, warm_up_us;
    int n_runs = 0;
    enum tess_status status =
        tess_executor_run(executor, &input, NULL, &warm_up_us, error);
    while (status == TESS_OK && n_runs < MAX_RUNS &&
           (n_runs < MIN_RUNS || total_us < MIN_US)) {
        status = tess_executor_run(executor, &input, NULL, &run_us[n_runs], error);
        total_us += run_us[n_runs++];
    }
    if (status == TESS_OK)
        *median_us_out = tess_time_summarize(run_us, n_runs).median_us;
    return status;
}

static enum tess_status time_plan(const struct probe *probe, struct tess_graph *graph,
                                  const struct tess_plan *plan, double *median_us_out,
                                  struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct tess_executor_options options = {.family = probe->family,
                                            .filters = {random_filters, graph},
                                            .blocks = {random_blocks, graph},
                                            .n_threads = probe->n_threads};
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    if (status == TESS_OK)
        status = tess_executor_create(layout, &options, &executor, error);
    if (status == TESS_OK)
        status = time_runs(executor, median_us_out, error);
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
    return status;
}

static enum tess_status time_sample(const struct probe *probe,
                                    const struct sample *sample, double *median_us_out,
                                    int64_t *macs_out, struct tess_error *error)
{
    char cfg[512];
    struct tess_graph *graph = NULL;
    struct tess_plan *plan = NULL;
    int n = snprintf(cfg, sizeof cfg, "[net]\nheight=%d\nwidth=%d\nchannels=%d\n%s",
                     sample->side, sample->side, sample->channels, sample->body);
    enum tess_status status =
        tess_darknet_parse(cfg, (size_t)n, "measurement", &graph, NULL, error);
    if (status == TESS_OK)
        status = tess_plan_create(graph, &plan, error);
    if (status == TESS_OK) {
        probe->family->facts(&plan->facts);
        plan->n_threads = probe->n_threads;
        struct tess_group group = {
            .first = 0, .last = graph->n_ops - 1, .tiling = sample->tiling};
        if (sample->tiling.n_rows > 1)
            status = tess_plan_set_groups(plan, &group, 1, error);
    }
    if (status == TESS_OK)
        status = time_plan(probe, graph, plan, median_us_out, error);
    if (status == TESS_OK)
        *macs_out = tess_op_macs(graph, &graph->ops[0]);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
    return status;
}

#define WHOLE                                                                            \
    {                                                                                    \
        1, 1, TESS_HALO_RECOMPUTE                                                        \
    }

static enum tess_status measure_classes(const struct probe *probe,
                                        void (*say)(const char *),
                                        struct tess_profile *profile,
                                        struct tess_error *error)
{
    static const struct sample samples[TESS_SPEED_N_CLASSES] = {
        [TESS_SPEED_CONV_FEW] = {304, 3,
                                 "[conv]\nfilters=32\nsize=3\npad=1\n"
                                 "activation=leaky\n",
                                 WHOLE},
        [TESS_SPEED_CONV_NARROW] = {152, 32,
                                    "[conv]\nfilters=64\nsize=3\npad=1\n"
                                    "activation=leaky\n",
                                    WHOLE},
        [TESS_SPEED_CONV_WIDE] = {38, 256,
                                  "[conv]\nfilters=512\nsize=3\npad=1\n"
                                  "activation=leaky\n",
                                  WHOLE},
        [TESS_SPEED_CONV_POINT] = {38, 512,
                                   "[conv]\nfilters=256\nsize=1\n"
                                   "activation=leaky\n",
                                   WHOLE},
        [TESS_SPEED_DEPTHWISE] = {76, 128,
                                  "[conv]\nfilters=128\ngroups=128\nsize=3\npad=1\n"
                                  "activation=leaky\n",
                                  WHOLE},
        [TESS_SPEED_CONNECTED] = {1, 4096, "[connected]\noutput=1024\nactivation=leaky\n",
                                  WHOLE},
    };
    for (int i = 0; i < TESS_SPEED_N_CLASSES; i++) {
        double median_us = 1;
        int64_t macs = 1;
        if (say)
            say(tess_speed_class_name((enum tess_speed_class)i));
        enum tess_status status =
            time_sample(probe, &samples[i], &median_us, &macs, error);
        if (status != TESS_OK)
            return status;
        profile->macs_per_us[i] = (double)macs / median_us;
    }
    return TESS_OK;
}

/* A maximum over 1x1 windows only moves data: every byte is read once and written once. */
static enum tess_status measure_memory(const struct probe *probe,
                                       struct tess_profile *profile,
                                       struct tess_error *error)
{
    const struct sample sample = {304, 64, "[maxpool]\nsize=1\nstride=1\n", WHOLE};
    double median_us = 1;
    int64_t macs;
    enum tess_status status = time_sample(probe, &sample, &median_us, &macs, error);
    if (status == TESS_OK)
        profile->bytes_per_us = 2.0 * 4 * 304 * 304 * 64 / median_us;
    return status;
}

/* One row at a time against eight: the difference is the cost of the calls. A narrow map against
 * a wide one of the same work: the difference is the cost of the rows. */
static enum tess_status measure_calls(const struct probe *probe,
                                      struct tess_profile *profile,
                                      struct tess_error *error)
{
    const char *const body = "[conv]\nfilters=32\nsize=3\npad=1\nactivation=linear\n";
    const struct sample single = {64, 32, body, {64, 1, TESS_HALO_REUSE}};
    const struct sample eight = {64, 32, body, {8, 1, TESS_HALO_REUSE}};
    const struct sample narrow = {8, 32, body, WHOLE};
    double single_us, eight_us, narrow_us;
    int64_t wide_macs, narrow_macs;
    enum tess_status status = time_sample(probe, &single, &single_us, &wide_macs, error);
    if (status == TESS_OK)
        status = time_sample(probe, &eight, &eight_us, &wide_macs, error);
    if (status == TESS_OK)
        status = time_sample(probe, &narrow, &narrow_us, &narrow_macs, error);
    if (status != TESS_OK)
        return status;
    double call_us = (single_us - eight_us) / (64 - 8);
    double row_us = (narrow_us - eight_us * (double)narrow_macs / (double)wide_macs) / 8;
    profile->call_us = call_us > 0 ? call_us : 0;
    profile->row_us = row_us > 0 ? row_us : 0;
    return TESS_OK;
}

enum tess_status tess_measure_profile(const struct tess_kernel_family *family,
                                      int n_threads, void (*say)(const char *what),
                                      struct tess_profile *profile_out,
                                      struct tess_error *error)
{
    struct probe probe = {family, n_threads};
    struct tess_profile profile;
    tess_profile_init(&profile);
    profile.n_threads = n_threads;
    long cache_bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (cache_bytes > 0) /* else the system does not know */
        profile.cache_bytes = (double)cache_bytes;
    snprintf(profile.family, sizeof profile.family, "%s", family->name);
    enum tess_status status = measure_classes(&probe, say, &profile, error);
    if (say)
        say("memory and calls");
    if (status == TESS_OK)
        status = measure_memory(&probe, &profile, error);
    if (status == TESS_OK)
        status = measure_calls(&probe, &profile, error);
    if (say)
        say("reading of weights");
    if (status == TESS_OK)
        status = tess_measure_weights(&profile, error);
    if (status == TESS_OK)
        *profile_out = profile;
    return status;
}
