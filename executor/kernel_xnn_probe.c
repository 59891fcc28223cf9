/* Facts about the XNNPACK that is installed, learned by making tiny operators.
 *
 * Which inner kernels the library uses, and so how it pads what it packs, depends on the
 * processor and on its version; it tells nobody. But it packs through our allocator: with
 * w the bytes of packed weights of a 1x1 convolution of c channels and n filters, w(c, n)
 * = 4 (c rounded up to the channel block + 1) (n rounded up to the filter block), (1)
 * with d those of a depthwise convolution of t taps and n channels,
 *     d(t, n) = 4 (t + 1) (n rounded up to the depthwise block) (2) if the library has a
 * depthwise kernel for t, and many times as much if it has not; and with p the bytes of
 * pointer table for a 3x3 convolution putting out two pixels, p = 9 sizeof(void *) (2
 * rounded up to the pixel block).                                 (3)
 */
#include "executor/kernel_xnn_priv.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <xnnpack.h>

#include "base/arith.h"
#include "base/rng.h"
#include "executor/xnn_heap.h"

/* TUNING: how much of the filters is packed together. All convolutions of YOLOv2-608, one thread,
 * Xeon with AVX-512 and 2 MiB of L2 cache, 2026-11, milliseconds by slice_bytes:
 *     96K 507   160K 504   256K 504   384K 503   512K 502   640K 502   1280K 514
 * and with a fixed number of filters per slice:
 *     16 540    32 548     64 600     128 635    256 653    all 803
 * YOLOv3-416: 544 at 96K, 541 at 384K, 548 at 640K, 555 at 1280K; all at once 626. A slice must
 * leave room in the cache for the input of a chunk, and smaller ones also need less scratch;
 * what argues against them is their bookkeeping, 2 KiB each. Slices above 128 filters gain
 * nothing any more. */
static const int64_t tuned_filter_slice = 128;
static const int64_t tuned_slice_bytes = 384 * 1024;

/* TUNING: pixels per inner call, same measurement, slices of 32 filters; milliseconds and sum of
 * all workspaces:
 *     128 591 1.0M   256 573 1.1M   400 530 1.2M   512 532 1.3M   1024 532 1.6M   2048 529 2.2M
 * 400 is the least that takes the maps of the last layers, 19x19, in one call. */
static const int64_t tuned_call_pixels = 400;

enum {
    PROBE_FILTERS = 128,
    PROBE_CHANNELS = 36,
    PROBE_TAPS = 25,
    PROBE_PIXELS = 9,
    N_NUMBERS = PROBE_FILTERS * PROBE_CHANNELS * 2,
    TABLE_BYTES = 16 * 1024,
    BLOCK_BYTES = 512 * 1024
};

/* A convolution whose window is as high as the map and puts out one row of pixels. */
struct probe {
    int kernel_h, kernel_w;
    int pad; /* columns on either side */
    int groups, group_channels, group_filters;
};

struct lab {
    struct tess_pen pen;
    struct tess_xnn_loan loan;
    float *numbers; /* [N_NUMBERS] weights, bias and input of every probe */
};

static void open_lab(struct lab *lab, int64_t kept_bytes)
{
    lab->pen.used_bytes = kept_bytes;
    lab->loan = (struct tess_xnn_loan){.pen = &lab->pen, .table_bytes = TABLE_BYTES};
    tess_xnn_loan_open(&lab->loan);
}

/* One operator in the open loan, NULL on failure. */
static xnn_operator_t make(struct lab *lab, const struct probe *probe)
{
    size_t groups = (size_t)probe->groups;
    size_t channels = (size_t)probe->group_channels,
           filters = (size_t)probe->group_filters;
    xnn_operator_t op = NULL;
    assert(groups * filters <= PROBE_FILTERS);
    tess_xnn_loan_next_operator(&lab->loan);
    xnn_create_convolution2d_nhwc_f32(
        0, (uint32_t)probe->pad, 0, (uint32_t)probe->pad, (uint32_t)probe->kernel_h,
        (uint32_t)probe->kernel_w, 1, 1, 1, 1, (uint32_t)groups, channels, filters,
        groups * channels, groups * filters, lab->numbers, lab->numbers, -INFINITY,
        INFINITY, 0, &op);
    return op;
}

static bool set_up(xnn_operator_t op, const struct probe *probe, int n_pixels,
                   const float *in, float *out)
{
    int width = probe->kernel_w + n_pixels - 1 - 2 * probe->pad;
    return op &&
           xnn_setup_convolution2d_nhwc_f32(op, 1, (size_t)probe->kernel_h, (size_t)width,
                                            in, out, NULL) == xnn_status_success;
}

/* What the library asks for to make one operator and set it up for two pixels; zeros if
 * it fails. */
static struct tess_xnn_loan ask(struct lab *lab, struct probe probe)
{
    open_lab(lab, 0);
    xnn_operator_t op = make(lab, &probe);
    bool is_ok = set_up(op, &probe, 2, lab->numbers, lab->numbers);
    tess_xnn_loan_close();
    xnn_delete_operator(op);
    return is_ok ? lab->loan : (struct tess_xnn_loan){0};
}

static int64_t packed_bytes(struct lab *lab, struct probe probe)
{
    return ask(lab, probe).asked_bytes[TESS_XNN_WEIGHTS];
}

/* Equations (1) and (3). */
static void measure_dense(struct lab *lab, struct tess_kernel_facts *facts)
{
    struct probe probe = {1, 1, 0, 1, 1, PROBE_FILTERS};
    int64_t first = packed_bytes(lab, probe);
    while (probe.group_channels < PROBE_CHANNELS && packed_bytes(lab, probe) == first)
        probe.group_channels++;
    facts->channel_block = probe.group_channels - 1;

    int64_t last = packed_bytes(lab, probe);
    int64_t block_bytes = 0;
    for (probe.group_filters--; probe.group_filters > PROBE_FILTERS / 2;
         probe.group_filters--) {
        int64_t bytes = packed_bytes(lab, probe);
        if (bytes < last)
            block_bytes = last - bytes;
        last = bytes;
    }
    facts->filter_block =
        block_bytes / ((int64_t)sizeof(float) * (2 * facts->channel_block + 1));

    struct tess_xnn_loan asked = ask(lab, (struct probe){3, 3, 1, 1, 4, PROBE_FILTERS});
    facts->pointer_bytes = (int64_t)sizeof(void *);
    facts->pixel_block = asked.asked_table_bytes / (9 * facts->pointer_bytes);
    facts->slice_overhead_bytes =
        tess_round_up(asked.asked_bytes[TESS_XNN_OPERATOR], TESS_FACTS_BLOCK_ALIGN) +
        2 * TESS_FACTS_BLOCK_ALIGN + tess_xnn_slice_bytes();
    facts->tail_bytes = asked.asked_bytes[TESS_XNN_ZEROS] -
                        tess_round_up(4, facts->channel_block) * (int64_t)sizeof(float);
}

/* Equation (2). */
static void measure_depthwise(struct lab *lab, struct tess_kernel_facts *facts)
{
    facts->depthwise_block = 1;
    for (int taps = 2; taps <= PROBE_TAPS; taps++) {
        int64_t lane_bytes = (int64_t)sizeof(float) * (taps + 1);
        struct probe probe = {1, taps, 1, PROBE_FILTERS / 2, 1, 1};
        if (packed_bytes(lab, probe) > PROBE_FILTERS / 2 * lane_bytes)
            continue;
        probe.groups = 1;
        facts->depthwise_taps |= INT64_C(1) << taps;
        facts->depthwise_block =
            tess_max_i64(facts->depthwise_block, packed_bytes(lab, probe) / lane_bytes);
    }
}

static bool run(xnn_operator_t op, const struct probe *probe, int n_pixels,
                const float *in, float *out)
{
    return set_up(op, probe, n_pixels, in, out) &&
           xnn_run_operator(op, NULL) == xnn_status_success;
}

/* Do two operators that share a table and zeros compute what they compute alone? The
 * second pass shifts the input, the third changes the shape. */
static bool can_share(struct lab *lab, float *out)
{
    const struct probe probe = {3, 3, 1, 1, PROBE_CHANNELS / 4, PROBE_FILTERS / 4};
    const int n_pixels[] = {5, 5, 3};
    enum { N_PASSES = 3, N_OUT = 5 * PROBE_FILTERS / 4 };
    bool is_same = true;
    xnn_operator_t shared[2] = {NULL, NULL};
    open_lab(lab, 0);
    for (int i = 0; i < 2; i++)
        shared[i] = make(lab, &probe);
    is_same = lab->loan.n_taken == TESS_XNN_N_PIECES && shared[0] && shared[1];
    for (int i = 0; is_same && i < 2 * N_PASSES; i++)
        is_same = run(shared[i % 2], &probe, n_pixels[i / 2],
                      lab->numbers + i / 2 * PROBE_CHANNELS, out + i * N_OUT);
    int64_t kept_bytes = lab->pen.used_bytes;
    tess_xnn_loan_close();
    for (int i = 0; is_same && i < 2 * N_PASSES; i++) {
        float *alone_out = out + 2 * N_PASSES * N_OUT;
        open_lab(lab, kept_bytes);
        xnn_operator_t alone = make(lab, &probe);
        is_same = run(alone, &probe, n_pixels[i / 2],
                      lab->numbers + i / 2 * PROBE_CHANNELS, alone_out);
        tess_xnn_loan_close();
        is_same = is_same && memcmp(alone_out, out + i * N_OUT,
                                    (size_t)n_pixels[i / 2] * PROBE_FILTERS / 4 *
                                        sizeof(float)) == 0;
        xnn_delete_operator(alone);
    }
    xnn_delete_operator(shared[0]);
    xnn_delete_operator(shared[1]);
    return is_same;
}

/* Does a pixel computed alone have the bits it has beside others? */
static bool has_odd_pixel(struct lab *lab, struct probe probe, float *out)
{
    bool is_odd = false;
    size_t n = (size_t)probe.group_filters;
    float *alone_out = out + PROBE_PIXELS * n;
    open_lab(lab, 0);
    xnn_operator_t op = make(lab, &probe);
    is_odd = !run(op, &probe, PROBE_PIXELS, lab->numbers, out);
    for (size_t x = 0; x < PROBE_PIXELS && !is_odd; x++) {
        is_odd = !run(op, &probe, 1, lab->numbers + x * (size_t)probe.group_channels,
                      alone_out);
        is_odd = is_odd || memcmp(out + x * n, alone_out, n * sizeof(float)) != 0;
    }
    tess_xnn_loan_close();
    xnn_delete_operator(op);
    return is_odd;
}

enum tess_status tess_xnn_probe(struct tess_kernel_facts *facts_out,
                                struct tess_error *error)
{
    struct tess_kernel_facts facts = {
        .family = "xnn",
        .align_bytes = TESS_FACTS_BLOCK_ALIGN,
        .call_pixels = tuned_call_pixels,
        .kernel_overhead_bytes = tess_max_i64(
            tess_xnn_conv_bytes() + TESS_FACTS_BLOCK_ALIGN, tess_plain_overhead_bytes()),
    };
    struct lab lab = {.numbers = NULL};
    enum tess_status status =
        tess_pen_init(&lab.pen, &tess_xnn_heap, NULL, 0, BLOCK_BYTES, error);
    if (status)
        return status;
    /* The end of the block holds the numbers, the rest is cut up by each probe anew. */
    lab.pen.capacity_bytes -= 2 * N_NUMBERS * (int64_t)sizeof(float);
    lab.numbers = (float *)(void *)(lab.pen.data + lab.pen.capacity_bytes);
    float *out = lab.numbers + N_NUMBERS;
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    for (int i = 0; i < N_NUMBERS; i++)
        lab.numbers[i] = tess_rng_float(&rng) - 0.5f;

    measure_dense(&lab, &facts);
    measure_depthwise(&lab, &facts);
    bool is_known = facts.channel_block > 0 && facts.filter_block > 0 &&
                    facts.pixel_block > 0 && facts.tail_bytes >= 0 &&
                    can_share(&lab, out);
    if (is_known) {
        facts.filter_slice = tess_round_up(tuned_filter_slice, facts.filter_block);
        facts.slice_bytes = tuned_slice_bytes;
        facts.has_odd_pixel =
            has_odd_pixel(&lab, (struct probe){1, 1, 0, 1, PROBE_CHANNELS - 1, 32},
                          out) ||
            has_odd_pixel(&lab, (struct probe){1, 3, 0, 1, PROBE_CHANNELS - 1, 32}, out);
        *facts_out = facts;
    } else {
        status = tess_error_set(
            error, TESS_E_INTERNAL,
            "this version of XNNPACK works in ways that are not supported");
        tess_error_hint(error, "use the kernel family \"ref\"");
    }
    lab.pen.capacity_bytes = BLOCK_BYTES;
    tess_pen_release(&lab.pen);
    return status;
}
