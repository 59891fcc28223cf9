/* tessera-planner: the planner as a program of its own, started by tessera. Takes kernel facts
 * on standard input and the arguments of `tessera plan`, puts a plan out; or takes facts, a cluster
 * and the arguments of `tessera cluster plan`; or takes those of `tessera schedule`, and schedules.
 *
 * It is separate so that the process that runs a plan holds neither the planner nor the solver,
 * and so that only this binary carries the solver's licence.
 */
#include "cli/args.h"
#include "cli/planner_cluster.h"
#include "cli/verbs.h"

int main(int argc, char **argv)
{
    struct tess_args args;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_args_parse(argc, argv, &args, &error);
    if (status == TESS_OK && args.verb == TESS_VERB_SCHEDULE) {
        status = tess_verb_schedule(&args, &error);
    } else if (status == TESS_OK && args.verb == TESS_VERB_PLAN && args.reads_facts) {
        status = tess_verb_plan_here(&args, &error);
    } else if (status == TESS_OK && args.verb == TESS_VERB_CLUSTER_PLAN &&
               args.reads_facts) {
        status = tess_planner_cluster(&args, &error);
    } else if (status == TESS_OK) {
        status =
            tess_error_set(&error, TESS_E_USAGE, "this program is started by tessera");
        tess_error_hint(&error, "use: tessera plan, tessera schedule");
    }
    if (status != TESS_OK)
        tess_print_error(&error);
    return tess_status_exit_code(status);
}
