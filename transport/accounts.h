/* The accounts of a frame: what became of every attempt at a tile.
 */
#ifndef TESS_TRANSPORT_ACCOUNTS_H
#define TESS_TRANSPORT_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* Each attempt ends in exactly one of these; until then it is open. */
enum tess_attempt_end {
    TESS_ATTEMPT_OPEN,
    TESS_ATTEMPT_WON,       /* the first valid result of its tile */
    TESS_ATTEMPT_DUPLICATE, /* a valid result of a tile that another attempt had won */
    TESS_ATTEMPT_LATE,      /* likewise, but we had given the attempt up before */
    TESS_ATTEMPT_LOST,      /* the node died, or what it sent was unusable */
    TESS_ATTEMPT_CANCELLED, /* nobody needed it any more */
    TESS_ATTEMPT_NACKED,    /* the node refused it */
    TESS_ATTEMPT_ENDS
};

struct tess_accounts {
    int64_t issued;
    int64_t ended[TESS_ATTEMPT_ENDS]; /* [TESS_ATTEMPT_OPEN] stays 0 */
    int64_t won_bytes, needed_bytes;  /* of outputs */
};

/* issued = won + duplicate + late + lost + cancelled + nacked, and what was won covers what
 * was needed. */
static inline bool tess_accounts_are_closed(const struct tess_accounts *accounts)
{
    int64_t sum = 0;
    for (int i = TESS_ATTEMPT_OPEN + 1; i < TESS_ATTEMPT_ENDS; i++)
        sum += accounts->ended[i];
    return accounts->issued == sum && accounts->won_bytes == accounts->needed_bytes;
}

#endif
