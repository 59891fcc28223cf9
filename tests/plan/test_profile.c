#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "plan/profile.h"
#include "tests/plan/sample_graph.h"

static enum tess_status read_text(const char *text, struct tess_profile *profile_out,
                                  struct tess_error *error)
{
    tess_error_init(error);
    return tess_profile_read(text, strlen(text), "cpu.yaml", profile_out, error);
}

static void assert_refused(const char *text, int line, int col, const char *message)
{
    struct tess_profile profile = {.n_threads = 77};
    struct tess_error error;
    assert_int_equal(read_text(text, &profile, &error), TESS_E_CONFIG);
    assert_int_equal(profile.n_threads, 77);
    assert_string_equal(error.message, message);
    assert_int_equal(error.line, line);
    assert_int_equal(error.col, col);
}

static void defaults_are_written_canonically(void **state)
{
    (void)state;
    struct tess_profile profile;
    struct tess_text text;
    tess_text_init(&text);
    tess_profile_init(&profile);
    tess_profile_write(&profile, &text);
    assert_string_equal(tess_text_string(&text), "# tessera profile 1\n"
                                                 "profile: 1\n"
                                                 "device: default\n"
                                                 "family: xnn\n"
                                                 "threads: 1\n"
                                                 "macs_per_us:\n"
                                                 "  conv_few: 2000\n"
                                                 "  conv_narrow: 4000\n"
                                                 "  conv_wide: 5000\n"
                                                 "  conv_point: 4500\n"
                                                 "  depthwise: 1000\n"
                                                 "  connected: 500\n"
                                                 "bytes_per_us: 2000\n"
                                                 "cache_bytes: 524288\n"
                                                 "stream_bytes_per_us: 1500\n"
                                                 "pack_bytes_per_us: 300\n"
                                                 "slice_us: 20\n"
                                                 "call_us: 5\n"
                                                 "row_us: 0.5\n");
    tess_text_release(&text);
}

static void absent_fields_keep_the_defaults(void **state)
{
    (void)state;
    struct tess_profile profile, defaults;
    struct tess_error error;
    tess_profile_init(&defaults);
    assert_int_equal(
        read_text("profile: 1\nmacs_per_us: {conv_wide: 9.5e3}\n", &profile, &error),
        TESS_OK);
    assert_true(profile.macs_per_us[TESS_SPEED_CONV_WIDE] == 9500);
    defaults.macs_per_us[TESS_SPEED_CONV_WIDE] = 9500;
    assert_memory_equal(&profile, &defaults, sizeof profile);
}

static void the_example_holds_the_defaults(void **state)
{
    (void)state;
    struct tess_profile profile, defaults;
    struct tess_text text;
    struct tess_error error;
    tess_text_init(&text);
    tess_profile_init(&defaults);
    assert_int_equal(
        tess_file_read("configs/profiles/x86-avx512.yaml", 1 << 20, &text, NULL),
        TESS_OK);
    assert_int_equal(read_text(tess_text_string(&text), &profile, &error), TESS_OK);
    strcpy(defaults.device, profile.device);
    assert_memory_equal(&profile, &defaults, sizeof profile);
    tess_text_release(&text);
}

static void a_disk_that_was_not_measured_is_not_written(void **state)
{
    (void)state;
    struct tess_profile profile;
    struct tess_text text;
    struct tess_error error;
    tess_text_init(&text);
    tess_profile_init(&profile);
    assert_true(profile.disk_bytes_per_us == 0);
    profile.disk_bytes_per_us = 90;
    tess_profile_write(&profile, &text);
    assert_non_null(strstr(tess_text_string(&text), "\ndisk_bytes_per_us: 90\n"));
    profile.disk_bytes_per_us = 0;
    assert_int_equal(read_text(tess_text_string(&text), &profile, &error), TESS_OK);
    assert_true(profile.disk_bytes_per_us == 90);
    tess_text_release(&text);
}

static double random_number(struct tess_rng *rng)
{
    double scale = 1;
    for (int i = tess_rng_int(rng, 0, 12); i > 0; i--)
        scale *= 10;
    return 1e-5 + (double)tess_rng_float(rng) * 1e-5 * scale;
}

static void random_profiles_written_twice_are_the_same_bytes(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        struct tess_profile profile, again;
        struct tess_text text, text_again;
        struct tess_error error;
        tess_text_init(&text);
        tess_text_init(&text_again);
        tess_profile_init(&profile);
        for (int i = 0; i < TESS_SPEED_N_CLASSES; i++)
            profile.macs_per_us[i] = random_number(&rng);
        profile.bytes_per_us = random_number(&rng);
        profile.cache_bytes = random_number(&rng);
        profile.stream_bytes_per_us = random_number(&rng);
        profile.pack_bytes_per_us = random_number(&rng);
        profile.disk_bytes_per_us = round % 2 ? random_number(&rng) : 0;
        profile.slice_us = random_number(&rng);
        profile.call_us = random_number(&rng);
        tess_profile_write(&profile, &text);
        assert_int_equal(read_text(tess_text_string(&text), &again, &error), TESS_OK);
        tess_profile_write(&again, &text_again);
        assert_string_equal(tess_text_string(&text), tess_text_string(&text_again));
        tess_text_release(&text);
        tess_text_release(&text_again);
    }
}

static void mistakes_are_named_where_they_are(void **state)
{
    (void)state;
    assert_refused("", 1, 1, "the file is empty");
    assert_refused("device: x\n", 1, 1,
                   "this is no device profile: the line \"profile: 1\" is missing");
    assert_refused("profile: 2\n", 1, 10,
                   "this program reads profiles of version 1, not of version \"2\"");
    assert_refused("profile: 1\nmacs_per_us: {conv_wide: 0}\n", 2, 26,
                   "conv_wide must be a number from 1e-06 to 1e+08, not \"0\"");
    assert_refused("profile: 1\ncall_us: nan\n", 2, 10,
                   "call_us must be a number from 0 to 1e+06, not \"nan\"");
    assert_refused("profile: 1\ndevice: \"a\\nb\"\n", 2, 9,
                   "device must be a name of 1 to 63 printable characters, not \"a?b\"");
    assert_refused("profile: 1\nthreads: 0\n", 2, 10,
                   "threads must be a whole number from 1 to 1024, not \"0\"");
    assert_refused("profile: 1\nmacs_per_us: [1]\n", 2, 14,
                   "macs_per_us must be a mapping, not a list");
}

static void misspelt_fields_get_a_suggestion(void **state)
{
    (void)state;
    struct tess_profile profile;
    struct tess_error error;
    assert_int_equal(
        read_text("profile: 1\nmacs_per_us:\n  conv_wiede: 5\n", &profile, &error),
        TESS_E_CONFIG);
    assert_string_equal(error.message, "unknown key \"conv_wiede\"");
    assert_string_equal(error.hint, "did you mean \"conv_wide\"?");
    assert_int_equal(error.line, 3);
    assert_int_equal(error.col, 3);
}

static enum tess_speed_class class_of(int channels, int kernel, int groups)
{
    struct tess_graph *graph = sample_begin("one", 1, 8, channels);
    sample_layer(graph, TESS_OP_CONV, channels, TESS_GRAPH_INPUT);
    graph->ops[0].window.kernel_h = graph->ops[0].window.kernel_w = kernel;
    graph->ops[0].groups = groups;
    enum tess_speed_class found = tess_speed_class_of(graph, 0);
    tess_graph_destroy(graph);
    return found;
}

static void ops_are_classed_by_kernel_and_channels(void **state)
{
    (void)state;
    assert_int_equal(class_of(3, 3, 1), TESS_SPEED_CONV_FEW);
    assert_int_equal(class_of(4, 1, 1), TESS_SPEED_CONV_FEW);
    assert_int_equal(class_of(5, 1, 1), TESS_SPEED_CONV_POINT);
    assert_int_equal(class_of(63, 3, 1), TESS_SPEED_CONV_NARROW);
    assert_int_equal(class_of(64, 3, 1), TESS_SPEED_CONV_WIDE);
    assert_int_equal(class_of(128, 3, 8), TESS_SPEED_CONV_NARROW);
    assert_int_equal(class_of(64, 3, 64), TESS_SPEED_DEPTHWISE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_written_canonically),
        cmocka_unit_test(a_disk_that_was_not_measured_is_not_written),
        cmocka_unit_test(absent_fields_keep_the_defaults),
        cmocka_unit_test(the_example_holds_the_defaults),
        cmocka_unit_test(random_profiles_written_twice_are_the_same_bytes),
        cmocka_unit_test(mistakes_are_named_where_they_are),
        cmocka_unit_test(misspelt_fields_get_a_suggestion),
        cmocka_unit_test(ops_are_classed_by_kernel_and_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
