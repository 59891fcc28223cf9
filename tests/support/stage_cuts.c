#include "tests/support/stage_cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arith.h"

bool *tess_stage_cuts_find(const struct tess_graph *graph)
{
    int n = graph->n_ops;
    bool *can_end = calloc((size_t)n * (size_t)n, sizeof *can_end);
    bool *can_begin = calloc((size_t)n + 1, sizeof *can_begin);
    int *ops = calloc((size_t)n, sizeof *ops);
    assert_true(can_end && can_begin && ops);
    can_begin[n] = true;
    for (int op = 0; op < n; op++)
        ops[op] = op;
    for (int first = n - 1; first >= 0; first--)
        for (int last = first; last < n; last++) {
            struct tess_stage stage;
            if (!can_begin[last + 1] ||
                tess_stage_init(&stage, graph, ops + first, last - first + 1, NULL) !=
                    TESS_OK)
                continue;
            tess_stage_release(&stage);
            can_end[first * n + last] = can_begin[first] = true;
        }
    bool can_cut = can_begin[0];
    free(can_begin);
    free(ops);
    if (!can_cut) {
        free(can_end);
        can_end = NULL;
    }
    return can_end;
}

int tess_stage_cuts_draw(struct tess_stage *stage, const struct tess_graph *graph,
                         const bool *can_end, int first, int max_ops,
                         struct tess_rng *rng)
{
    int n = graph->n_ops, last, tries = 0;
    int *ops = malloc(sizeof *ops * (size_t)n);
    assert_non_null(ops);
    for (int op = 0; op < n; op++)
        ops[op] = n - 1 - op; /* a stage takes its ops in any order */
    do
        last = tess_min_int(n - 1, first + tess_rng_int(rng, 0, max_ops + tries++));
    while (!can_end[first * n + last]);
    assert_int_equal(
        tess_stage_init(stage, graph, ops + n - 1 - last, last - first + 1, NULL),
        TESS_OK);
    free(ops);
    return last;
}

static int draw_edges(int extent, int max_parts, int *edges, struct tess_rng *rng)
{
    int n_parts = tess_rng_int(rng, 1, tess_min_int(extent, max_parts));
    for (int i = 0; i <= n_parts; i++)
        edges[i] = i < n_parts ? i : extent;
    for (int i = n_parts - 1; i > 0; i--) /* edges[i] may grow up to below the next */
        edges[i] = tess_rng_int(rng, i, edges[i + 1] - 1);
    return n_parts;
}

void tess_stage_tiles_draw(struct tess_stage_tiles *tiles, const struct tess_stage *stage,
                           int max_tiles, struct tess_rng *rng)
{
    struct tess_region whole = tess_stage_whole(stage);
    assert_true(max_tiles <= TESS_STAGE_CUTS_MOST);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        tiles->n_parts[axis] = 1;
        tiles->edges[axis][0] = 0;
        tiles->edges[axis][1] = whole.axis[axis].end;
        if (stage->can_cut)
            tiles->n_parts[axis] =
                draw_edges(whole.axis[axis].end, max_tiles, tiles->edges[axis], rng);
    }
}

struct tess_region tess_stage_tiles_at(const struct tess_stage_tiles *tiles, int row,
                                       int col)
{
    const int *rows = tiles->edges[TESS_ROWS] + row,
              *cols = tiles->edges[TESS_COLS] + col;
    return (struct tess_region){{{rows[0], rows[1]}, {cols[0], cols[1]}}};
}
