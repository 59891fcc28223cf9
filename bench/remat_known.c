/* One graph, one budget, one method: what comes out. For people; not a test. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "planner/graph_file.h"
#include "remat/method.h"
#include "remat/sequence_check.h"
#include "schedule/ordering.h"
#include "schedule/peak.h"
int main(int argc, char **argv)
{
    /* file percent seconds keep method runs order_seconds */
    struct tess_graph_file file;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_graph_file_read(&file, argv[1], &error)) {
        puts(error.message);
        return 1;
    }
    struct tess_task_graph *g;
    tess_task_graph_count(file.graph, TESS_MODEL_BASE, 1, &g, NULL);
    int *order = malloc(sizeof(int) * (size_t)(g->n_tasks + 1));
    int64_t *costs = malloc(8 * (size_t)(g->n_tasks + 1)), peak;
    for (int i = 0; i < g->n_tasks; i++)
        costs[i] = file.tasks[i].cost;
    tess_task_graph_file_order(g, order, NULL);
    tess_peak_of_order(g, order, &peak, NULL, NULL);
    double pct = atof(argv[2]);
    int64_t budget = (int64_t)__builtin_ceil((double)peak * pct / 100);
    bool keep = atoi(argv[4]);
    double t0 = tess_clock_us();
    if (!keep) {
        struct tess_order_limits l;
        tess_order_limits_init(&l);
        l.seconds = atof(argv[7]);
        struct tess_order_result r = {.order = order};
        tess_method_exact.run(g, &l, &r, NULL);
        printf("order %" PRId64 " in %.2f  ", r.peak_bytes, (tess_clock_us() - t0) / 1e6);
    }
    struct tess_remat_problem p = {g, costs, order, keep, atoi(argv[6]), budget};
    struct tess_remat_limits l = {atof(argv[3]) - (tess_clock_us() - t0) / 1e6, 1 << 30};
    struct tess_remat_result r = {0};
    const struct tess_remat_method *m = tess_remat_method_find(argv[5]);
    if (m->run(&p, &l, &r, &error)) {
        puts(error.message);
        return 1;
    }
    struct tess_remat_value v;
    if (tess_remat_check(&p, &r.sequence, &v, &error)) {
        puts(error.message);
        return 1;
    }
    int64_t least = tess_remat_least_cost(&p);
    printf("%s %g%% keep %d: fits %d peak %" PRId64 "/%" PRId64 " cost %" PRId64
           " +%" PRId64 " extra %.4f%% n %d/%d t %.1f %s %d\n",
           argv[1], pct, keep, r.fits, v.peak_bytes, budget, v.cost, v.cost - least,
           100.0 * (double)(v.cost - least) / (double)least, r.sequence.n, g->n_tasks,
           (tess_clock_us() - t0) / 1e6, r.won_by, r.is_proven);
    (void)argc;
    return 0;
}
