/* What the fuzz targets of texts in YAML expect of an error. */
#ifndef TESS_TESTS_FUZZ_YAML_H
#define TESS_TESTS_FUZZ_YAML_H

#include <assert.h>
#include <string.h>

#include "base/error.h"

/* What reading "fuzz.yaml" returned and said: either nothing is wrong, or it is said where. */
static inline void check_error(const struct tess_error *error, enum tess_status status)
{
    assert(error->status == status);
    if (status == TESS_OK)
        return;
    assert(status == TESS_E_CONFIG);
    assert(strcmp(error->file, "fuzz.yaml") == 0 && error->line > 0 && error->col > 0);
    assert(error->message[0] && !strchr(error->message, '\n') &&
           !strchr(error->hint, '\n'));
}

#endif
