#include "transport/work.h"

#include "tests/support/fake_tiles.h"
#include "tests/transport/transport_testing.h"

static void expect(const struct fake_work *fake, const char *message)
{
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_work_check(&fake->work, &error), TESS_E_CONFIG);
    assert_string_equal(error.message, message);
}

static void test_random_cuts_pass(void **state)
{
    (void)state;
    struct fake_work fake;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        fake_work_init(&fake, seed, 1000);
        assert_int_equal(tess_work_check(&fake.work, NULL), TESS_OK);
    }
    fake_work_init_even(&fake, 1000);
    assert_int_equal(tess_work_check(&fake.work, NULL), TESS_OK);
}

static void test_tensors_live_from_their_writer_to_their_last_reader(void **state)
{
    (void)state;
    struct fake_work fake;
    const int writers[FAKE_TENSORS] = {-1, 0, 1, 1, 2, 3};
    const int readers[FAKE_TENSORS] = {0, 1, 2, 3, 3, -1};
    fake_work_init(&fake, 1, 1000);
    for (int i = 0; i < FAKE_TENSORS; i++) {
        assert_int_equal(tess_work_writer(&fake.work, i), writers[i]);
        assert_int_equal(tess_work_last_reader(&fake.work, i), readers[i]);
    }
}

static void test_tiles_are_found_by_stage_and_number(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    assert_ptr_equal(tess_work_tile(&fake.work, 1, 2), &fake.tiles[18]);
    assert_null(tess_work_tile(&fake.work, 1, 8));
    assert_null(tess_work_tile(&fake.work, 1, -1));
    assert_null(tess_work_tile(&fake.work, 4, 0));
    assert_null(tess_work_tile(&fake.work, -1, 0));
    assert_true(tess_work_largest_payload(&fake.work) > 0);
}

static void test_mistakes_are_named(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    fake.tiles[3].outputs.at[0].rows.end++;
    expect(&fake, "tile 5 of stage 0 writes what another does");
    fake_work_init_even(&fake, 1000);
    fake.tiles[15].outputs.at[0].channels.end--;
    expect(&fake, "stage 0 writes 3528 of the 3584 bytes of tensor 1");
    fake_work_init_even(&fake, 1000);
    fake.tiles[0].inputs.at[0].cols.end = 29;
    expect(&fake, "part 0 of tile 0 of stage 0 is not inside tensor 0");
    fake_work_init_even(&fake, 1000);
    fake.tiles[0].inputs.at[0] = fake.tiles[16].inputs.at[0];
    expect(&fake, "stage 0 reads tensor 1, which stage 0 writes");
    fake_work_init_even(&fake, 1000);
    fake.tiles[16].cost = 0;
    expect(&fake, "tile 0 of stage 1 has cost 0");
    fake_work_init_even(&fake, 1000);
    fake.stages[1].first_tile++;
    expect(&fake, "stage 1 has tiles [17, 25), expected from 16 on");
    fake_work_init_even(&fake, 1000);
    fake.work.n_tiles++;
    expect(&fake, "the stages have 44 tiles, the work 45");
    fake_work_init_even(&fake, 1000);
    fake.tiles[0].outputs.n = 0;
    expect(&fake, "tile 0 of stage 0 has 0 parts");
    fake_work_init_even(&fake, 1000);
    fake.work.n_stages = 0;
    expect(&fake, "the work has 6 tensors and 0 stages");
}

/* The parts that come first, and the rest, are the outputs; no other node's tile reads a rest. */
static void test_rests_are_what_no_other_node_reads(void **state)
{
    (void)state;
    struct fake_work fake;
    int n_rests = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        fake_work_init(&fake, seed, 1000);
        fake_work_plan(&fake, 1 + (int)(seed % 5));
        assert_int_equal(tess_work_check(&fake.work, NULL), TESS_OK);
        for (int t = 0; t < fake.work.n_tiles; t++) {
            const struct tess_work_tile *tile = &fake.tiles[t];
            struct tess_parts early = tess_work_early(tile);
            n_rests += tile->rest.n > 0;
            assert_false(tess_parts_meet(&early, &tile->rest));
            assert_int_equal(tess_parts_bytes(&early) + tess_parts_bytes(&tile->rest),
                             tess_parts_bytes(&tile->outputs));
            for (int r = 0; r < fake.work.n_tiles; r++)
                if (fake.tiles[r].planned != tile->planned)
                    assert_false(tess_parts_meet(&fake.tiles[r].inputs, &tile->rest));
        }
    }
    print_message("%d rests\n", n_rests);
    assert_true(n_rests > 100);
}

static void test_a_rest_of_something_else_is_named(void **state)
{
    (void)state;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    fake.tiles[2].rest = fake.tiles[3].outputs;
    expect(&fake, "the rest of tile 2 of stage 0 is none of it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_cuts_pass),
        cmocka_unit_test(test_tensors_live_from_their_writer_to_their_last_reader),
        cmocka_unit_test(test_tiles_are_found_by_stage_and_number),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_rests_are_what_no_other_node_reads),
        cmocka_unit_test(test_a_rest_of_something_else_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
