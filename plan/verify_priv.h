/* What the files of the verifier share: the model of the arena (plan/verify_rows.c),
 * names and places (plan/verify_place.c), runs of kernels (plan/verify_run.c) and the
 * steps (plan/verify.c). For those and their tests; private to plan/.
 *
 * The model knows which pixels lie where, row by row; it never holds their values and
 * never asks the layout.
 */
#ifndef TESS_PLAN_VERIFY_PRIV_H
#define TESS_PLAN_VERIFY_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "plan/verify.h"
#include "plan/walk.h"

enum {
    TESS_HELD_ZEROS = -1
}; /* tensor of rows that hold zeros; row, col, channel are 0 */

/* One row of pixels in memory: pixel i is column col + i of row `row` of the map,
 * channels [channel, channel + channels) of `tensor`, at begin + i * stride. All in
 * floats. */
struct tess_held_row {
    int64_t begin;
    int64_t stride; /* from pixel to pixel, at least `channels` */
    int n_cols, channels;
    int tensor;
    int row, col, channel;
};

/* The rows that memory holds. No two of them share a float. */
struct tess_row_map {
    struct tess_held_row *rows; /* [n_rows] ascending by begin */
    int n_rows, capacity;
    struct tess_held_row *scratch;
    int n_scratch, scratch_capacity;
    int64_t longest; /* floats from begin to end of the longest row ever written */
};

void tess_row_map_init(struct tess_row_map *map);
void tess_row_map_release(struct tess_row_map *map); /* accepts NULL and zeroed memory */

/* Does memory hold all of `wanted`? If not, *col_out is the first column (counted from 0)
 * in which it does not, and *found_out what lies there instead, n_cols 0 for nothing
 * known. */
bool tess_row_map_holds(const struct tess_row_map *map,
                        const struct tess_held_row *wanted, int *col_out,
                        struct tess_held_row *found_out);

/* Puts `row` into memory. Rows it overlaps lose the pixels it covers; rows of another
 * stride, or of which it covers some channels only, are forgotten altogether. False
 * without memory. */
bool tess_row_map_write(struct tess_row_map *map, const struct tess_held_row *row);

/* memmove of n floats. Rows that lie only partly in the source do not arrive; rows that
 * lie partly in the destination are forgotten. False without memory. */
bool tess_row_map_move(struct tess_row_map *map, int64_t from, int64_t to, int64_t n);

/* Asserts: ascending, no two rows share a float. Cost: quadratic. */
void tess_row_map_assert_valid(const struct tess_row_map *map);

/* ---- the checker ---- */

/* Channels of a tensor that are channels of one origin: of a tensor that some op
 * computes, which a concat's or slice's never is. */
struct tess_origin {
    int tensor, channel, n_channels;
};

struct tess_checker {
    const struct tess_layout
        *layout; /* borrowed; asked for kernel calls and terms only */
    const struct tess_graph *graph;
    struct tess_row_map memory;
    struct tess_origin *origins;
    int n_origins, capacity;
    int *first_origin;      /* [n_tensors + 1] */
    int64_t *pixel_strides; /* [n_ops][3] of two inputs and the output, 0 before the first
                               run */
    int64_t arena_bytes;    /* no step may touch more */
    int64_t n_input_rows;   /* rows of the network's input up to which a step has come */
    const struct tess_step *step; /* the current one, NULL before and after */
    struct tess_verdict verdict;
    struct tess_error *error;
};

/* Half-open, of rows or columns. */
struct tess_span {
    int64_t begin, end;
};

bool tess_span_is_empty(struct tess_span span);
bool tess_span_is_in(struct tess_span inner, struct tess_span outer);
struct tess_span tess_span_overlap(struct tess_span a, struct tess_span b);
struct tess_span tess_place_rows(const struct tess_place *place);
struct tess_span tess_place_cols(const struct tess_place *place);

/* TESS_E_VERIFY with the current step's layer and tile in front. */
enum tess_status tess_checker_fail(const struct tess_checker *checker, const char *format,
                                   ...) TESS_PRINTF(2, 3);

/* "the output of layer 3", or "the network's input". */
struct tess_words {
    char text[40];
};
struct tess_words tess_checker_name(const struct tess_checker *checker, int tensor);

/* Fills the origins of all tensors. False without memory. */
bool tess_checker_find_origins(struct tess_checker *checker);

/* Rows, or columns, of a tensor's map. */
struct tess_span tess_checker_map(const struct tess_checker *checker, int tensor,
                                  bool is_rows);

/* Is `place` a sane window of some tensor inside the arena, with `tail_bytes` more to
 * read? */
enum tess_status tess_checker_place(struct tess_checker *checker,
                                    const struct tess_place *place, int64_t tail_bytes);

/* Does it lie inside its tensor's map? */
enum tess_status tess_checker_inside(const struct tess_checker *checker,
                                     const struct tess_place *place);

/* Does memory hold these pixels, inside the map, where `place` says? Empty spans: yes. */
enum tess_status tess_checker_held(const struct tess_checker *checker,
                                   const struct tess_place *place, struct tess_span rows,
                                   struct tess_span cols);

/* Does it hold zeros there? */
enum tess_status tess_checker_zeros(const struct tess_checker *checker,
                                    const struct tess_place *place, struct tess_span rows,
                                    struct tess_span cols);

/* Memory now holds row `row` of `place`: its pixels, or zeros. TESS_E_NOMEM. */
enum tess_status tess_checker_write_row(struct tess_checker *checker,
                                        const struct tess_place *place, int64_t row);
enum tess_status tess_checker_write_zeros(struct tess_checker *checker,
                                          const struct tess_place *place, int64_t row);

/* Checks and does a TESS_STEP_RUN. */
enum tess_status tess_checker_run(struct tess_checker *checker);

/* Produces steps for a visitor, as tess_walk does. */
typedef enum tess_status tess_step_source(void *source, tess_step_visitor *visit,
                                          void *context, struct tess_error *error);

/* tess_verify on the steps of `produce` instead of those of tess_walk. */
enum tess_status tess_verify_steps(const struct tess_layout *layout,
                                   tess_step_source *produce, void *source,
                                   struct tess_verdict *verdict_out,
                                   struct tess_error *error);

#endif
