/* Every allocation of model/ fails once: the result is TESS_E_NOMEM, nothing leaks (dev
 * preset) and nothing half-made comes out. */
#include "tests/model/failing_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "model/darknet_priv.h"
#include "model/synth.h"
#include "model/weights.h"

#undef strdup
#undef strndup
#define malloc failing_malloc
#define calloc failing_calloc
#define realloc failing_realloc
#define strdup failing_strdup
#define strndup failing_strndup

#include "model/cfg_text.c"
#include "model/darknet.c"
#include "model/graph.c"
#include "model/graph_cut.c"

/* This one has static functions of the same names as another. */
#define make_room builder_make_room
#include "model/graph_build.c"

#include "base/paged_file.c"
#include "model/synth.c"

/* And these would clash with synth's constants. */
#define FLOAT_BYTES WEIGHTS_FLOAT_BYTES
#include "model/weights.c"

#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef strndup

#define CFG                                                                              \
    TESTING_NET                                                                          \
    "[conv]\nfilters=14\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"           \
    "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n[route]\nlayers=-1,0,-1\n"                \
    "[shortcut]\nfrom=0,-1\n[conv]\nfilters=14\n"                                        \
    "[yolo]\nclasses=2\nnum=2\nanchors=1,2,3,4\n"

static enum tess_status parse_and_drop(void)
{
    struct tess_graph *graph = NULL;
    enum tess_status status =
        tess_darknet_parse(CFG, sizeof CFG - 1, "x.cfg", &graph, NULL, NULL);
    assert_int_equal(status == TESS_OK, graph != NULL);
    tess_graph_destroy(graph);
    return status;
}

static void test_parsing_survives_each_failed_allocation(void **state)
{
    (void)state;
    assert_true(fail_each(parse_and_drop) > 1);
}

static struct tess_graph *whole;

static enum tess_status cut_and_drop(void)
{
    struct tess_graph *part = NULL;
    enum tess_status status = tess_graph_cut(whole, 1, 3, &part, NULL);
    assert_int_equal(status == TESS_OK, part != NULL);
    tess_graph_destroy(part);
    return status;
}

static void test_cutting_survives_each_failed_allocation(void **state)
{
    (void)state;
    whole = testing_graph(CFG);
    assert_true(fail_each(cut_and_drop) > 1);
    tess_graph_destroy(whole);
}

static char temporary[] = "/tmp/tessera-test-XXXXXX";

static enum tess_status write_and_open(void)
{
    struct tess_weights *weights = NULL;
    enum tess_status status = tess_synth_write(whole, 1, temporary, NULL);
    if (status == TESS_OK)
        status = tess_weights_open(whole, temporary, &weights, NULL);
    assert_int_equal(status == TESS_OK, weights != NULL);
    tess_weights_destroy(weights);
    return status;
}

static void test_weights_survive_each_failed_allocation(void **state)
{
    (void)state;
    int fd = mkstemp(temporary);
    assert_true(fd >= 0 && close(fd) == 0);
    whole = testing_graph(CFG);
    assert_true(fail_each(write_and_open) > 1);
    tess_graph_destroy(whole);
    unlink(temporary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parsing_survives_each_failed_allocation),
        cmocka_unit_test(test_cutting_survives_each_failed_allocation),
        cmocka_unit_test(test_weights_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
