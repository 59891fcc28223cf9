/* Preloaded into tessera by infeasible.sh: takes 8 MiB nobody planned when the arena is made. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int madvise(void *address, size_t n_bytes, int advice)
{
    enum { GREED_BYTES = 8 << 20 };
    static char *greed;
    if (!greed) {
        greed = mmap(NULL, GREED_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (greed != MAP_FAILED)
            memset(greed, 1, GREED_BYTES);
    }
    int (*next)(void *, size_t, int);
    void *symbol = dlsym(RTLD_NEXT, "madvise");
    memcpy(&next, &symbol, sizeof next);
    return next(address, n_bytes, advice);
}
