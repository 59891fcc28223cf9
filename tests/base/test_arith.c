#include "base/arith.h"

#include "base/hash.h"
#include "base/rng.h"
#include "tests/base/base_testing.h"

static void test_overflow_leaves_the_result_alone(void **state)
{
    (void)state;
    int64_t value = 7;
    assert_false(tess_add_i64(INT64_MAX, 1, &value));
    assert_false(tess_add_i64(INT64_MIN, -1, &value));
    assert_false(tess_mul_i64(INT64_MAX, 2, &value));
    assert_false(tess_mul_i64(INT64_MIN, -1, &value));
    assert_int_equal(value, 7);
    assert_true(tess_add_i64(INT64_MAX, -1, &value));
    assert_true(value == INT64_MAX - 1);
    assert_true(tess_mul_i64(1 << 20, -(1 << 20), &value));
    assert_true(value == -(INT64_C(1) << 40));
}

static void test_rounding_goes_to_the_named_side(void **state)
{
    (void)state;
    assert_int_equal(tess_round_up(0, 16), 0);
    assert_int_equal(tess_round_up(1, 16), 16);
    assert_int_equal(tess_round_up(16, 16), 16);
    assert_int_equal(tess_div_up(0, 3), 0);
    assert_int_equal(tess_div_up(7, 3), 3);
    assert_int_equal(tess_div_up(9, 3), 3);
    assert_int_equal(tess_div_floor(7, 3), 2);
    assert_int_equal(tess_div_floor(-1, 3), -1);
    assert_int_equal(tess_div_floor(-3, 3), -1);
    assert_int_equal(tess_div_floor(-4, 3), -2);
}

static void test_hash_is_fnv_1a(void **state)
{
    (void)state;
    assert_true(tess_hash_bytes(TESS_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(tess_hash_bytes(TESS_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    static const unsigned char minus_two[] = {0xfe, 0xff, 0xff, 0xff,
                                              0xff, 0xff, 0xff, 0xff};
    assert_true(tess_hash_i64(TESS_HASH_START, -2) ==
                tess_hash_bytes(TESS_HASH_START, minus_two, sizeof minus_two));
}

static void test_random_numbers_are_the_published_sequence(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 1234567);
    assert_true(tess_rng_next(&rng) == UINT64_C(6457827717110365317));
    assert_true(tess_rng_next(&rng) == UINT64_C(3203168211198807973));
}

static void test_random_numbers_stay_in_their_range(void **state)
{
    (void)state;
    struct tess_rng rng;
    bool has_low = false, has_high = false;
    tess_rng_init(&rng, 1);
    for (int i = 0; i < 10000; i++) {
        int value = tess_rng_int(&rng, -2, 2);
        float fraction = tess_rng_float(&rng);
        assert_in_range(value + 2, 0, 4);
        assert_true(fraction >= 0 && fraction < 1);
        has_low = has_low || value == -2;
        has_high = has_high || value == 2;
    }
    assert_true(has_low && has_high);
    assert_int_equal(tess_rng_int(&rng, INT32_MAX, INT32_MAX), INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow_leaves_the_result_alone),
        cmocka_unit_test(test_rounding_goes_to_the_named_side),
        cmocka_unit_test(test_hash_is_fnv_1a),
        cmocka_unit_test(test_random_numbers_are_the_published_sequence),
        cmocka_unit_test(test_random_numbers_stay_in_their_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
