/* Problem: prove, without trusting the layout, that running a plan's steps computes the
 * network.
 *
 * Method: run the steps on a model of the arena that holds names instead of numbers:
 * which row, columns and channels of which tensor lie at an address (plan/verify_rows.c).
 * A step may only read what it names and finds there. A pixel of a concat or slice is
 * another name for a pixel of one of its inputs, so both are resolved to their origins
 * and views need no step (plan/verify_place.c). What a kernel reads is in
 * plan/verify_run.c.
 *
 * Invariant: an arena run by these steps holds every pixel that the model names. So if
 * all reads are granted and the outputs are there at the end, the plan is right.
 *
 * Cost: O(rows of all windows * log(rows alive)). Memory: the rows that the arena holds.
 *
 * Worked example: 3x3 convolution B after A, 10 columns, bands of 2 rows; rows of A take
 * 40 floats. RUN B [2,4) reads A's rows 1 to 4 at 0, 40, 80, 120. The model holds there
 *   A1 A2 A3 A4   after MOVE brought A1 and A2 down and RUN A wrote A3 and A4: granted;
 *   A0 A1 A3 A4   if the MOVE is missing: "expects row 1 of layer 0's output, finds row
 * 0".
 *
 * Not done: steps that write what nobody reads are not found.
 *
 * Reference: validator.cc of MiniMalloc (Moffitt and Fegade, ISMM 2023) for the
 * principle.
 */
#include "plan/verify.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/text.h"
#include "plan/verify_priv.h"

/* ---- steps other than runs ---- */

static enum tess_status do_fill(struct tess_checker *checker)
{
    const struct tess_place *out = &checker->step->out;
    enum tess_status status = tess_checker_place(checker, out, 0);
    if (status != TESS_OK)
        return status;
    struct tess_span rows = tess_span_overlap(
        tess_place_rows(out), tess_checker_map(checker, out->tensor, true));
    struct tess_span cols = tess_span_overlap(
        tess_place_cols(out), tess_checker_map(checker, out->tensor, false));
    if (!tess_span_is_empty(rows) && !tess_span_is_empty(cols))
        return tess_checker_fail(checker, "clears row %d of %s, which is not padding",
                                 (int)rows.begin,
                                 tess_checker_name(checker, out->tensor).text);
    for (int64_t row = out->row; row < tess_place_rows(out).end && status == TESS_OK;
         row++)
        status = tess_checker_write_zeros(checker, out, row);
    return status;
}

/* Source and destination of a copy or move: sane, and the source no smaller. */
static enum tess_status check_pair(struct tess_checker *checker)
{
    const struct tess_place *in = &checker->step->in[0], *out = &checker->step->out;
    if (checker->step->n_in != 1)
        return tess_checker_fail(checker, "takes data from %d places at once",
                                 checker->step->n_in);
    enum tess_status status = tess_checker_place(checker, in, 0);
    if (status == TESS_OK)
        status = tess_checker_place(checker, out, 0);
    return status;
}

/* The source of the network's input only goes forward and gives whole rows. */
static enum tess_status do_input(struct tess_checker *checker)
{
    const struct tess_place *out = &checker->step->out;
    if (out->tensor != TESS_GRAPH_INPUT)
        return tess_checker_fail(checker, "takes input for another tensor");
    enum tess_status status = tess_checker_place(checker, out, 0);
    if (status == TESS_OK)
        status = tess_checker_inside(checker, out);
    if (status != TESS_OK)
        return status;
    struct tess_span rows = tess_place_rows(out);
    if (out->n_cols != checker->graph->tensors[TESS_GRAPH_INPUT].w)
        return tess_checker_fail(checker, "takes a part of the input's rows");
    if (rows.begin < checker->n_input_rows)
        return tess_checker_fail(checker, "takes row %lld of the input again",
                                 (long long)rows.begin);
    checker->n_input_rows = rows.end;
    for (int64_t row = rows.begin; row < rows.end && status == TESS_OK; row++)
        status = tess_checker_write_row(checker, out, row);
    return status;
}

/* Row by row from the last, each read before it is written: what copies that spread a
 * dense result in place rely on. */
static enum tess_status do_copy(struct tess_checker *checker)
{
    const struct tess_place *in = &checker->step->in[0], *out = &checker->step->out;
    enum tess_status status = check_pair(checker);
    if (status == TESS_OK)
        status = tess_checker_inside(checker, out);
    if (status != TESS_OK)
        return status;
    struct tess_span rows = tess_place_rows(out), cols = tess_place_cols(out);
    if (in->tensor != out->tensor || !tess_span_is_in(rows, tess_place_rows(in)) ||
        !tess_span_is_in(cols, tess_place_cols(in)))
        return tess_checker_fail(checker,
                                 "copies pixels of %s that its source does not have",
                                 tess_checker_name(checker, out->tensor).text);
    for (int64_t row = rows.end - 1; row >= rows.begin && status == TESS_OK; row--) {
        status = tess_checker_held(checker, in, (struct tess_span){row, row + 1}, cols);
        if (status == TESS_OK)
            status = tess_checker_write_row(checker, out, row);
    }
    return status;
}

static enum tess_status do_move(struct tess_checker *checker)
{
    const struct tess_place *in = &checker->step->in[0], *out = &checker->step->out;
    enum tess_status status = check_pair(checker);
    if (status != TESS_OK)
        return status;
    bool is_raw = in->channels == in->pixel_stride &&
                  out->channels == out->pixel_stride && in->channels == out->channels;
    if (!is_raw || in->n_rows < out->n_rows || in->n_cols < out->n_cols)
        return tess_checker_fail(checker, "moves rows of %s in pieces",
                                 tess_checker_name(checker, out->tensor).text);
    bool goes_up = out->n_rows > 1 && out->row_stride > in->row_stride;
    if (out->offset > in->offset || goes_up)
        return tess_checker_fail(checker,
                                 "moves rows of %s up, over those still to be moved",
                                 tess_checker_name(checker, out->tensor).text);
    int64_t n_row = out->n_cols * out->pixel_stride, n_rows = out->n_rows;
    if (in->row_stride == n_row && out->row_stride == n_row) {
        n_row *= n_rows; /* one block */
        n_rows = 1;
    }
    for (int64_t row = 0; row < n_rows; row++)
        if (!tess_row_map_move(&checker->memory, in->offset / 4 + row * in->row_stride,
                               out->offset / 4 + row * out->row_stride, n_row))
            return tess_error_nomem(checker->error);
    return TESS_OK;
}

/* Is a window of a tensor complete where a place says so? */
static enum tess_status check_complete(struct tess_checker *checker,
                                       const struct tess_place *place)
{
    enum tess_status status = tess_checker_place(checker, place, 0);
    if (status == TESS_OK)
        status = tess_checker_inside(checker, place);
    if (status == TESS_OK)
        status = tess_checker_held(checker, place, tess_place_rows(place),
                                   tess_place_cols(place));
    return status;
}

static enum tess_status do_done(struct tess_checker *checker)
{
    if (checker->step->out.tensor != checker->graph->ops[checker->step->op].output)
        return tess_checker_fail(checker, "calls another layer's output done");
    return check_complete(checker, &checker->step->out);
}

static enum tess_status visit(void *context, const struct tess_step *step,
                              struct tess_error *error)
{
    struct tess_checker *checker = context;
    (void)error; /* the checker has it */
    checker->step = step;
    checker->verdict.n_steps++;
    if (step->op < 0 || step->op >= checker->graph->n_ops)
        return tess_checker_fail(checker, "there is no layer to do it for");
    switch (step->kind) {
    case TESS_STEP_INPUT: return do_input(checker);
    case TESS_STEP_FILL: return do_fill(checker);
    case TESS_STEP_COPY: return do_copy(checker);
    case TESS_STEP_MOVE: return do_move(checker);
    case TESS_STEP_RUN: return tess_checker_run(checker);
    case TESS_STEP_DONE: return do_done(checker);
    }
    return tess_checker_fail(checker, "does not say what to do");
}

/* ---- the whole plan ---- */

static enum tess_status start(struct tess_checker *checker)
{
    const struct tess_graph *graph = checker->graph;
    size_t n_tensors = (size_t)graph->n_tensors, n_ops = (size_t)graph->n_ops;
    checker->first_origin = calloc(n_tensors + 1, sizeof *checker->first_origin);
    checker->pixel_strides = calloc(3 * n_ops, sizeof *checker->pixel_strides);
    if (!checker->first_origin || !checker->pixel_strides ||
        !tess_checker_find_origins(checker))
        return tess_error_nomem(checker->error);
    return TESS_OK;
}

static enum tess_status check_outputs(struct tess_checker *checker)
{
    checker->step = NULL;
    for (int tensor = 0; tensor < checker->graph->n_tensors; tensor++) {
        const struct tess_tensor *of = &checker->graph->tensors[tensor];
        if (!of->is_output)
            continue;
        struct tess_place place = tess_walk_output(checker->layout, tensor);
        if (place.tensor != tensor || place.n_rows != of->h || place.n_cols != of->w)
            return tess_checker_fail(checker, "%s is left in parts",
                                     tess_checker_name(checker, tensor).text);
        enum tess_status status = check_complete(checker, &place);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

/* The term that takes most, for a hint. */
static const char *largest_term(const struct tess_memory *memory)
{
    const struct {
        const char *name;
        int64_t bytes;
    } terms[] = {
        {"the process itself (code and libraries)", memory->base + memory->threads},
        {"packed weights", memory->weights},
        {"the kernels' workspace", memory->workspace},
        {"the arena of activations", memory->arena},
        {"weights being read", memory->window},
        {"reading the input", memory->input},
    };
    size_t largest = 0;
    for (size_t i = 1; i < sizeof terms / sizeof *terms; i++)
        if (terms[i].bytes > terms[largest].bytes)
            largest = i;
    return terms[largest].name;
}

static enum tess_status check_budget(struct tess_checker *checker)
{
    const struct tess_plan *plan = checker->layout->plan;
    struct tess_memory *memory = &checker->verdict.memory;
    char peak[24], budget[24];
    memory->input = plan->memory.input;
    tess_layout_memory(checker->layout, memory);
    memory->arena = tess_max_i64(checker->verdict.arena_bytes,
                                 tess_layout_scratch_bytes(checker->layout));
    memory->peak = tess_memory_sum(memory);
    if (plan->budget_bytes <= 0 || memory->peak <= plan->budget_bytes)
        return TESS_OK;
    tess_error_set(checker->error, TESS_E_INFEASIBLE,
                   "the plan needs %s at its peak, more than its budget of %s",
                   tess_format_bytes(memory->peak, peak, sizeof peak),
                   tess_format_bytes(plan->budget_bytes, budget, sizeof budget));
    tess_error_hint(checker->error, "most of it is %s", largest_term(memory));
    return TESS_E_INFEASIBLE;
}

enum tess_status tess_verify_steps(const struct tess_layout *layout,
                                   tess_step_source *produce, void *source,
                                   struct tess_verdict *verdict_out,
                                   struct tess_error *error)
{
    struct tess_checker checker = {
        .layout = layout,
        .graph = layout->graph,
        .arena_bytes = tess_layout_arena_bytes(layout),
        .error = error,
    };
    assert(layout->plan->n_ops == layout->graph->n_ops);
    tess_row_map_init(&checker.memory);
    enum tess_status status = start(&checker);
    if (status == TESS_OK)
        status = produce(source, visit, &checker, error);
    if (status == TESS_OK)
        status = check_outputs(&checker);
    if (status == TESS_OK)
        status = check_budget(&checker);
    if (status == TESS_OK)
        *verdict_out = checker.verdict;
    tess_row_map_release(&checker.memory);
    free(checker.origins);
    free(checker.first_origin);
    free(checker.pixel_strides);
    return status;
}

struct walk_source {
    const struct tess_layout *layout;
};

static enum tess_status produce_walk(void *source, tess_step_visitor *visitor,
                                     void *context, struct tess_error *error)
{
    const struct walk_source *walk = source;
    return tess_walk(walk->layout, visitor, context, error);
}

enum tess_status tess_verify(const struct tess_layout *layout,
                             struct tess_verdict *verdict_out, struct tess_error *error)
{
    struct walk_source walk = {layout};
    return tess_verify_steps(layout, produce_walk, &walk, verdict_out, error);
}
