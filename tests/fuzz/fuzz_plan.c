/* Any bytes as a plan, as a device profile and as kernel facts: an error with a place, or
 * a value whose canonical text reads back to itself. */
#include <assert.h>
#include <string.h>

#include "plan/plan_text.h"
#include "plan/profile.h"
#include "plan/verify_split.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/fuzz_yaml.h"
#include "tests/plan/sample_graph.h"

static void try_plan(const char *text, size_t n_bytes, const struct tess_graph *graph)
{
    struct tess_plan *plan = NULL, *again = NULL;
    struct tess_text first = {0}, second = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_plan_read(text, n_bytes, "fuzz.yaml", graph, &plan, &error);
    check_error(&error, status);
    assert((status == TESS_OK) == (plan != NULL));
    if (!plan)
        return;
    assert(tess_plan_check(plan, graph, NULL) == TESS_OK);
    tess_plan_write(plan, graph, &first);
    status = tess_plan_read(first.data, first.len, "fuzz.yaml", graph, &again, &error);
    assert(status == TESS_OK && tess_plan_hash(plan) == tess_plan_hash(again));
    tess_plan_write(again, graph, &second);
    assert(strcmp(first.data, second.data) == 0);
    tess_plan_destroy(plan);
    tess_plan_destroy(again);
    tess_text_release(&first);
    tess_text_release(&second);
}

/* The plan for the network as it is, and split as the text wants to have it. */
static void try_split(const char *text, size_t n_bytes, const struct tess_graph *graph)
{
    struct tess_graph *split = NULL;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_plan_read_split(text, n_bytes, "fuzz.yaml", graph, &split, &error);
    check_error(&error, status);
    if (split) {
        assert(tess_verify_split(graph, split, NULL) == TESS_OK);
        try_plan(text, n_bytes, split);
    }
    tess_graph_destroy(split);
}

static void try_profile(const char *text, size_t n_bytes)
{
    struct tess_profile profile;
    struct tess_text first = {0}, second = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_profile_read(text, n_bytes, "fuzz.yaml", &profile, &error);
    check_error(&error, status);
    if (status != TESS_OK)
        return;
    tess_profile_write(&profile, &first);
    status = tess_profile_read(first.data, first.len, "fuzz.yaml", &profile, &error);
    assert(status == TESS_OK);
    tess_profile_write(&profile, &second);
    assert(strcmp(first.data, second.data) == 0);
    tess_text_release(&first);
    tess_text_release(&second);
}

static void try_facts(const char *text, size_t n_bytes)
{
    struct tess_kernel_facts facts, again;
    struct tess_text written = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_facts_read(text, n_bytes, "fuzz.yaml", &facts, &error);
    check_error(&error, status);
    if (status != TESS_OK)
        return;
    tess_facts_write(&facts, &written);
    status = tess_facts_read(written.data, written.len, "fuzz.yaml", &again, &error);
    assert(status == TESS_OK);
    tess_text_release(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct tess_graph *graph = sample_graph();
    struct tess_error error;
    int first = 0, last = 0;
    tess_error_init(&error);
    check_error(&error,
                tess_plan_read_layers(text, size, "fuzz.yaml", &first, &last, &error));
    try_plan(text, size, graph);
    try_split(text, size, graph);
    try_profile(text, size);
    try_facts(text, size);
    tess_graph_destroy(graph);
    return 0;
}
