#include "transport/part.h"

#include "base/rng.h"
#include "tests/transport/transport_testing.h"

static struct tess_part part(int y0, int y1, int x0, int x1, int c0, int c1)
{
    return (struct tess_part){0, {y0, y1}, {x0, x1}, {c0, c1}, 2};
}

static void test_bytes_are_the_product(void **state)
{
    (void)state;
    struct tess_part one = part(2, 5, 0, 7, 1, 4);
    struct tess_parts two = {2, {one, part(0, 1, 0, 1, 0, 1)}};
    assert_int_equal(tess_part_bytes(&one), 3 * 7 * 3 * 2);
    assert_int_equal(tess_parts_bytes(&two), 3 * 7 * 3 * 2 + 2);
}

static void test_impossible_parts_have_no_size(void **state)
{
    (void)state;
    const struct tess_part bad[] = {
        part(2, 2, 0, 1, 0, 1),          part(3, 2, 0, 1, 0, 1),
        part(-1, 2, 0, 1, 0, 1),         part(0, 1, 0, 65537, 0, 1),
        part(0, 1, 0, 1, 5, 0),          {0, {0, 1}, {0, 1}, {0, 1}, 3},
        {-1, {0, 1}, {0, 1}, {0, 1}, 4}, {1024, {0, 1}, {0, 1}, {0, 1}, 4}};
    struct tess_parts many = {TESS_PARTS_MAX + 1, {part(0, 1, 0, 1, 0, 1)}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tess_part_bytes(&bad[i]), -1);
    assert_int_equal(tess_parts_bytes(&many), -1);
    many.n = -1;
    assert_int_equal(tess_parts_bytes(&many), -1);
    struct tess_part largest = part(0, 65536, 0, 65536, 0, 65536);
    assert_int_equal(tess_part_bytes(&largest), INT64_C(1) << 49);
}

static void test_inside_is_judged_on_every_side(void **state)
{
    (void)state;
    const struct tess_part_map map = {4, 5, 6, 2};
    struct tess_part whole = part(0, 4, 0, 5, 0, 6);
    assert_true(tess_part_is_inside(&whole, &map));
    whole.rows.end++;
    assert_false(tess_part_is_inside(&whole, &map));
    whole = part(0, 4, 0, 6, 0, 6);
    assert_false(tess_part_is_inside(&whole, &map));
    whole = part(0, 4, 0, 5, 0, 7);
    assert_false(tess_part_is_inside(&whole, &map));
    whole = part(0, 4, 0, 5, 0, 6);
    whole.element_bytes = 4;
    assert_false(tess_part_is_inside(&whole, &map));
}

static void test_packing_takes_the_part_and_placing_brings_it_back(void **state)
{
    (void)state;
    enum { H = 6, W = 7, C = 5, ROUNDS = 500 };
    const struct tess_part_map map = {H, W, C, 2};
    uint16_t from[H][W][C], into[H][W][C], packed[H * W * C];
    struct tess_rng rng;
    tess_rng_init(&rng, 5);
    for (int i = 0; i < H * W * C; i++)
        (&from[0][0][0])[i] = (uint16_t)(i + 1);
    for (int round = 0; round < ROUNDS; round++) {
        int y0 = tess_rng_int(&rng, 0, H - 1), y1 = tess_rng_int(&rng, y0 + 1, H);
        int x0 = tess_rng_int(&rng, 0, W - 1), x1 = tess_rng_int(&rng, x0 + 1, W);
        int c0 = tess_rng_int(&rng, 0, C - 1), c1 = tess_rng_int(&rng, c0 + 1, C);
        struct tess_part some = part(y0, y1, x0, x1, c0, c1);
        int64_t offset;
        memset(packed, 0, sizeof packed);
        memset(into, 0, sizeof into);
        tess_part_pack(&some, &map, from, packed);
        tess_part_place(&some, &(struct tess_parts){1, {some}}, packed, &map, into);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                for (int c = 0; c < C; c++) {
                    int is_in =
                        y >= y0 && y < y1 && x >= x0 && x < x1 && c >= c0 && c < c1;
                    assert_int_equal(into[y][x][c], is_in ? from[y][x][c] : 0);
                }
        if (tess_part_is_contiguous(&some, &map, &offset))
            assert_memory_equal((char *)from + offset, packed,
                                (size_t)tess_part_bytes(&some));
    }
}

static void test_whole_rows_are_one_run_of_bytes(void **state)
{
    (void)state;
    const struct tess_part_map map = {4, 5, 6, 2};
    int64_t offset = -1;
    struct tess_part rows = part(1, 3, 0, 5, 0, 6), cols = part(1, 3, 0, 4, 0, 6);
    struct tess_part in_a_row = part(3, 4, 1, 3, 0, 6), pixel = part(3, 4, 1, 2, 2, 4);
    assert_true(tess_part_is_contiguous(&rows, &map, &offset));
    assert_int_equal(offset, 1 * 5 * 6 * 2);
    assert_false(tess_part_is_contiguous(&cols, &map, &offset));
    assert_true(tess_part_is_contiguous(&in_a_row, &map, &offset));
    assert_int_equal(offset, (3 * 5 + 1) * 6 * 2);
    assert_true(tess_part_is_contiguous(&pixel, &map, &offset));
    assert_int_equal(offset, ((3 * 5 + 1) * 6 + 2) * 2);
}

static struct tess_range draw_range(struct tess_rng *rng, int extent)
{
    int begin = tess_rng_int(rng, 0, extent - 1);
    return (struct tess_range){begin, tess_rng_int(rng, begin + 1, extent)};
}

static struct tess_part draw_part(struct tess_rng *rng, int rows, int cols)
{
    return (struct tess_part){.rows = draw_range(rng, rows),
                              .cols = draw_range(rng, cols),
                              .channels = {0, 2},
                              .element_bytes = 2};
}

static bool has_pixel(const struct tess_part *part, int row, int col)
{
    return row >= part->rows.begin && row < part->rows.end && col >= part->cols.begin &&
           col < part->cols.end;
}

static int n_with_pixel(const struct tess_parts *parts, int row, int col)
{
    int n = 0;
    for (int i = 0; i < parts->n; i++)
        n += has_pixel(&parts->at[i], row, col);
    return n;
}

/* Pixel by pixel: what is left is what was there and was not taken out, once. */
static void test_pieces_are_what_is_left(void **state)
{
    (void)state;
    enum { H = 12, W = 12, ROUNDS = 2000 };
    struct tess_rng rng;
    int n_full = 0;
    tess_rng_init(&rng, 4711);
    for (int round = 0; round < ROUNDS; round++) {
        struct tess_part whole = draw_part(&rng, H, W), gone[24];
        struct tess_parts parts = {1, {whole}};
        int n_gone = 0;
        for (int i = tess_rng_int(&rng, 0, 24); i > 0; i--) {
            struct tess_part minus = draw_part(&rng, H, W);
            minus.rows.end = minus.rows.begin + 1;
            if (tess_rng_int(&rng, 0, 3) > 0)
                minus.cols.end = minus.cols.begin + 1;
            struct tess_parts before = parts;
            minus.tensor = tess_rng_int(&rng, 0, 4) == 0;
            if (!tess_parts_subtract(&parts, &minus)) {
                assert_memory_equal(&before, &parts, sizeof parts);
                n_full++;
            } else if (minus.tensor == 0) {
                gone[n_gone++] = minus;
            }
        }
        for (int row = 0; row < H; row++)
            for (int col = 0; col < W; col++) {
                bool is_left = has_pixel(&whole, row, col);
                for (int i = 0; i < n_gone; i++)
                    is_left = is_left && !has_pixel(&gone[i], row, col);
                assert_int_equal(n_with_pixel(&parts, row, col), is_left);
            }
    }
    print_message("%d times too many pieces\n", n_full);
    assert_true(n_full > 10);
}

/* From a map to packed parts, from these to others, and from those back to a map. */
static void test_picked_parts_are_those_of_the_map(void **state)
{
    (void)state;
    enum { H = 7, W = 6, ROUNDS = 500 };
    const struct tess_part_map map = {H, W, 2, 2};
    uint16_t from[H * W * 2], packed[H * W * 2], picked[H * W * 2], into[H * W * 2];
    struct tess_rng rng;
    tess_rng_init(&rng, 4712);
    for (int i = 0; i < H * W * 2; i++)
        from[i] = (uint16_t)(i + 1);
    for (int round = 0; round < ROUNDS; round++) {
        struct tess_part whole = draw_part(&rng, H, W), minus = draw_part(&rng, H, W);
        struct tess_parts all = {1, {whole}}, some = all;
        assert_true(tess_parts_subtract(&some, &minus));
        assert_true(tess_parts_contain(&all, &some));
        assert_int_equal(tess_parts_meet(&all, &some), some.n > 0);
        tess_part_pack(&whole, &map, from, packed);
        tess_parts_pick(&all, packed, &some, picked);
        memset(into, 0, sizeof into);
        for (int i = 0; i < some.n; i++)
            tess_part_place(&some.at[i], &some, picked, &map, into);
        for (int row = 0; row < H; row++)
            for (int col = 0; col < W; col++)
                for (int c = 0; c < 2; c++) {
                    int at = (row * W + col) * 2 + c;
                    assert_int_equal(into[at],
                                     n_with_pixel(&some, row, col) ? from[at] : 0);
                }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_the_product),
        cmocka_unit_test(test_impossible_parts_have_no_size),
        cmocka_unit_test(test_inside_is_judged_on_every_side),
        cmocka_unit_test(test_packing_takes_the_part_and_placing_brings_it_back),
        cmocka_unit_test(test_whole_rows_are_one_run_of_bytes),
        cmocka_unit_test(test_pieces_are_what_is_left),
        cmocka_unit_test(test_picked_parts_are_those_of_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
