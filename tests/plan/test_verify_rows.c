/* The verifier's model of memory against an array that remembers every float by itself. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan/verify_priv.h"
#include "tests/support/random_net.h"

enum { N_FLOATS = 240, NOTHING = -2 };

/* What one float is: a channel of a pixel, a zero, or nothing known. */
struct cell {
    int tensor, row, col, channel;
};

static struct cell cell_of(const struct tess_held_row *row, int pixel, int channel)
{
    if (row->tensor == TESS_HELD_ZEROS)
        return (struct cell){TESS_HELD_ZEROS, 0, 0, 0};
    return (struct cell){row->tensor, row->row, row->col + pixel, row->channel + channel};
}

static bool is_same(struct cell a, struct cell b)
{
    return a.tensor == b.tensor && a.row == b.row && a.col == b.col &&
           a.channel == b.channel;
}

static void write_cells(struct cell *cells, const struct tess_held_row *row)
{
    for (int pixel = 0; pixel < row->n_cols; pixel++)
        for (int channel = 0; channel < row->channels; channel++)
            cells[row->begin + pixel * row->stride + channel] =
                cell_of(row, pixel, channel);
}

static bool cells_hold(const struct cell *cells, const struct tess_held_row *row)
{
    for (int pixel = 0; pixel < row->n_cols; pixel++)
        for (int channel = 0; channel < row->channels; channel++)
            if (!is_same(cells[row->begin + pixel * row->stride + channel],
                         cell_of(row, pixel, channel)))
                return false;
    return true;
}

static struct tess_held_row random_row(struct tess_rng *rng, int stride)
{
    struct tess_held_row row = {.stride = stride,
                                .n_cols = tess_rng_int(rng, 1, 8),
                                .channels = tess_rng_int(rng, 1, stride),
                                .tensor = tess_rng_int(rng, TESS_HELD_ZEROS, 2)};
    row.begin = tess_rng_int(
        rng, 0, N_FLOATS - 1 - (int)((row.n_cols - 1) * row.stride + row.channels));
    if (row.tensor != TESS_HELD_ZEROS) {
        row.row = tess_rng_int(rng, 0, 1);
        row.col = tess_rng_int(rng, 0, 3);
        row.channel = tess_rng_int(rng, 0, 1);
    }
    return row;
}

static bool holds(const struct tess_row_map *map, const struct tess_held_row *wanted)
{
    int col;
    struct tess_held_row found;
    return tess_row_map_holds(map, wanted, &col, &found);
}

/* A row near to what memory holds, so that about half of the questions are answered yes. */
static struct tess_held_row likely_row(const struct tess_row_map *map,
                                       struct tess_rng *rng)
{
    struct tess_held_row row = map->rows[tess_rng_int(rng, 0, map->n_rows - 1)];
    int first = tess_rng_int(rng, 0, row.n_cols - 1);
    row.begin += first * row.stride;
    row.n_cols = tess_rng_int(rng, 1, row.n_cols - first);
    row.col += row.tensor == TESS_HELD_ZEROS ? 0 : first;
    if (tess_rng_int(rng, 0, 3) == 0)
        row.channels = tess_rng_int(rng, 1, row.channels);
    if (tess_rng_int(rng, 0, 7) == 0 && row.tensor != TESS_HELD_ZEROS)
        row.row = 1 - row.row;
    return row;
}

static void test_memory_holds_what_the_model_says(void **state)
{
    (void)state;
    int n_cases = 400, n_yes = 0;
    uint64_t seed = tess_random_seed(8000000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_row_map map;
        struct cell cells[N_FLOATS];
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_row_map_init(&map);
        for (int at = 0; at < N_FLOATS; at++)
            cells[at] = (struct cell){NOTHING, 0, 0, 0};
        int stride = tess_rng_int(&rng, 1, 6);
        for (int round = 0; round < 60; round++) {
            if (tess_rng_int(&rng, 0, 4) > 0) {
                if (tess_rng_int(&rng, 0, 5) == 0)
                    stride = tess_rng_int(&rng, 1, 6);
                struct tess_held_row row = random_row(&rng, stride);
                assert_true(tess_row_map_write(&map, &row));
                write_cells(cells, &row);
                assert_true(holds(&map, &row));
            } else {
                int n = tess_rng_int(&rng, 1, 60);
                int from = tess_rng_int(&rng, 0, N_FLOATS - n);
                int to = tess_rng_int(&rng, 0, from);
                assert_true(tess_row_map_move(&map, from, to, n));
                memmove(cells + to, cells + from, sizeof *cells * (size_t)n);
            }
            tess_row_map_assert_valid(&map);
            for (int k = 0; k < map.n_rows; k++)
                assert_true(cells_hold(cells, &map.rows[k]));
            for (int k = 0; k < 8 && map.n_rows > 0; k++) {
                struct tess_held_row wanted = likely_row(&map, &rng);
                bool is_held = holds(&map, &wanted);
                n_yes += is_held;
                if (is_held != cells_hold(cells, &wanted))
                    fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 "\n", seed + (uint64_t)i);
                assert_int_equal(is_held, cells_hold(cells, &wanted));
            }
        }
        tess_row_map_release(&map);
    }
    assert_true(n_yes > 100 * n_cases);
}

/* The worked example of plan/verify_rows.c. */
static void test_interleaved_rows_are_cut_by_pixels(void **state)
{
    (void)state;
    struct tess_row_map map;
    struct tess_held_row a = {
        .begin = 0, .stride = 4, .n_cols = 3, .channels = 2, .tensor = 1};
    struct tess_held_row b = {
        .begin = 2, .stride = 4, .n_cols = 2, .channels = 2, .tensor = 2};
    struct tess_held_row c = {
        .begin = 4, .stride = 4, .n_cols = 1, .channels = 4, .tensor = 3};
    tess_row_map_init(&map);
    assert_true(tess_row_map_write(&map, &a));
    assert_true(tess_row_map_write(&map, &b));
    assert_true(holds(&map, &a) && holds(&map, &b));
    assert_true(tess_row_map_write(&map, &c));
    const int64_t begins[] = {0, 2, 4, 8};
    const int tensors[] = {1, 2, 3, 1}, cols[] = {0, 0, 0, 2};
    assert_int_equal(map.n_rows, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(map.rows[i].begin, begins[i]);
        assert_int_equal(map.rows[i].tensor, tensors[i]);
        assert_int_equal(map.rows[i].col, cols[i]);
        assert_int_equal(map.rows[i].n_cols, 1);
    }
    assert_false(holds(&map, &a));
    tess_row_map_release(&map);
}

static void test_the_first_missing_column_is_named(void **state)
{
    (void)state;
    struct tess_row_map map;
    struct tess_held_row row = {
        .begin = 10, .stride = 3, .n_cols = 5, .channels = 3, .tensor = 1, .row = 7};
    struct tess_held_row other = {
        .begin = 16, .stride = 3, .n_cols = 2, .channels = 3, .tensor = 2, .col = 4};
    struct tess_held_row found;
    int col;
    tess_row_map_init(&map);
    assert_true(tess_row_map_write(&map, &row));
    assert_true(tess_row_map_write(&map, &other));
    assert_false(tess_row_map_holds(&map, &row, &col, &found));
    assert_int_equal(col, 2);
    assert_int_equal(found.tensor, 2);
    assert_int_equal(found.col, 4);
    tess_row_map_release(&map);
}

static void test_zeros_are_zeros_at_any_stride(void **state)
{
    (void)state;
    struct tess_row_map map;
    struct tess_held_row zeros = {
        .begin = 0, .stride = 6, .n_cols = 4, .channels = 6, .tensor = TESS_HELD_ZEROS};
    struct tess_held_row wanted = {
        .begin = 3, .stride = 4, .n_cols = 5, .channels = 4, .tensor = TESS_HELD_ZEROS};
    tess_row_map_init(&map);
    assert_true(tess_row_map_write(&map, &zeros));
    assert_true(holds(&map, &wanted));
    wanted.n_cols = 6; /* would end at 27 of 24 */
    assert_false(holds(&map, &wanted));
    tess_row_map_release(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_holds_what_the_model_says),
        cmocka_unit_test(test_interleaved_rows_are_cut_by_pixels),
        cmocka_unit_test(test_the_first_missing_column_is_named),
        cmocka_unit_test(test_zeros_are_zeros_at_any_stride),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
