#include "tests/support/naive_steps.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* Bits of a float that no kernel computes, of the zero that pads, and of -FLT_MAX. */
static const uint32_t POISON = 0x7fdeadffu, ZERO = 0, LOWEST = 0xff7fffffu;

/* Where the inputs of one op come from. */
struct reader {
    uint32_t (*read)(struct reader *reader, int input, int y, int x, int c);
    const struct tess_graph *graph;
    int op;
    const struct tess_naive_net *net; /* the net's own pixels, or */
    struct tess_naive_run *run;       /* an arena */
    const struct tess_step *step;
};

static void *must_alloc(size_t n_bytes)
{
    void *memory = calloc(1, n_bytes + 1);
    if (!memory) {
        fprintf(stderr, "naive_steps: out of memory\n");
        abort();
    }
    return memory;
}

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9e3779b1u;
    return hash ^ hash >> 15;
}

/* Never a value with a meaning of its own. */
static uint32_t result(uint32_t hash)
{
    return hash == ZERO || hash == POISON || hash == LOWEST ? 1 : hash;
}

/* ---- one pixel of each op ---- */

static uint32_t hash_window(struct reader *reader, int y, int x, int begin, int end)
{
    const struct tess_window *window = &reader->graph->ops[reader->op].window;
    uint32_t hash = (uint32_t)reader->op + 1;
    for (int ky = 0; ky < window->kernel_h; ky++)
        for (int kx = 0; kx < window->kernel_w; kx++)
            for (int c = begin; c < end; c++)
                hash = mix(hash, reader->read(reader, 0,
                                              y * window->stride_h - window->pad_top +
                                                  ky * window->dilation_h,
                                              x * window->stride_w - window->pad_left +
                                                  kx * window->dilation_w,
                                              c));
    return hash;
}

static void conv_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    int n_in = reader->graph->tensors[op->inputs[0]].c / op->groups;
    int n_out = reader->graph->tensors[op->output].c / op->groups;
    for (int group = 0; group < op->groups; group++) {
        uint32_t hash = hash_window(reader, y, x, group * n_in, (group + 1) * n_in);
        for (int c = group * n_out; c < (group + 1) * n_out; c++) {
            uint32_t sum = hash;
            if (tess_op_accumulates(op))
                sum = mix(sum, reader->read(reader, 1, y, x, c));
            pixel[c] = result(mix(sum, (uint32_t)c));
        }
    }
}

static void add_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    const struct tess_tensor *to = &reader->graph->tensors[op->output];
    const struct tess_tensor *from = &reader->graph->tensors[op->inputs[1]];
    int stride = from->w / to->w > 1 ? from->w / to->w : 1;
    int sample = to->w / from->w > 1 ? to->w / from->w : 1;
    int from_y = y / sample, from_x = x / sample;
    bool is_shared = y % sample == 0 && x % sample == 0 &&
                     from_y < tess_min_int(from->h, to->h) &&
                     from_x < tess_min_int(from->w, to->w);
    uint32_t hash = (uint32_t)reader->op + 1;
    for (int c = 0; c < to->c; c++) {
        pixel[c] = mix(hash, reader->read(reader, 0, y, x, c));
        if (is_shared && c < from->c)
            pixel[c] = mix(pixel[c],
                           reader->read(reader, 1, from_y * stride, from_x * stride, c));
        pixel[c] = result(pixel[c]);
    }
}

static void whole_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    const struct tess_tensor *in = &reader->graph->tensors[op->inputs[0]];
    uint32_t hash = mix((uint32_t)reader->op + 1, (uint32_t)(y * 1000 + x));
    for (int from_y = 0; from_y < in->h; from_y++)
        for (int from_x = 0; from_x < in->w; from_x++)
            for (int c = 0; c < in->c; c++)
                hash = mix(hash, reader->read(reader, 0, from_y, from_x, c));
    for (int c = 0; c < reader->graph->tensors[op->output].c; c++)
        pixel[c] = result(mix(hash, (uint32_t)c));
}

static void head_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    int n_channels = reader->graph->tensors[op->output].c;
    uint32_t hash = (uint32_t)reader->op + 1;
    for (int c = 0; c < n_channels; c++)
        hash = mix(hash, reader->read(reader, 0, y, x, c));
    for (int c = 0; c < n_channels; c++)
        pixel[c] = result(mix(hash, (uint32_t)c));
}

static void concat_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    for (int input = 0; input < op->n_inputs; input++)
        for (int c = 0; c < reader->graph->tensors[op->inputs[input]].c; c++)
            *pixel++ = reader->read(reader, input, y, x, c);
}

/* pixel: [C] of the op's output at (y, x). */
static void compute_pixel(struct reader *reader, int y, int x, uint32_t *pixel)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    int n_channels = reader->graph->tensors[op->output].c;
    switch (op->kind) {
    case TESS_OP_CONV: conv_pixel(reader, y, x, pixel); break;
    case TESS_OP_MAXPOOL:
        for (int c = 0; c < n_channels; c++)
            pixel[c] = result(hash_window(reader, y, x, c, c + 1));
        break;
    case TESS_OP_CONNECTED:
    case TESS_OP_AVGPOOL:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX: whole_pixel(reader, y, x, pixel); break;
    case TESS_OP_CONCAT: concat_pixel(reader, y, x, pixel); break;
    case TESS_OP_SLICE:
        for (int c = 0; c < n_channels; c++)
            pixel[c] = reader->read(reader, 0, y, x, op->channel_begin + c);
        break;
    case TESS_OP_ADD: add_pixel(reader, y, x, pixel); break;
    case TESS_OP_UPSAMPLE:
        for (int c = 0; c < n_channels; c++)
            pixel[c] =
                result(mix((uint32_t)reader->op + 1,
                           reader->read(reader, 0, y / op->factor, x / op->factor, c)));
        break;
    case TESS_OP_REGION:
    case TESS_OP_YOLO: head_pixel(reader, y, x, pixel); break;
    case TESS_OP_CROP:
        for (int c = 0; c < n_channels; c++)
            pixel[c] = result(
                mix((uint32_t)reader->op + 1,
                    reader->read(reader, 0, op->row_begin + y * op->window.stride_h,
                                 op->col_begin + x * op->window.stride_w, c)));
        break;
    }
}

static bool is_inside(const struct tess_tensor *tensor, int y, int x)
{
    return y >= 0 && y < tensor->h && x >= 0 && x < tensor->w;
}

static uint32_t padding_of(const struct tess_op *op)
{
    return op->kind == TESS_OP_MAXPOOL ? LOWEST : ZERO;
}

/* ---- the net ---- */

static uint32_t read_net(struct reader *reader, int input, int y, int x, int c)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    const struct tess_tensor *in = &reader->graph->tensors[op->inputs[input]];
    assert(c >= 0 && c < in->c);
    if (!is_inside(in, y, x))
        return padding_of(op);
    return reader->net->pixels[op->inputs[input]][(y * in->w + x) * in->c + c];
}

static uint32_t *pixels_of(const struct tess_tensor *tensor)
{
    return must_alloc(sizeof(uint32_t) * (size_t)tensor->h * (size_t)tensor->w *
                      (size_t)tensor->c);
}

struct tess_naive_net *tess_naive_net_create(const struct tess_graph *graph)
{
    struct tess_naive_net *net = must_alloc(sizeof *net);
    net->graph = graph;
    net->pixels = must_alloc(sizeof *net->pixels * (size_t)graph->n_tensors);
    const struct tess_tensor *input = &graph->tensors[TESS_GRAPH_INPUT];
    net->pixels[TESS_GRAPH_INPUT] = pixels_of(input);
    for (int i = 0; i < input->h * input->w * input->c; i++)
        net->pixels[TESS_GRAPH_INPUT][i] = result(mix(12345, (uint32_t)i));
    for (int op = 0; op < graph->n_ops; op++) {
        int output = graph->ops[op].output;
        const struct tess_tensor *out = &graph->tensors[output];
        struct reader reader = {.read = read_net, .graph = graph, .op = op, .net = net};
        net->pixels[output] = pixels_of(out);
        for (int y = 0; y < out->h; y++)
            for (int x = 0; x < out->w; x++)
                compute_pixel(&reader, y, x,
                              net->pixels[output] + (y * out->w + x) * out->c);
    }
    return net;
}

void tess_naive_net_destroy(struct tess_naive_net *net)
{
    if (!net)
        return;
    for (int tensor = 0; tensor < net->graph->n_tensors; tensor++)
        free(net->pixels[tensor]);
    free(net->pixels);
    free(net);
}

/* ---- the arena ---- */

static bool is_in_place(const struct tess_place *place, int y, int x)
{
    return y >= place->row && y - place->row < place->n_rows && x >= place->col &&
           x - place->col < place->n_cols;
}

/* Float number of channel 0 of pixel (y, x). */
static int64_t cell_of(const struct tess_place *place, int y, int x)
{
    return place->offset / 4 + (y - place->row) * place->row_stride +
           (x - place->col) * place->pixel_stride;
}

static void break_run(struct tess_naive_run *run, const struct tess_step *step)
{
    if (!run->is_broken)
        run->first_broken = *step;
    run->is_broken = true;
}

static uint32_t *cell_at(struct tess_naive_run *run, const struct tess_step *step,
                         int64_t cell)
{
    static uint32_t nowhere;
    if (cell >= 0 && cell < run->n_cells)
        return &run->arena[cell];
    break_run(run, step);
    nowhere = POISON;
    return &nowhere;
}

static uint32_t read_arena(struct reader *reader, int input, int y, int x, int c)
{
    const struct tess_op *op = &reader->graph->ops[reader->op];
    const struct tess_tensor *in = &reader->graph->tensors[op->inputs[input]];
    const struct tess_place *place = &reader->step->in[input];
    const struct tess_op_layout *how = &reader->run->layout->ops[reader->op];
    if (is_in_place(place, y, x)) {
        int64_t cell = cell_of(place, y, x) + c;
        uint32_t value = *cell_at(reader->run, reader->step, cell);
        if (value == POISON)
            break_run(reader->run, reader->step);
        return value;
    }
    bool lacks_row = y < place->row || y - place->row >= place->n_rows;
    bool lacks_col = x < place->col || x - place->col >= place->n_cols;
    bool is_row_padded = (y < 0 || y >= in->h) && how->pads_rows;
    bool is_col_padded = (x < 0 || x >= in->w) && how->pads_cols;
    if ((lacks_row && !is_row_padded) || (lacks_col && !is_col_padded))
        break_run(reader->run, reader->step);
    return padding_of(op);
}

static bool is_same_plane(const struct tess_place *a, const struct tess_place *b)
{
    return a->offset == b->offset && a->row == b->row && a->col == b->col &&
           a->n_rows == b->n_rows && a->n_cols == b->n_cols &&
           a->channels == b->channels && a->row_stride == b->row_stride &&
           a->pixel_stride == b->pixel_stride;
}

static void set_place(struct tess_naive_run *run, const struct tess_step *step,
                      uint32_t value)
{
    const struct tess_place *out = &step->out;
    for (int y = out->row; y < out->row + out->n_rows; y++)
        for (int x = out->col; x < out->col + out->n_cols; x++)
            for (int c = 0; c < out->channels; c++)
                *cell_at(run, step, cell_of(out, y, x) + c) = value;
}

/* The source of the input gives whole rows inside the map, forward only. */
static void take_input(struct tess_naive_run *run, const struct tess_step *step)
{
    const struct tess_tensor *input = &run->layout->graph->tensors[TESS_GRAPH_INPUT];
    const struct tess_place *out = &step->out;
    bool is_sane = out->tensor == TESS_GRAPH_INPUT && out->channels == input->c &&
                   out->col == 0 && out->n_cols == input->w && out->n_rows >= 0 &&
                   out->row >= run->n_input_rows && out->row + out->n_rows <= input->h;
    if (!is_sane) {
        break_run(run, step);
        return;
    }
    const uint32_t *pixel = run->net->pixels[TESS_GRAPH_INPUT] +
                            (size_t)out->row * (size_t)input->w * (size_t)input->c;
    for (int y = out->row; y < out->row + out->n_rows; y++)
        for (int x = 0; x < out->n_cols; x++)
            for (int c = 0; c < out->channels; c++)
                *cell_at(run, step, cell_of(out, y, x) + c) = *pixel++;
    run->n_input_rows = out->row + out->n_rows;
}

static void run_op(struct tess_naive_run *run, const struct tess_step *step)
{
    const struct tess_graph *graph = run->layout->graph;
    const struct tess_place *out = &step->out;
    bool is_sane = step->op >= 0 && step->op < graph->n_ops;
    const struct tess_op *op = is_sane ? &graph->ops[step->op] : graph->ops;
    const struct tess_tensor *to = &graph->tensors[op->output];
    is_sane = is_sane && step->n_in == op->n_inputs && out->channels == to->c &&
              op->kind != TESS_OP_CONCAT && op->kind != TESS_OP_SLICE &&
              op->n_inputs <= 2;
    for (int i = 0; is_sane && i < op->n_inputs; i++)
        is_sane = step->in[i].channels == graph->tensors[op->inputs[i]].c;
    if (!is_sane || !is_inside(to, out->row, out->col) ||
        !is_inside(to, out->row + out->n_rows - 1, out->col + out->n_cols - 1)) {
        break_run(run, step);
        return;
    }
    /* A kernel may write any part of its output before it reads the rest of its input. */
    bool goes_on_in_place = tess_op_accumulates(op) && is_same_plane(&step->in[1], out);
    if (!is_same_plane(&step->in[0], out) && !goes_on_in_place)
        set_place(run, step, POISON);
    struct reader reader = {
        .read = read_arena, .graph = graph, .op = step->op, .run = run, .step = step};
    uint32_t *pixel = must_alloc(sizeof *pixel * (size_t)out->channels);
    for (int y = out->row; y < out->row + out->n_rows; y++)
        for (int x = out->col; x < out->col + out->n_cols; x++) {
            compute_pixel(&reader, y, x, pixel);
            for (int c = 0; c < out->channels; c++)
                *cell_at(run, step, cell_of(out, y, x) + c) = pixel[c];
        }
    free(pixel);
}

static void copy_rows(struct tess_naive_run *run, const struct tess_step *step)
{
    const struct tess_place *in = &step->in[0], *out = &step->out;
    size_t n_row = (size_t)out->n_cols * (size_t)out->channels;
    uint32_t *row = must_alloc(sizeof *row * n_row);
    for (int y = out->row + out->n_rows - 1; y >= out->row; y--) {
        size_t n = 0;
        for (int x = out->col; x < out->col + out->n_cols; x++)
            for (int c = 0; c < out->channels; c++) {
                if (!is_in_place(in, y, x) || c >= in->channels)
                    break_run(run, step);
                row[n++] = *cell_at(run, step, cell_of(in, y, x) + c);
            }
        n = 0;
        for (int x = out->col; x < out->col + out->n_cols; x++)
            for (int c = 0; c < out->channels; c++)
                *cell_at(run, step, cell_of(out, y, x) + c) = row[n++];
    }
    free(row);
}

static void move_rows(struct tess_naive_run *run, const struct tess_step *step)
{
    const struct tess_place *in = &step->in[0], *out = &step->out;
    if (in->n_rows < out->n_rows || in->n_cols < out->n_cols || out->offset > in->offset)
        break_run(run, step);
    for (int y = 0; y < out->n_rows; y++)
        for (int64_t i = 0; i < (out->n_cols - 1) * out->pixel_stride + out->channels;
             i++)
            *cell_at(run, step, out->offset / 4 + y * out->row_stride + i) =
                *cell_at(run, step, in->offset / 4 + y * in->row_stride + i);
}

struct tess_naive_run *tess_naive_run_create(const struct tess_layout *layout,
                                             const struct tess_naive_net *net)
{
    struct tess_naive_run *run = must_alloc(sizeof *run);
    run->layout = layout;
    run->n_cells = tess_layout_arena_bytes(layout) / 4;
    run->arena = must_alloc(sizeof *run->arena * (size_t)run->n_cells);
    for (int64_t i = 0; i < run->n_cells; i++)
        run->arena[i] = POISON;
    run->net = net;
    return run;
}

void tess_naive_run_destroy(struct tess_naive_run *run)
{
    if (!run)
        return;
    free(run->arena);
    free(run);
}

enum tess_status tess_naive_run_step(void *context, const struct tess_step *step,
                                     struct tess_error *error)
{
    struct tess_naive_run *run = context;
    (void)error;
    run->n_steps++;
    if (step->out.offset % 4 || (step->n_in > 0 && step->in[0].offset % 4) ||
        (step->n_in > 1 && step->in[1].offset % 4)) {
        break_run(run, step);
        return TESS_OK;
    }
    switch (step->kind) {
    case TESS_STEP_INPUT: take_input(run, step); break;
    case TESS_STEP_FILL: set_place(run, step, ZERO); break;
    case TESS_STEP_COPY: copy_rows(run, step); break;
    case TESS_STEP_MOVE: move_rows(run, step); break;
    case TESS_STEP_RUN: run_op(run, step); break;
    case TESS_STEP_DONE: break;
    }
    return TESS_OK;
}

bool tess_naive_run_is_right(const struct tess_naive_run *run,
                             const struct tess_naive_net *net)
{
    if (run->is_broken)
        return false;
    for (int tensor = 0; tensor < net->graph->n_tensors; tensor++) {
        if (!net->graph->tensors[tensor].is_output)
            continue;
        struct tess_place place = tess_walk_output(run->layout, tensor);
        const uint32_t *pixel = net->pixels[tensor];
        for (int y = 0; y < place.n_rows; y++)
            for (int x = 0; x < place.n_cols; x++)
                for (int c = 0; c < place.channels; c++, pixel++) {
                    int64_t cell = cell_of(&place, y, x) + c;
                    if (cell < 0 || cell >= run->n_cells || run->arena[cell] != *pixel)
                        return false;
                }
    }
    return true;
}
