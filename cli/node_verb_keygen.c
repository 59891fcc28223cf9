#include <stdio.h>

#include "cli/node_verbs.h"
#include "transport/auth.h"

enum tess_status tess_verb_keygen(const struct tess_args *args, struct tess_error *error)
{
    struct tess_link_keys keys;
    enum tess_status status = tess_link_zmq_generate(&keys, error);
    if (status == TESS_OK)
        status = tess_auth_write_keys(args->model, &keys, error);
    if (status == TESS_OK && !args->is_quiet)
        fprintf(stderr, "%s stays on its node; %s.pub may be given away\n", args->model,
                args->model);
    if (status == TESS_OK)
        printf("%s\n", keys.public_key);
    return status;
}
