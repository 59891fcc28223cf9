/* tessera-node: a node of a cluster, coordinator or worker, started by tessera. A program of its
 * own, so that runs on one device carry no transport.
 */
#include "cli/args.h"
#include "cli/node_verbs.h"

static tess_verb_function *const VERBS[TESS_N_VERBS] = {
    [TESS_VERB_WORKER] = tess_verb_worker,
    [TESS_VERB_CLUSTER_RUN] = tess_verb_cluster_run,
    [TESS_VERB_CLUSTER_STATUS] = tess_verb_cluster_status,
    [TESS_VERB_DOCTOR] = tess_verb_cluster_status, /* with --link */
    [TESS_VERB_KEYGEN] = tess_verb_keygen,
};

int main(int argc, char **argv)
{
    struct tess_args args;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_args_parse(argc, argv, &args, &error);
    if (status == TESS_OK && VERBS[args.verb]) {
        status = VERBS[args.verb](&args, &error);
    } else if (status == TESS_OK) {
        status =
            tess_error_set(&error, TESS_E_USAGE, "this program is started by tessera");
        tess_error_hint(&error, "use: tessera worker, tessera cluster run");
    }
    if (status != TESS_OK)
        tess_print_error(&error);
    return tess_status_exit_code(status);
}
