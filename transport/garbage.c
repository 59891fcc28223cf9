#include "transport/garbage.h"

enum { QUIET_US = 1000000 };

bool tess_garbage_comes(struct tess_garbage *garbage, int64_t now_us)
{
    if (now_us < garbage->quiet_until_us || garbage->n_untold > 0) {
        garbage->n_untold++;
        return false;
    }
    garbage->quiet_until_us = now_us + QUIET_US;
    return true;
}

int64_t tess_garbage_take(struct tess_garbage *garbage, int64_t now_us)
{
    int64_t n = garbage->n_untold;
    if (n == 0 || now_us < garbage->quiet_until_us)
        return 0;
    garbage->n_untold = 0;
    garbage->quiet_until_us = now_us + QUIET_US;
    return n;
}

int64_t tess_garbage_due_us(const struct tess_garbage *garbage)
{
    return garbage->n_untold > 0 ? garbage->quiet_until_us : INT64_MAX;
}
