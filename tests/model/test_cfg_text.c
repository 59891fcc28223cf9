#include "model/cfg_text.h"

#include "tests/model/model_testing.h"

static struct tess_error parse(struct tess_cfg *cfg, const char *text, size_t n_bytes)
{
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_cfg_init(cfg, text, n_bytes, "x.cfg", &error);
    assert_int_equal(status, error.status);
    return error;
}

static void test_blanks_inside_a_line_vanish(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    const char text[] = "[ net ]\n  fil ters =\t3 2 \n";
    assert_int_equal(parse(&cfg, text, sizeof text - 1).status, TESS_OK);
    assert_int_equal(cfg.n_sections, 1);
    assert_string_equal(cfg.sections[0].name, "net");
    assert_int_equal(cfg.sections[0].n_options, 1);
    assert_string_equal(cfg.sections[0].options[0].key, "filters");
    assert_string_equal(cfg.sections[0].options[0].value, "32");
    tess_cfg_release(&cfg);
}

static void test_places_count_lines_and_columns_from_one(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    const char text[] = "# first\r\n [a]\r\n  key = 1 , 2,3\r\n";
    assert_int_equal(parse(&cfg, text, sizeof text - 1).status, TESS_OK);
    const struct tess_cfg_section *section = &cfg.sections[0];
    assert_int_equal(section->line, 2);
    assert_int_equal(section->col, 2);
    const struct tess_cfg_option *option = tess_cfg_find(section, "key");
    assert_non_null(option);
    assert_int_equal(option->line, 3);
    assert_int_equal(option->key_col, 3);
    assert_int_equal(option->value_col, 9);
    assert_string_equal(option->value, "1,2,3");
    assert_int_equal(tess_cfg_value_col(option, 0), 9);
    assert_int_equal(tess_cfg_value_col(option, 2), 13);
    assert_int_equal(tess_cfg_value_col(option, 4), 15);
    assert_int_equal(tess_cfg_value_col(option, 99), 15);
    tess_cfg_release(&cfg);
}

static void test_comments_end_a_line(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    const char text[] = "; nothing\n[a] # section\nb=1;x\nc=2#y\n  # z=3\n";
    assert_int_equal(parse(&cfg, text, sizeof text - 1).status, TESS_OK);
    assert_int_equal(cfg.sections[0].n_options, 2);
    assert_string_equal(tess_cfg_find(&cfg.sections[0], "b")->value, "1");
    assert_string_equal(tess_cfg_find(&cfg.sections[0], "c")->value, "2");
    assert_null(tess_cfg_find(&cfg.sections[0], "z"));
    tess_cfg_release(&cfg);
}

static void test_first_of_two_equal_keys_counts(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    const char text[] = "[a]\nb=1\nb=2";
    assert_int_equal(parse(&cfg, text, sizeof text - 1).status, TESS_OK);
    assert_string_equal(tess_cfg_find(&cfg.sections[0], "b")->value, "1");
    tess_cfg_release(&cfg);
}

static void test_options_stay_with_their_sections(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    const char text[] = "[a]\nx=1\n[b]\n[c]\ny=2\nz=3\n";
    assert_int_equal(parse(&cfg, text, sizeof text - 1).status, TESS_OK);
    assert_int_equal(cfg.n_sections, 3);
    assert_int_equal(cfg.sections[0].n_options, 1);
    assert_int_equal(cfg.sections[1].n_options, 0);
    assert_int_equal(cfg.sections[2].n_options, 2);
    assert_string_equal(cfg.sections[2].options[1].key, "z");
    tess_cfg_release(&cfg);
}

static void test_empty_text_has_no_section(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    assert_int_equal(parse(&cfg, "", 0).status, TESS_OK);
    assert_int_equal(cfg.n_sections, 0);
    tess_cfg_release(&cfg);
    tess_cfg_release(&cfg);
    tess_cfg_release(NULL);
}

/* A text of `n_repeats` times `piece` after "[a]\n"; the caller frees. */
static char *repeated(const char *piece, int n_repeats, size_t *n_bytes_out)
{
    struct tess_text text = {0};
    tess_text_printf(&text, "[a]\n");
    for (int i = 0; i < n_repeats; i++)
        tess_text_append(&text, piece, strlen(piece));
    assert_false(text.is_broken);
    *n_bytes_out = text.len;
    return text.data;
}

static void check_limit(const char *piece, int n_fitting, int line, const char *message)
{
    struct tess_cfg cfg;
    size_t n_bytes;
    char *text = repeated(piece, n_fitting, &n_bytes);
    assert_int_equal(parse(&cfg, text, n_bytes).status, TESS_OK);
    tess_cfg_release(&cfg);
    free(text);
    text = repeated(piece, n_fitting + 1, &n_bytes);
    struct tess_error error = parse(&cfg, text, n_bytes);
    assert_int_equal(error.status, TESS_E_MODEL);
    assert_string_equal(error.message, message);
    assert_int_equal(error.line, line);
    tess_cfg_release(&cfg);
    free(text);
}

static void test_sections_options_and_lines_have_limits(void **state)
{
    (void)state;
    check_limit("[b]\n", 4096, 4098, "more than 4096 layers");
    check_limit("k=1\n", 128, 130, "more than 128 options in one section");
    check_limit("#", 16384, 2, "line is longer than 16384 bytes");
}

static void test_text_longer_than_a_cfg_is_refused(void **state)
{
    (void)state;
    struct tess_cfg cfg;
    struct tess_error error = parse(&cfg, "", (size_t)TESS_CFG_LIMIT_BYTES + 1);
    assert_int_equal(error.status, TESS_E_MODEL);
    tess_cfg_release(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blanks_inside_a_line_vanish),
        cmocka_unit_test(test_places_count_lines_and_columns_from_one),
        cmocka_unit_test(test_comments_end_a_line),
        cmocka_unit_test(test_first_of_two_equal_keys_counts),
        cmocka_unit_test(test_options_stay_with_their_sections),
        cmocka_unit_test(test_empty_text_has_no_section),
        cmocka_unit_test(test_sections_options_and_lines_have_limits),
        cmocka_unit_test(test_text_longer_than_a_cfg_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
