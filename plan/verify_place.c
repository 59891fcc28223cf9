/* What places name: tensors resolved to their origins, windows checked against the arena,
 * and the sentences that say what is wrong with them. */
#include "plan/verify_priv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"

bool tess_span_is_empty(struct tess_span span)
{
    return span.begin >= span.end;
}

bool tess_span_is_in(struct tess_span inner, struct tess_span outer)
{
    return inner.begin >= outer.begin && inner.end <= outer.end;
}

struct tess_span tess_span_overlap(struct tess_span a, struct tess_span b)
{
    return (struct tess_span){tess_max_i64(a.begin, b.begin), tess_min_i64(a.end, b.end)};
}

struct tess_span tess_place_rows(const struct tess_place *place)
{
    return (struct tess_span){place->row, (int64_t)place->row + place->n_rows};
}

struct tess_span tess_place_cols(const struct tess_place *place)
{
    return (struct tess_span){place->col, (int64_t)place->col + place->n_cols};
}

/* ---- saying what is wrong ---- */

struct tess_words tess_checker_name(const struct tess_checker *checker, int tensor)
{
    struct tess_words words;
    const struct tess_graph *graph = checker->graph;
    assert(tensor >= 0 && tensor < graph->n_tensors);
    if (tensor == TESS_GRAPH_INPUT)
        snprintf(words.text, sizeof words.text, "the network's input");
    else
        snprintf(words.text, sizeof words.text, "the output of layer %d",
                 graph->ops[graph->tensors[tensor].producer].layer);
    return words;
}

enum tess_status tess_checker_fail(const struct tess_checker *checker, const char *format,
                                   ...)
{
    char what[384], where[96] = "after the last step";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const struct tess_step *step = checker->step;
    if (step && step->op >= 0 && step->op < checker->graph->n_ops) {
        const struct tess_op *op = &checker->graph->ops[step->op];
        snprintf(where, sizeof where, "layer %d (%s), tile %d,%d of group %d", op->layer,
                 tess_op_kind_name(op->kind), step->tile_row + 1, step->tile_col + 1,
                 step->group + 1);
    } else if (step) {
        snprintf(where, sizeof where, "a step of no layer");
    }
    tess_error_set(checker->error, TESS_E_VERIFY, "%s: %s", where, what);
    tess_error_hint(checker->error,
                    "do not run this plan; its steps are derived from the groups "
                    "it names, so please report it with the network");
    return TESS_E_VERIFY;
}

static enum tess_status fail_missing(const struct tess_checker *checker,
                                     const struct tess_held_row *wanted, int col,
                                     const struct tess_held_row *found)
{
    char expected[160], finds[160] = "zeros";
    if (wanted->tensor == TESS_HELD_ZEROS)
        snprintf(expected, sizeof expected, "zeros of padding");
    else
        snprintf(expected, sizeof expected, "row %d, column %d, channel %d of %s",
                 wanted->row, wanted->col + col, wanted->channel,
                 tess_checker_name(checker, wanted->tensor).text);
    if (found->n_cols == 0)
        snprintf(finds, sizeof finds, "nothing that any step has left");
    else if (found->tensor != TESS_HELD_ZEROS)
        snprintf(finds, sizeof finds, "row %d, columns %d to %d, channels from %d of %s",
                 found->row, found->col, found->col + found->n_cols - 1, found->channel,
                 tess_checker_name(checker, found->tensor).text);
    return tess_checker_fail(checker, "expects %s where it reads, but finds %s", expected,
                             finds);
}

/* ---- origins ---- */

/* Appends an origin, or widens the last one of those that start at `first`. */
static bool push_origin(struct tess_checker *checker, int first,
                        struct tess_origin origin)
{
    if (checker->n_origins > first) {
        struct tess_origin *last = &checker->origins[checker->n_origins - 1];
        if (last->tensor == origin.tensor &&
            last->channel + last->n_channels == origin.channel) {
            last->n_channels += origin.n_channels;
            return true;
        }
    }
    if (checker->n_origins == checker->capacity) {
        int bigger = 2 * checker->capacity + 64;
        struct tess_origin *grown =
            realloc(checker->origins, sizeof *grown * (size_t)bigger);
        if (!grown)
            return false;
        checker->origins = grown;
        checker->capacity = bigger;
    }
    checker->origins[checker->n_origins++] = origin;
    return true;
}

/* Appends the origins of channels [begin, end) of `tensor` to those that start at
 * `first`. */
static bool push_origins_of(struct tess_checker *checker, int first, int tensor,
                            int begin, int end)
{
    int channel = 0;
    for (int i = checker->first_origin[tensor]; i < checker->first_origin[tensor + 1];
         i++) {
        struct tess_origin origin = checker->origins[i];
        int from = tess_max_int(begin - channel, 0);
        int to = tess_min_int(end - channel, origin.n_channels);
        struct tess_origin part = {origin.tensor, origin.channel + from, to - from};
        if (from < to && !push_origin(checker, first, part))
            return false;
        channel += origin.n_channels;
    }
    return true;
}

bool tess_checker_find_origins(struct tess_checker *checker)
{
    const struct tess_graph *graph = checker->graph;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        int first = checker->n_origins, n_channels = graph->tensors[tensor].c;
        int producer = graph->tensors[tensor].producer;
        const struct tess_op *op = producer < 0 ? NULL : &graph->ops[producer];
        bool is_done = true;
        checker->first_origin[tensor] = first;
        if (op && op->kind == TESS_OP_SLICE) {
            assert(op->inputs[0] < tensor);
            is_done = push_origins_of(checker, first, op->inputs[0], op->channel_begin,
                                      op->channel_begin + n_channels);
        } else if (op && op->kind == TESS_OP_CONCAT) {
            for (int i = 0; i < op->n_inputs && is_done; i++) {
                assert(op->inputs[i] < tensor);
                is_done = push_origins_of(checker, first, op->inputs[i], 0,
                                          graph->tensors[op->inputs[i]].c);
            }
        } else {
            is_done =
                push_origin(checker, first, (struct tess_origin){tensor, 0, n_channels});
        }
        if (!is_done)
            return false;
        checker->first_origin[tensor + 1] = checker->n_origins;
    }
    return true;
}

/* ---- places ---- */

struct tess_span tess_checker_map(const struct tess_checker *checker, int tensor,
                                  bool is_rows)
{
    const struct tess_tensor *of = &checker->graph->tensors[tensor];
    return (struct tess_span){0, is_rows ? of->h : of->w};
}

/* Floats from the first to the end of the last; false if that overflows. */
static bool place_length(const struct tess_place *place, int64_t *length_out)
{
    int64_t rows, cols, sum;
    if (!tess_mul_i64(place->n_rows - 1, place->row_stride, &rows) ||
        !tess_mul_i64(place->n_cols - 1, place->pixel_stride, &cols) ||
        !tess_add_i64(rows, cols, &sum))
        return false;
    return tess_add_i64(sum, place->channels, length_out);
}

enum tess_status tess_checker_place(struct tess_checker *checker,
                                    const struct tess_place *place, int64_t tail_bytes)
{
    int64_t length, bytes, end;
    if (place->tensor < 0 || place->tensor >= checker->graph->n_tensors)
        return tess_checker_fail(checker, "names a tensor that does not exist");
    struct tess_words name = tess_checker_name(checker, place->tensor);
    if (place->n_rows < 1 || place->n_cols < 1 ||
        place->channels != checker->graph->tensors[place->tensor].c)
        return tess_checker_fail(
            checker, "has a window of %d x %d pixels, %d channels, of %s", place->n_rows,
            place->n_cols, place->channels, name.text);
    if (place->pixel_stride < place->channels || place->row_stride < 0 ||
        place->offset % 4)
        return tess_checker_fail(
            checker, "has pixels of %s that overlap or are not aligned", name.text);
    if (!place_length(place, &length) || !tess_mul_i64(length, 4, &bytes) ||
        !tess_add_i64(bytes, tail_bytes, &bytes) ||
        !tess_add_i64(place->offset, bytes, &end) || place->offset < 0 ||
        end > checker->arena_bytes)
        return tess_checker_fail(checker, "touches memory outside the arena for %s",
                                 name.text);
    if (place->n_rows > 1 &&
        place->row_stride < (place->n_cols - 1) * place->pixel_stride + place->channels)
        return tess_checker_fail(checker, "has rows of %s that overlap", name.text);
    checker->verdict.arena_bytes = tess_max_i64(checker->verdict.arena_bytes, end);
    return TESS_OK;
}

enum tess_status tess_checker_inside(const struct tess_checker *checker,
                                     const struct tess_place *place)
{
    if (tess_span_is_in(tess_place_rows(place),
                        tess_checker_map(checker, place->tensor, true)) &&
        tess_span_is_in(tess_place_cols(place),
                        tess_checker_map(checker, place->tensor, false)))
        return TESS_OK;
    return tess_checker_fail(checker, "works on pixels outside the map of %s",
                             tess_checker_name(checker, place->tensor).text);
}

/* Where in memory `place` has columns `cols` of row `row`: zeros, until named otherwise.
 */
static struct tess_held_row row_of(const struct tess_place *place, int64_t row,
                                   struct tess_span cols)
{
    assert(!tess_span_is_empty(cols));
    assert(tess_span_is_in((struct tess_span){row, row + 1}, tess_place_rows(place)));
    assert(tess_span_is_in(cols, tess_place_cols(place)));
    return (struct tess_held_row){
        .begin = place->offset / 4 + (row - place->row) * place->row_stride +
                 (cols.begin - place->col) * place->pixel_stride,
        .stride = place->pixel_stride,
        .n_cols = (int)(cols.end - cols.begin),
        .channels = place->channels,
        .tensor = TESS_HELD_ZEROS,
    };
}

/* Names a row after its tensor's origin number `which`, whose channels begin `channel`
 * floats into each pixel. */
static struct tess_held_row named(struct tess_held_row row,
                                  const struct tess_origin *origin, int channel,
                                  int64_t map_row, int64_t map_col)
{
    row.begin += channel;
    row.channels = origin->n_channels;
    row.tensor = origin->tensor;
    row.channel = origin->channel;
    row.row = (int)map_row;
    row.col = (int)map_col;
    return row;
}

enum tess_status tess_checker_held(const struct tess_checker *checker,
                                   const struct tess_place *place, struct tess_span rows,
                                   struct tess_span cols)
{
    const int *first = &checker->first_origin[place->tensor];
    for (int64_t row = rows.begin; row < rows.end && !tess_span_is_empty(cols); row++) {
        struct tess_held_row whole = row_of(place, row, cols);
        for (int i = first[0], channel = 0; i < first[1]; i++) {
            const struct tess_origin *origin = &checker->origins[i];
            struct tess_held_row found,
                wanted = named(whole, origin, channel, row, cols.begin);
            int col;
            if (!tess_row_map_holds(&checker->memory, &wanted, &col, &found))
                return fail_missing(checker, &wanted, col, &found);
            channel += origin->n_channels;
        }
    }
    return TESS_OK;
}

enum tess_status tess_checker_zeros(const struct tess_checker *checker,
                                    const struct tess_place *place, struct tess_span rows,
                                    struct tess_span cols)
{
    for (int64_t row = rows.begin; row < rows.end && !tess_span_is_empty(cols); row++) {
        struct tess_held_row found, wanted = row_of(place, row, cols);
        int col;
        if (!tess_row_map_holds(&checker->memory, &wanted, &col, &found))
            return fail_missing(checker, &wanted, col, &found);
    }
    return TESS_OK;
}

enum tess_status tess_checker_write_row(struct tess_checker *checker,
                                        const struct tess_place *place, int64_t row)
{
    const int *first = &checker->first_origin[place->tensor];
    struct tess_held_row whole = row_of(place, row, tess_place_cols(place));
    for (int i = first[0], channel = 0; i < first[1]; i++) {
        const struct tess_origin *origin = &checker->origins[i];
        struct tess_held_row held = named(whole, origin, channel, row, place->col);
        if (!tess_row_map_write(&checker->memory, &held))
            return tess_error_nomem(checker->error);
        channel += origin->n_channels;
    }
    return TESS_OK;
}

enum tess_status tess_checker_write_zeros(struct tess_checker *checker,
                                          const struct tess_place *place, int64_t row)
{
    struct tess_held_row zeros = row_of(place, row, tess_place_cols(place));
    return tess_row_map_write(&checker->memory, &zeros)
               ? TESS_OK
               : tess_error_nomem(checker->error);
}
