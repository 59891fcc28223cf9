#include "executor/kernel.h"

#include <string.h>

/* "auto" takes the first: as fast as XNNPACK, and the only one that streams weights. */
static const struct tess_kernel_family *const families[] = {
    &tess_kernel_nat, &tess_kernel_xnn, &tess_kernel_ref};

const struct tess_kernel_family *tess_kernel_family_find(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return families[0];
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (strcmp(name, families[i]->name) == 0)
            return families[i];
    }
    return NULL;
}
