/* Problem: may this kernel run here, and does it find everything it reads?
 *
 * Method: derive from the graph alone what output rows and columns [a, b) read, with
 * stride S, kernel K, dilation D and padding P: window:    [S*a - P, S*(b-1) - P +
 * D*(K-1) + 1)                                        (1) upsample:  [a div F, (b-1) div
 * F + 1)                                                  (2) shortcut:  of its second
 * input the S*y for the y that both maps have and for which Z*y lies in [a, b); S and Z
 * are darknet's stride and sample                 (3) What lies inside the map must be in
 * memory under its own name. What lies outside must be zeros in memory, or be left out of
 * the place where the kernel was made to supply it.
 *
 * Invariant: a run is granted only if it computes its output's pixels; then memory holds
 * them.
 *
 * Cost: O(rows read and written * log(rows alive)).
 *
 * Not done: pixels between the taps of a dilated or strided window count as read.
 */
#include "plan/verify_priv.h"

#include <assert.h>

#include "base/arith.h"

/* What a call reads of one input along both axes, padding included. */
struct reads {
    struct tess_span rows, cols;
};

static struct tess_span window_reads(int stride, int kernel, int dilation, int pad,
                                     struct tess_span out)
{
    return (struct tess_span){
        /* equation (1) */
        stride * out.begin - pad,
        stride * (out.end - 1) - pad + (int64_t)dilation * (kernel - 1) + 1};
}

/* Equation (3). darknet takes stride and sample from the widths, for the rows too. */
static struct tess_span shortcut_reads(const struct tess_tensor *from,
                                       const struct tess_tensor *to, bool is_rows,
                                       struct tess_span out)
{
    int64_t stride = from->w > to->w ? from->w / to->w : 1;
    int64_t sample = to->w > from->w ? to->w / from->w : 1;
    int64_t n_both =
        is_rows ? tess_min_i64(from->h, to->h) : tess_min_i64(from->w, to->w);
    int64_t first = tess_div_up(out.begin, sample);
    int64_t last = tess_min_i64((out.end - 1) / sample, n_both - 1);
    if (first > last)
        return (struct tess_span){0, 0};
    return (struct tess_span){stride * first, stride * last + 1};
}

static struct tess_span axis_reads(const struct tess_checker *checker, int input,
                                   bool is_rows, struct tess_span out)
{
    const struct tess_op *op = &checker->graph->ops[checker->step->op];
    const struct tess_window *window = &op->window;
    switch (op->kind) {
    case TESS_OP_CONV:
    case TESS_OP_MAXPOOL:
        if (input == 1)
            return out; /* the sums that a partial convolution goes on from */
        return is_rows ? window_reads(window->stride_h, window->kernel_h,
                                      window->dilation_h, window->pad_top, out)
                       : window_reads(window->stride_w, window->kernel_w,
                                      window->dilation_w, window->pad_left, out);
    case TESS_OP_CONNECTED:
    case TESS_OP_AVGPOOL:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX: return tess_checker_map(checker, op->inputs[input], is_rows);
    case TESS_OP_UPSAMPLE: /* equation (2) */
        return (struct tess_span){out.begin / op->factor, (out.end - 1) / op->factor + 1};
    case TESS_OP_ADD:
        if (input == 1)
            return shortcut_reads(&checker->graph->tensors[op->inputs[1]],
                                  &checker->graph->tensors[op->output], is_rows, out);
        return out;
    case TESS_OP_CROP:
        return is_rows ? window_reads(window->stride_h, 1, 1, -op->row_begin, out)
                       : window_reads(window->stride_w, 1, 1, -op->col_begin, out);
    case TESS_OP_REGION:
    case TESS_OP_YOLO: return out;
    case TESS_OP_CONCAT:
    case TESS_OP_SLICE: break; /* have no kernels */
    }
    assert(false);
    return out;
}

/* ---- the call ---- */

static struct tess_kernel_caps caps_of(const struct tess_checker *checker)
{
    int op = checker->step->op;
    return tess_facts_caps(&checker->layout->plan->facts, checker->graph, op,
                           checker->layout->ops[op].largest);
}

static bool is_whole(const struct tess_checker *checker, const struct tess_place *place,
                     bool is_rows)
{
    struct tess_span map = tess_checker_map(checker, place->tensor, is_rows);
    struct tess_span has = is_rows ? tess_place_rows(place) : tess_place_cols(place);
    return has.begin == map.begin && has.end == map.end;
}

/* Kernels are made once, for the pixel strides of all their calls. */
static enum tess_status check_pixel_stride(struct tess_checker *checker,
                                           const struct tess_place *place, int which)
{
    int64_t *known = &checker->pixel_strides[3 * checker->step->op + which];
    if (*known != 0 && *known != place->pixel_stride)
        return tess_checker_fail(checker,
                                 "changes its pixel stride from %lld to %lld floats",
                                 (long long)*known, (long long)place->pixel_stride);
    *known = place->pixel_stride;
    return TESS_OK;
}

/* The output window against what the kernel was made for. */
static enum tess_status check_output(struct tess_checker *checker)
{
    const struct tess_place *out = &checker->step->out;
    const struct tess_op *op = &checker->graph->ops[checker->step->op];
    const struct tess_op_layout *how = &checker->layout->ops[checker->step->op];
    struct tess_kernel_caps caps = caps_of(checker);
    bool is_whole_map = is_whole(checker, out, true) && is_whole(checker, out, false);
    enum tess_status status = tess_checker_place(checker, out, 0);
    if (status == TESS_OK)
        status = tess_checker_inside(checker, out);
    if (status == TESS_OK)
        status = check_pixel_stride(checker, out, 2);
    if (status != TESS_OK)
        return status;
    if (out->n_rows > how->largest.n_rows || out->n_cols > how->largest.n_cols)
        return tess_checker_fail(
            checker, "computes %d x %d pixels with a kernel made for %d x %d",
            out->n_rows, out->n_cols, how->largest.n_rows, how->largest.n_cols);
    if (tess_op_reads_whole(op) && !is_whole_map)
        return tess_checker_fail(checker,
                                 "computes a part of a map that can only be whole");
    if ((how->pads_rows && !caps.can_pad_rows) || (how->pads_cols && !caps.can_pad_cols))
        return tess_checker_fail(checker,
                                 "leaves padding to a kernel that does not supply it");
    if (!caps.needs_dense_rows)
        return TESS_OK;
    if (out->row_stride != out->n_cols * out->pixel_stride)
        return tess_checker_fail(checker, "puts out rows with gaps between them");
    /* Such a kernel's own padding is fixed: it belongs to the edges of the whole map. */
    if ((how->pads_rows && !is_whole(checker, out, true)) ||
        (how->pads_cols && !is_whole(checker, out, false)))
        return tess_checker_fail(checker,
                                 "leaves the padding of a part of the map to a kernel "
                                 "that pads whole maps");
    if (caps.needs_two_pixels && out->n_rows == 1 && out->n_cols == 1)
        return tess_checker_fail(checker,
                                 "computes a single pixel, which this kernel family "
                                 "rounds differently: use fewer tiles");
    return TESS_OK;
}

/* ---- the inputs ---- */

/* A kernel that wants dense rows takes exactly the columns under its output. */
static enum tess_status check_dense(const struct tess_checker *checker,
                                    const struct tess_place *in, struct tess_span needs)
{
    const struct tess_op *op = &checker->graph->ops[checker->step->op];
    if (checker->layout->ops[checker->step->op].pads_cols)
        needs = tess_span_overlap(needs, tess_checker_map(checker, in->tensor, false));
    int64_t n_further = in->n_cols - (needs.end - needs.begin);
    if (in->row_stride != in->n_cols * in->pixel_stride)
        return tess_checker_fail(checker, "reads rows with gaps between them");
    if (in->col != needs.begin || n_further < 0 || n_further >= op->window.stride_w)
        return tess_checker_fail(
            checker, "reads columns %d to %d where its kernel takes %d to %d", in->col,
            in->col + in->n_cols - 1, (int)needs.begin, (int)needs.end - 1);
    return TESS_OK;
}

/* Along one axis: is all that is needed and not in the place padding that the kernel
 * supplies? */
static bool is_rest_supplied(struct tess_span needs, struct tess_span place,
                             struct tess_span map, bool is_supplied)
{
    struct tess_span before = {needs.begin, tess_min_i64(needs.end, place.begin)};
    struct tess_span after = {tess_max_i64(needs.begin, place.end), needs.end};
    bool is_before_fine =
        tess_span_is_empty(before) || (before.end <= map.begin && is_supplied);
    bool is_after_fine =
        tess_span_is_empty(after) || (after.begin >= map.end && is_supplied);
    return is_before_fine && is_after_fine;
}

/* Memory under the part of `in` that is read. */
static enum tess_status check_pixels(struct tess_checker *checker,
                                     const struct tess_place *in, struct reads reads)
{
    struct tess_span map_rows = tess_checker_map(checker, in->tensor, true);
    struct tess_span map_cols = tess_checker_map(checker, in->tensor, false);
    struct tess_span rows = tess_span_overlap(reads.rows, tess_place_rows(in));
    struct tess_span cols = tess_span_overlap(reads.cols, tess_place_cols(in));
    struct tess_span inside = tess_span_overlap(rows, map_rows);
    struct tess_span above = {rows.begin, tess_min_i64(rows.end, map_rows.begin)};
    struct tess_span below = {tess_max_i64(rows.begin, map_rows.end), rows.end};
    struct tess_span left = {cols.begin, tess_min_i64(cols.end, map_cols.begin)};
    struct tess_span right = {tess_max_i64(cols.begin, map_cols.end), cols.end};
    bool is_padded = !tess_span_is_in(rows, map_rows) || !tess_span_is_in(cols, map_cols);
    if (is_padded && checker->graph->ops[checker->step->op].kind == TESS_OP_MAXPOOL)
        return tess_checker_fail(checker,
                                 "takes zeros for padding, which is lower than them");
    enum tess_status status =
        tess_checker_held(checker, in, inside, tess_span_overlap(cols, map_cols));
    if (status == TESS_OK)
        status = tess_checker_zeros(checker, in, above, cols);
    if (status == TESS_OK)
        status = tess_checker_zeros(checker, in, below, cols);
    if (status == TESS_OK)
        status = tess_checker_zeros(checker, in, inside, left);
    if (status == TESS_OK)
        status = tess_checker_zeros(checker, in, inside, right);
    return status;
}

static enum tess_status check_input(struct tess_checker *checker, int input)
{
    const struct tess_step *step = checker->step;
    const struct tess_place *in = &step->in[input];
    const struct tess_op_layout *how = &checker->layout->ops[step->op];
    struct reads reads = {
        axis_reads(checker, input, true, tess_place_rows(&step->out)),
        axis_reads(checker, input, false, tess_place_cols(&step->out)),
    };
    int tensor = checker->graph->ops[step->op].inputs[input];
    if (in->tensor != tensor || in->channels != checker->graph->tensors[tensor].c)
        return tess_checker_fail(checker, "reads another tensor than its inputs");
    if (in->offset < 0 || in->offset > checker->arena_bytes || in->offset % 4 != 0)
        return tess_checker_fail(checker, "reads at an address that is none");
    if (tess_span_is_empty(reads.rows) || tess_span_is_empty(reads.cols))
        return TESS_OK; /* the place is never looked at */
    enum tess_status status =
        tess_checker_place(checker, in, checker->layout->plan->facts.tail_bytes);
    if (status == TESS_OK)
        status = check_pixel_stride(checker, in, input);
    if (status == TESS_OK && caps_of(checker).needs_dense_rows)
        status = check_dense(checker, in, reads.cols);
    if (status != TESS_OK)
        return status;
    if (!is_rest_supplied(reads.rows, tess_place_rows(in),
                          tess_checker_map(checker, in->tensor, true), how->pads_rows) ||
        !is_rest_supplied(reads.cols, tess_place_cols(in),
                          tess_checker_map(checker, in->tensor, false), how->pads_cols))
        return tess_checker_fail(
            checker,
            "reads rows %d to %d, columns %d to %d of %s, but is given rows %d to %d, "
            "columns %d "
            "to %d",
            (int)reads.rows.begin, (int)reads.rows.end - 1, (int)reads.cols.begin,
            (int)reads.cols.end - 1, tess_checker_name(checker, in->tensor).text, in->row,
            in->row + in->n_rows - 1, in->col, in->col + in->n_cols - 1);
    return check_pixels(checker, in, reads);
}

/* ---- overlap ---- */

static bool is_same_plane(const struct tess_place *a, const struct tess_place *b)
{
    return a->offset == b->offset && a->row == b->row && a->col == b->col &&
           a->n_rows == b->n_rows && a->n_cols == b->n_cols &&
           a->channels == b->channels && a->row_stride == b->row_stride &&
           a->pixel_stride == b->pixel_stride;
}

static int64_t end_of(const struct tess_place *place)
{
    return place->offset +
           4 * ((place->n_rows - 1) * place->row_stride +
                (place->n_cols - 1) * place->pixel_stride + place->channels);
}

/* Do all pixels begin a multiple of the pixel stride apart? */
static bool is_regular(const struct tess_place *place)
{
    return place->n_rows == 1 || place->row_stride % place->pixel_stride == 0;
}

/* Can two places have a byte in common? Channels side by side in one storage have none.
 */
static bool may_overlap(const struct tess_place *a, const struct tess_place *b)
{
    if (end_of(a) <= b->offset || end_of(b) <= a->offset)
        return false;
    if (a->pixel_stride != b->pixel_stride || !is_regular(a) || !is_regular(b))
        return true;
    int64_t distance = (b->offset - a->offset) / 4;
    int64_t phase =
        distance - tess_div_floor(distance, a->pixel_stride) * a->pixel_stride;
    return phase < a->channels || phase + b->channels > a->pixel_stride;
}

static enum tess_status check_overlap(const struct tess_checker *checker, int input)
{
    const struct tess_step *step = checker->step;
    const struct tess_place *in = &step->in[input];
    enum tess_op_kind kind = checker->graph->ops[step->op].kind;
    bool can_run_in_place = kind == TESS_OP_ADD || kind == TESS_OP_REGION ||
                            kind == TESS_OP_YOLO || kind == TESS_OP_SOFTMAX;
    if (in->n_rows < 1 || in->n_cols < 1 || !may_overlap(in, &step->out))
        return TESS_OK;
    if (can_run_in_place && input == 0 && is_same_plane(in, &step->out))
        return TESS_OK;
    if (kind == TESS_OP_CONV && input == 1 && is_same_plane(in, &step->out))
        return TESS_OK;
    return tess_checker_fail(checker, "overwrites %s while reading it",
                             tess_checker_name(checker, in->tensor).text);
}

enum tess_status tess_checker_run(struct tess_checker *checker)
{
    const struct tess_step *step = checker->step;
    const struct tess_op *op = &checker->graph->ops[step->op];
    if (op->kind == TESS_OP_CONCAT || op->kind == TESS_OP_SLICE)
        return tess_checker_fail(checker, "has no kernel to run");
    if (step->n_in != op->n_inputs || step->n_in > 2 || step->out.tensor != op->output)
        return tess_checker_fail(checker,
                                 "runs with the inputs or output of another layer");
    enum tess_status status = check_output(checker);
    for (int input = 0; input < step->n_in && status == TESS_OK; input++) {
        status = check_input(checker, input);
        if (status == TESS_OK)
            status = check_overlap(checker, input);
    }
    struct tess_span rows = tess_place_rows(&step->out);
    for (int64_t row = rows.begin; row < rows.end && status == TESS_OK; row++)
        status = tess_checker_write_row(checker, &step->out, row);
    const struct tess_tensor *map = &checker->graph->tensors[op->output];
    checker->verdict.macs += tess_op_macs(checker->graph, op) /
                             ((int64_t)map->h * map->w) * step->out.n_rows *
                             step->out.n_cols;
    return status;
}
