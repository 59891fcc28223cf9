/* Speed of convolution kernels on the layers of YOLOv2-608, family against family.
 *
 * kernel_speed [THREADS [ROUNDS [ROWS [BLOCKS]]]]: every layer shape is computed once per
 * family in turns, ROUNDS times; the least time counts, because whatever else the machine
 * does only adds. ROWS > 0 asks for so many rows of the output per call, as bands do.
 * BLOCKS > 0 asks families with packed weights for so many blocks per call, as streamed
 * weights do. The instruction set of `nat` can be chosen with
 * TESS_NAT_ISA=generic|avx2|avx512.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthreadpool.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/text.h"
#include "executor/kernel.h"
#include "model/darknet.h"
#include "model/packed.h"

static const struct layer {
    int side, channels, kernel, filters;
    int n; /* how often YOLOv2-608 has it */
} layers[] = {
    {608, 3, 3, 32, 1},     {304, 32, 3, 64, 1},    {152, 64, 3, 128, 2},
    {152, 128, 1, 64, 1},   {76, 128, 3, 256, 2},   {76, 256, 1, 128, 1},
    {38, 256, 3, 512, 3},   {38, 512, 1, 256, 2},   {19, 512, 3, 1024, 3},
    {19, 1024, 1, 512, 2},  {19, 1024, 3, 1024, 2}, {38, 512, 1, 64, 1},
    {19, 1280, 3, 1024, 1}, {19, 1024, 1, 425, 1},
};
enum { N_LAYERS = sizeof layers / sizeof layers[0] };

static const struct tess_kernel_family *const families[] = {&tess_kernel_xnn,
                                                            &tess_kernel_nat};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

struct options {
    pthreadpool_t pool;
    int64_t n_rounds, n_rows, n_blocks;
};

/* A kernel and its planes; `in` has physical padding where the family wants it. */
struct subject {
    const struct tess_kernel_family *family;
    struct tess_kernel *kernel;
    struct tess_plane in, out;
    struct tess_call_shape largest;
    int n_blocks; /* of packed weights; 0: computed all at once */
    bool pads_rows;
    double least_us;
};

static enum tess_status random_filters(void *context, int op, int begin, int end,
                                       float *kernel, float *bias,
                                       struct tess_error *error)
{
    const struct tess_graph *graph = context;
    (void)error;
    int64_t n_per_filter = tess_op_n_kernel(graph, &graph->ops[op]) /
                           graph->tensors[graph->ops[op].output].c;
    struct tess_rng rng;
    tess_rng_init(&rng, (uint64_t)begin);
    for (int64_t i = 0; i < (end - begin) * n_per_filter; i++)
        kernel[i] = (tess_rng_float(&rng) - 0.5f) / 16.0f;
    for (int i = 0; i < end - begin; i++)
        bias[i] = 0.1f;
    return TESS_OK;
}

static void fail(const char *what)
{
    fprintf(stderr, "kernel_speed: %s\n", what);
    exit(1);
}

static struct tess_graph *layer_graph(const struct layer *layer)
{
    struct tess_graph *graph = NULL;
    struct tess_text cfg = {0};
    tess_text_printf(&cfg,
                     "[net]\nheight=%d\nwidth=%d\nchannels=%d\n[convolutional]\n"
                     "filters=%d\nsize=%d\nstride=1\npad=1\nactivation=leaky\n",
                     layer->side, layer->side, layer->channels, layer->filters,
                     layer->kernel);
    if (tess_darknet_parse(tess_text_string(&cfg), cfg.len, "layer.cfg", &graph, NULL,
                           NULL) != TESS_OK)
        fail("cannot make the layer");
    tess_text_release(&cfg);
    return graph;
}

/* New dense plane of random floats over rows [-pad, h + pad) of the map. */
static struct tess_plane new_plane(const struct tess_tensor *tensor, int pad)
{
    struct tess_plane plane = {.row = -pad,
                               .n_rows = tensor->h + 2 * pad,
                               .n_cols = tensor->w,
                               .channels = tensor->c};
    plane.pixel_stride = (size_t)tensor->c;
    plane.row_stride = plane.pixel_stride * (size_t)tensor->w;
    size_t n = plane.row_stride * (size_t)plane.n_rows;
    plane.data = aligned_alloc(64, (n * sizeof(float) + 127) / 64 * 64);
    if (!plane.data)
        fail("out of memory");
    struct tess_rng rng;
    tess_rng_init(&rng, n);
    for (size_t i = 0; i < n; i++)
        plane.data[i] = tess_rng_float(&rng) - 0.5f;
    return plane;
}

static void subject_init(struct subject *subject, const struct tess_kernel_family *family,
                         struct tess_graph *graph, const struct options *options)
{
    const struct tess_tensor *in = &graph->tensors[0], *out = &graph->tensors[1];
    struct tess_kernel_facts facts;
    memset(subject, 0, sizeof *subject);
    subject->family = family;
    subject->largest = (struct tess_call_shape){out->h, out->w};
    if (options->n_rows > 0)
        subject->largest.n_rows = (int)tess_min_i64(options->n_rows, out->h);
    family->facts(&facts);
    struct tess_kernel_caps caps = tess_facts_caps(&facts, graph, 0, subject->largest);
    if (family->uses_packed && options->n_blocks > 0)
        subject->n_blocks = tess_packed_n_blocks(graph, 0);
    subject->pads_rows = caps.can_pad_rows;
    int64_t scratch_bytes = tess_facts_scratch_bytes(&facts, graph, 0);
    struct tess_kernel_options how = {
        .pads_rows = caps.can_pad_rows,
        .pads_cols = caps.can_pad_cols,
        .max_out_rows = subject->largest.n_rows,
        .max_out_cols = subject->largest.n_cols,
        .scratch = malloc((size_t)scratch_bytes),
        .scratch_bytes = scratch_bytes,
        .input_pixel_stride = in->c,
        .output_pixel_stride = out->c,
    };
    struct tess_filter_source source = {random_filters, graph};
    if (!how.scratch || family->create(graph, 0, &source, &how, options->pool,
                                       &subject->kernel, NULL) != TESS_OK)
        fail("cannot make the kernel");
    free(how.scratch);
    subject->in = new_plane(in, caps.can_pad_rows ? 0 : graph->ops[0].window.pad_top);
    subject->out = new_plane(out, 0);
}

static void subject_release(struct subject *subject)
{
    subject->family->destroy(subject->kernel);
    free(subject->in.data);
    free(subject->out.data);
}

/* A window of the output, in calls of as many blocks as asked for. */
static void compute_blocks(struct subject *subject, struct tess_kernel_call *call,
                           const struct options *options)
{
    int block = 0;
    do {
        call->first_block = block;
        call->n_blocks = (int)tess_min_i64(options->n_blocks, subject->n_blocks - block);
        if (subject->family->run(subject->kernel, call, options->pool, NULL) != TESS_OK)
            fail("cannot run the kernel");
        block += call->n_blocks;
    } while (block < subject->n_blocks);
}

/* The whole output, in calls as large as they may be. */
static void compute(struct subject *subject, const struct options *options)
{
    double start_us = tess_clock_us();
    struct tess_kernel_call call = {.in = {subject->in}, .out = subject->out};
    for (int row = 0; row < subject->out.n_rows; row += subject->largest.n_rows) {
        call.out.row = row;
        call.out.n_rows =
            tess_min_int(subject->largest.n_rows, subject->out.n_rows - row);
        call.out.data = subject->out.data + (size_t)row * subject->out.row_stride;
        compute_blocks(subject, &call, options);
    }
    double us = tess_clock_us() - start_us;
    if (subject->least_us == 0.0 || us < subject->least_us)
        subject->least_us = us;
}

/* Prints one line and adds the least times to the totals. */
static void measure(const struct layer *layer, const struct options *options,
                    double *total_us)
{
    struct tess_graph *graph = layer_graph(layer);
    struct subject subjects[N_FAMILIES];
    for (int i = 0; i < N_FAMILIES; i++)
        subject_init(&subjects[i], families[i], graph, options);
    for (int64_t round = 0; round < options->n_rounds; round++)
        for (int i = 0; i < N_FAMILIES; i++)
            compute(&subjects[i], options);
    double flop = 2.0 * (double)tess_op_macs(graph, &graph->ops[0]);
    printf("%4dx%-5d %dx%d %5d x%d", layer->side, layer->channels, layer->kernel,
           layer->kernel, layer->filters, layer->n);
    for (int i = 0; i < N_FAMILIES; i++) {
        printf("  %9.2f %6.1f", subjects[i].least_us * 1e-3,
               flop / subjects[i].least_us * 1e-3);
        total_us[i] += subjects[i].least_us * layer->n;
        subject_release(&subjects[i]);
    }
    printf("  %5.2f\n", subjects[0].least_us / subjects[1].least_us);
    fflush(stdout);
    tess_graph_destroy(graph);
}

int main(int argc, char **argv)
{
    struct options options = {.n_rounds = 5};
    int64_t n_threads = 1;
    double total_us[N_FAMILIES] = {0};
    if ((argc > 1 && !tess_parse_i64(argv[1], 1, 256, &n_threads)) ||
        (argc > 2 && !tess_parse_i64(argv[2], 1, 1000, &options.n_rounds)) ||
        (argc > 3 && !tess_parse_i64(argv[3], 0, 608, &options.n_rows)) ||
        (argc > 4 && !tess_parse_i64(argv[4], 0, 4096, &options.n_blocks)) || argc > 5)
        fail("usage: kernel_speed [THREADS [ROUNDS [ROWS [BLOCKS]]]]");
    if (n_threads > 1)
        options.pool = pthreadpool_create((size_t)n_threads);
    for (int i = 0; i < N_FAMILIES; i++)
        if (families[i]->start(0, NULL) != TESS_OK)
            fail("a family does not start");
    printf("   side x channels, filters   xnn ms  GFLOP/s     nat ms GFLOP/s  faster\n");
    for (int i = 0; i < N_LAYERS; i++)
        measure(&layers[i], &options, total_us);
    printf("all layers: xnn %.1f ms, nat %.1f ms\n", total_us[0] * 1e-3,
           total_us[1] * 1e-3);
    for (int i = 0; i < N_FAMILIES; i++)
        families[i]->stop();
    pthreadpool_destroy(options.pool);
    return 0;
}
