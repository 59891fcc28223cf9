#include "transport/tile_thread.h"

#include <poll.h>
#include <unistd.h>

#include "tests/support/fake_tiles.h"
#include "tests/transport/transport_testing.h"

static enum tess_status run_fake(void *self, int stage, int tile, const void *input,
                                 void *output, struct tess_error *error)
{
    const struct fake_work *fake = self;
    if (stage == FAKE_STAGES)
        return tess_error_nomem(error);
    usleep(1000);
    fake_run(&fake->work, stage, tile, input, output);
    return TESS_OK;
}

static void wait_for_result(struct tess_tile_thread *thread)
{
    struct pollfd item = {.fd = tess_tile_thread_fd(thread), .events = POLLIN};
    assert_int_equal(poll(&item, 1, 10000), 1);
}

static void test_tiles_are_what_the_runner_makes_of_them(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    const struct tess_tile_runner runner = {.run = run_fake, .self = &fake};
    struct tess_tile_thread *thread = NULL;
    struct tess_tile_done done;
    unsigned char input[4096], output[4096], expected[4096];
    assert_int_equal(tess_tile_thread_create(&runner, &thread, NULL), TESS_OK);
    assert_false(tess_tile_thread_take(thread, &done));
    for (int tile = 0; tile < 16; tile++) {
        memset(input, tile, sizeof input);
        fake_run(&fake.work, 0, tile, input, expected);
        tess_tile_thread_start(thread, 0, tile, input, output);
        assert_true(tess_tile_thread_is_busy(thread));
        wait_for_result(thread);
        assert_true(tess_tile_thread_take(thread, &done));
        assert_false(tess_tile_thread_is_busy(thread));
        assert_false(tess_tile_thread_take(thread, &done));
        assert_int_equal(done.status, TESS_OK);
        assert_true(done.compute_us >= 1000);
        assert_memory_equal(
            output, expected,
            (size_t)tess_parts_bytes(&tess_work_tile(&fake.work, 0, tile)->outputs));
    }
    tess_tile_thread_destroy(thread);
}

static void test_failure_of_the_runner_is_told(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    const struct tess_tile_runner runner = {.run = run_fake, .self = &fake};
    struct tess_tile_thread *thread = NULL;
    struct tess_tile_done done;
    assert_int_equal(tess_tile_thread_create(&runner, &thread, NULL), TESS_OK);
    tess_tile_thread_start(thread, FAKE_STAGES, 0, NULL, NULL);
    wait_for_result(thread);
    assert_true(tess_tile_thread_take(thread, &done));
    assert_int_equal(done.status, TESS_E_NOMEM);
    assert_int_equal(done.error.status, TESS_E_NOMEM);
    tess_tile_thread_destroy(thread);
}

struct sum {
    int n;
    int total;
};

static enum tess_status add_up(void *context, struct tess_error *error)
{
    struct sum *sum = context;
    for (int i = 1; i <= sum->n; i++)
        sum->total += i;
    return sum->n ? TESS_OK : tess_error_set(error, TESS_E_CONFIG, "nothing to add up");
}

static void test_other_work_is_done_between_tiles(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    const struct tess_tile_runner runner = {.run = run_fake, .self = &fake};
    struct tess_tile_thread *thread = NULL;
    struct tess_tile_done done;
    unsigned char input[4096] = {0}, output[4096];
    assert_int_equal(tess_tile_thread_create(&runner, &thread, NULL), TESS_OK);
    for (int n = 0; n < 20; n++) {
        struct sum sum = {n, 0};
        tess_tile_thread_call(thread, add_up, &sum);
        assert_true(tess_tile_thread_is_busy(thread));
        wait_for_result(thread);
        assert_true(tess_tile_thread_take(thread, &done));
        assert_false(tess_tile_thread_is_busy(thread));
        assert_int_equal(sum.total, n * (n + 1) / 2);
        assert_int_equal(done.status, n ? TESS_OK : TESS_E_CONFIG);
        assert_string_equal(done.error.message, n ? "" : "nothing to add up");
        tess_tile_thread_start(thread, 0, n % 16, input, output);
        wait_for_result(thread);
        assert_true(tess_tile_thread_take(thread, &done));
        assert_int_equal(done.status, TESS_OK);
        assert_int_equal(sum.total, n * (n + 1) / 2);
    }
    tess_tile_thread_destroy(thread);
}

static void test_busy_thread_can_be_finished_and_destroyed(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    const struct tess_tile_runner runner = {.run = run_fake, .self = &fake};
    unsigned char input[4096] = {0}, output[4096];
    for (int round = 0; round < 10; round++) {
        struct tess_tile_thread *thread = NULL;
        assert_int_equal(tess_tile_thread_create(&runner, &thread, NULL), TESS_OK);
        tess_tile_thread_start(thread, 0, 0, input, output);
        if (round % 2) {
            tess_tile_thread_finish(thread);
            assert_false(tess_tile_thread_is_busy(thread));
        }
        tess_tile_thread_destroy(thread);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_are_what_the_runner_makes_of_them),
        cmocka_unit_test(test_failure_of_the_runner_is_told),
        cmocka_unit_test(test_other_work_is_done_between_tiles),
        cmocka_unit_test(test_busy_thread_can_be_finished_and_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
