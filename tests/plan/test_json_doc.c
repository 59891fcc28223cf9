#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "plan/json_doc.h"

static enum tess_status read_text(struct tess_yaml *doc, const char *text,
                                  struct tess_error *error)
{
    static const struct tess_yaml_limits limits = {32 << 20, 4 << 20};
    tess_error_init(error);
    return tess_json_doc_init(doc, text, strlen(text), "t.json", &limits, error);
}

static void values_of_every_kind_become_nodes_with_places(void **state)
{
    (void)state;
    struct tess_yaml doc;
    struct tess_error error;
    const char *text = "{\"a\": [true, null,\n  -1.5e+3],\n \"\\u00e9\\t\": \"x\\ny\", "
                       "\"\xc3\xa9\xc3\xa9\": {}}";
    assert_int_equal(read_text(&doc, text, &error), TESS_OK);
    const struct tess_yaml_node *list = tess_yaml_find(doc.root, "a");
    const struct tess_yaml_node *quoted = tess_yaml_find(doc.root, "\xc3\xa9\t");
    const struct tess_yaml_node *empty = tess_yaml_find(doc.root, "\xc3\xa9\xc3\xa9");
    assert_int_equal(doc.root->kind, TESS_YAML_MAP);
    assert_int_equal(doc.root->n_children, 3);
    assert_int_equal(list->kind, TESS_YAML_LIST);
    assert_int_equal(list->n_children, 3);
    assert_int_equal(list->col, 7);
    assert_string_equal(list->first->text, "true");
    assert_false(list->first->is_quoted);
    const struct tess_yaml_node *number = list->first->next->next;
    assert_string_equal(number->text, "-1.5e+3");
    assert_int_equal(number->line, 2);
    assert_int_equal(number->col, 3);
    assert_string_equal(quoted->text, "x\ny");
    assert_true(quoted->is_quoted);
    /* Two bytes of a character are one column. */
    assert_int_equal(empty->key_col, 22);
    assert_int_equal(empty->col, 28);
    assert_int_equal(empty->kind, TESS_YAML_MAP);
    tess_yaml_release(&doc);
}

static void characters_beyond_the_basic_plane_are_decoded(void **state)
{
    (void)state;
    struct tess_yaml doc;
    struct tess_error error;
    assert_int_equal(read_text(&doc, "[\"\\ud83d\\ude00\", \"\\u0041\\u20ac\"]", &error),
                     TESS_OK);
    assert_string_equal(doc.root->first->text, "\xf0\x9f\x98\x80");
    assert_string_equal(doc.root->first->next->text, "A\xe2\x82\xac");
    tess_yaml_release(&doc);
}

static void limits_of_bytes_and_of_nodes_hold(void **state)
{
    (void)state;
    const struct tess_yaml_limits limits = {16, 3};
    struct tess_yaml doc;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_json_doc_init(&doc, "[1,2]", 5, "t.json", &limits, &error),
                     TESS_OK);
    tess_yaml_release(&doc);
    assert_int_equal(tess_json_doc_init(&doc, "[1,2,3]", 7, "t.json", &limits, &error),
                     TESS_E_CONFIG);
    assert_int_equal(error.col, 6);
    tess_yaml_release(&doc);
    tess_error_init(&error);
    assert_int_equal(
        tess_json_doc_init(&doc, "[1,2              ]", 19, "t.json", &limits, &error),
        TESS_E_CONFIG);
    assert_string_equal(error.message, "the file is larger than 0 KiB");
    tess_yaml_release(&doc);
}

/* What would take minutes if time grew with the square. */
static void long_lines_and_large_objects_take_no_longer_than_others(void **state)
{
    (void)state;
    enum { N_KEYS = 300000 };
    struct tess_yaml doc;
    struct tess_error error;
    struct tess_text text;
    tess_text_init(&text);
    tess_text_printf(&text, "{");
    for (int i = 0; i < N_KEYS; i++)
        tess_text_printf(&text, "%s\"%d\":[%d]", i ? "," : "", i, i);
    tess_text_printf(&text, "}");
    assert_int_equal(read_text(&doc, tess_text_string(&text), &error), TESS_OK);
    assert_int_equal(doc.root->n_children, N_KEYS);
    tess_yaml_release(&doc);
    text.data[text.len - 1] = ',';
    tess_text_printf(&text, "\"7\":0}");
    assert_int_equal(read_text(&doc, tess_text_string(&text), &error), TESS_E_CONFIG);
    assert_string_equal(error.message, "\"7\" is given twice, first in line 1");
    tess_yaml_release(&doc);
    tess_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind_become_nodes_with_places),
        cmocka_unit_test(characters_beyond_the_basic_plane_are_decoded),
        cmocka_unit_test(limits_of_bytes_and_of_nodes_hold),
        cmocka_unit_test(long_lines_and_large_objects_take_no_longer_than_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
