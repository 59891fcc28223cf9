/* What a timeline answers against what it then becomes; what it becomes against the evaluator. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arith.h"
#include "remat/timeline.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

static const int64_t unit_costs[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void assert_measured(const struct tess_timeline *timeline, uint64_t seed)
{
    struct tess_remat_value value;
    int64_t bytes[200];
    double excess = 0;
    assert_int_equal(
        tess_remat_measure(timeline->problem, &timeline->sequence, &value, bytes, NULL),
        TESS_OK);
    for (int at = 0; at < timeline->sequence.n; at++)
        excess += (double)tess_max_i64(0, bytes[at] - timeline->problem->budget_bytes);
    if (timeline->peak_bytes != value.peak_bytes || timeline->cost != value.cost ||
        timeline->excess != excess)
        fail_msg("seed %" PRIu64 ": peak %" PRId64 ", measured %" PRId64
                 ", excess %g and %g",
                 seed, timeline->peak_bytes, value.peak_bytes, timeline->excess, excess);
}

/* One change by chance: what was answered, or -1 if there was nothing to change. */
static double change(struct tess_timeline *timeline, struct tess_rng *rng, int *kind)
{
    int n = timeline->sequence.n, at = tess_rng_int(rng, 0, n - 1);
    int task = timeline->sequence.tasks[at];
    double excess = -1;
    *kind = tess_rng_int(rng, 0, 2);
    if (*kind == 0 && timeline->may_repeat[task]) {
        int to = tess_rng_int(rng, at + 1, n);
        excess = tess_timeline_ask_insert(timeline, task, to);
        assert_int_equal(tess_timeline_insert(timeline, task, to, NULL), TESS_OK);
    } else if (*kind == 1 && timeline->n_runs[task] > 1) {
        for (int k = 0; k < at; k++)
            if (timeline->sequence.tasks[k] == task) {
                excess = tess_timeline_ask_erase(timeline, at);
                assert_int_equal(tess_timeline_erase(timeline, at, NULL), TESS_OK);
                break;
            }
    } else if (*kind == 2) {
        int from = tess_timeline_first_chance(timeline, at);
        int to = tess_timeline_first_need(timeline, at);
        assert_true(from <= at && at <= to && to <= n);
        to = tess_rng_int(rng, from, to);
        if (to == at || to == at + 1)
            return -1;
        excess = tess_timeline_ask_move(timeline, at, to);
        assert_int_equal(tess_timeline_move(timeline, at, to, NULL), TESS_OK);
    }
    return excess;
}

static void test_answers_come_true(void **state)
{
    (void)state;
    int n_cases = 2000, n_changes[3] = {0};
    uint64_t seed = tess_random_seed(31, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_timeline timeline;
        struct tess_task_graph *graph, *counted;
        int order[16];
        tess_rng_init(&rng, seed + (uint64_t)i);
        graph = tess_random_tasks_create(12, &rng);
        bool is_plain = i % 4 != 0; /* overwriting is not asked about, but measured */
        assert_int_equal(
            tess_task_graph_count(graph, is_plain ? TESS_MODEL_BASE : TESS_MODEL_INPLACE,
                                  1, &counted, NULL),
            TESS_OK);
        struct tess_remat_problem problem = {.graph = counted,
                                             .costs = unit_costs,
                                             .order = order,
                                             .most_runs = 100,
                                             .budget_bytes = tess_rng_int(&rng, 0, 1000)};
        assert_int_equal(tess_task_graph_file_order(counted, order, NULL), TESS_OK);
        struct tess_remat_sequence sequence = {counted->n_tasks, 16, order};
        assert_int_equal(tess_timeline_init(&timeline, &problem, NULL), TESS_OK);
        assert_int_equal(tess_timeline_set(&timeline, &sequence, NULL), TESS_OK);
        for (int k = 0; k < 30 && counted->n_tasks > 0; k++) {
            int kind;
            double excess = change(&timeline, &rng, &kind);
            assert_measured(&timeline, seed + (uint64_t)i);
            n_changes[kind] += excess >= 0;
            if (is_plain && excess >= 0 && excess != timeline.excess)
                fail_msg("seed %" PRIu64 ", change %d of kind %d: %g, came true as %g",
                         seed + (uint64_t)i, k, kind, excess, timeline.excess);
        }
        tess_timeline_release(&timeline);
        tess_task_graph_destroy(counted);
        tess_task_graph_destroy(graph);
    }
    printf("seed %" PRIu64 ": %d insertions, %d erasures, %d moves\n", seed, n_changes[0],
           n_changes[1], n_changes[2]);
    assert_true(n_changes[0] > n_cases && n_changes[1] > n_cases &&
                n_changes[2] > n_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_come_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
