#include "cli/verbs.h"

enum tess_status tess_verb_bench(const struct tess_args *args, struct tess_error *error)
{
    (void)args;
    return tess_error_set(error, TESS_E_INTERNAL, "not yet");
}
