#include "cli/verbs.h"

#include <stdio.h>

#include "cli/session.h"
#include "model/synth.h"

enum tess_status tess_verb_synth(const struct tess_args *args, struct tess_error *error)
{
    struct tess_session session = {0};
    enum tess_status status = TESS_OK;
    if (!args->output) {
        status = tess_error_set(error, TESS_E_USAGE, "synth needs -o FILE");
        tess_error_hint(error, "tessera synth %s --seed 1 -o random.weights",
                        args->model);
    }
    if (status == TESS_OK)
        status = tess_session_init(&session, args, error);
    if (status == TESS_OK)
        status =
            tess_synth_write(session.network, (uint64_t)args->seed, args->output, error);
    if (status == TESS_OK && !args->is_quiet)
        fprintf(stderr, "%s: %lld random weights, seed %lld\n", args->output,
                (long long)session.network->n_weights, (long long)args->seed);
    tess_session_release(&session);
    return status;
}
