#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "plan/plan_text.h"
#include "plan/plan_text_priv.h"
#include "plan/yaml_write.h"

/* What a file may say, so that sums over a whole network stay far below 2^63 and nothing
 * is divided by zero. Fields that are missing here take up to a terabyte. */
static const struct fact_range {
    const char *name;
    int64_t low, high;
} ranges[] = {
    {"align_bytes", 1, 1 << 16},
    {"tail_bytes", 0, 1 << 20},
    {"filter_block", 0, 1 << 12},
    {"channel_block", 0, 1 << 12},
    {"pixel_block", 0, 1 << 12},
    {"filter_slice", 0, 1 << 20},
    {"call_pixels", 0, INT64_C(1) << 32},
    {"depthwise_block", 0, 1 << 12},
    {"depthwise_taps", 0, INT64_MAX},
    {"pack_tail_bytes", 0, 1 << 20},
    {"pointer_bytes", 0, 64},
    {"slice_overhead_bytes", 0, 1 << 20},
    {"kernel_overhead_bytes", 0, 1 << 24},
    {"has_odd_pixel", 0, 1},
    {"has_packed_weights", 0, 1},
};
static const struct fact_range any_bytes = {"", 0, INT64_C(1) << 40};

static const struct fact_range *range_of(const char *name)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (strcmp(ranges[i].name, name) == 0)
            return &ranges[i];
    return &any_bytes;
}

void tess_facts_write(const struct tess_kernel_facts *facts, struct tess_text *text_out)
{
    assert(facts->family[0]);
    struct tess_kernel_facts copy =
        *facts; /* the table of fields is made to be written to */
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    tess_facts_fields(&copy, fields);
    tess_text_printf(text_out, "kernel_facts:\n  family: ");
    tess_yaml_write_name(text_out, facts->family);
    tess_text_printf(text_out, "\n");
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        assert(*fields[i].value >= 0);
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        tess_text_printf(text_out, "  %s: %lld\n", fields[i].name,
                         (long long)*fields[i].value);
}

/* Families without pointer tables do everything in plain loops and have no blocks. */
static enum tess_status check_blocks(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *map,
                                     const struct tess_kernel_facts *facts,
                                     struct tess_error *error)
{
    static const char *const blocks[] = {"filter_block", "channel_block", "pixel_block",
                                         "depthwise_block"};
    const struct tess_yaml_node *align = tess_yaml_find(map, "align_bytes");
    if (facts->align_bytes & (facts->align_bytes - 1))
        return tess_yaml_error(yaml, align, error,
                               "align_bytes must be a power of two, not %s",
                               tess_yaml_quote(align).text);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks && facts->pointer_bytes > 0;
         i++) {
        const struct tess_yaml_node *block = tess_yaml_find(map, blocks[i]);
        int64_t value;
        enum tess_status status = tess_yaml_int(yaml, block, 1, 1 << 12, &value, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

enum tess_status tess_facts_read_map(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *map,
                                     struct tess_kernel_facts *facts_out,
                                     struct tess_error *error)
{
    struct tess_kernel_facts facts = {0};
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    const char *known[TESS_FACTS_N_FIELDS + 2] = {"family"};
    tess_facts_fields(&facts, fields);
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        known[i + 1] = fields[i].name;
    enum tess_status status = tess_yaml_expect_keys(yaml, map, known, error);
    for (int i = 0; i <= TESS_FACTS_N_FIELDS && status == TESS_OK; i++) {
        const struct tess_yaml_node *node = tess_yaml_find(map, known[i]);
        if (!node) {
            tess_yaml_error(yaml, map, error, "kernel_facts lacks \"%s\"", known[i]);
            tess_error_hint(error,
                            "facts are never written by hand: leave kernel_facts out");
            return TESS_E_CONFIG;
        }
        if (i == 0) {
            status = tess_yaml_name(yaml, node, facts.family, sizeof facts.family, error);
            continue;
        }
        const struct fact_range *range = range_of(known[i]);
        status = tess_yaml_int(yaml, node, range->low, range->high, fields[i - 1].value,
                               error);
    }
    if (status == TESS_OK)
        status = check_blocks(yaml, map, &facts, error);
    if (status == TESS_OK)
        *facts_out = facts;
    return status;
}

enum tess_status tess_facts_read(const char *text, size_t n_bytes, const char *file_name,
                                 struct tess_kernel_facts *facts_out,
                                 struct tess_error *error)
{
    static const char *const known[] = {"kernel_facts", NULL};
    struct tess_yaml yaml;
    enum tess_status status = tess_yaml_init(&yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(&yaml, yaml.root, known, error);
    if (status == TESS_OK) {
        const struct tess_yaml_node *map = tess_yaml_find(yaml.root, known[0]);
        status =
            map ? tess_facts_read_map(&yaml, map, facts_out, error)
                : tess_yaml_error(&yaml, yaml.root, error, "there are no kernel_facts");
    }
    tess_yaml_release(&yaml);
    return status;
}
