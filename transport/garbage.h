/* How often to tell that messages of a peer cannot be read: the first at once, then once a second
 * how many more there were. Who sends thousands fills no log with them.
 *
 * Counts only; what is told is for others. Times are us of one monotonic clock.
 */
#ifndef TESS_TRANSPORT_GARBAGE_H
#define TESS_TRANSPORT_GARBAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Of one peer; zeroed at first. */
struct tess_garbage {
    int64_t quiet_until_us; /* 0: nothing was told yet */
    int64_t n_untold;
};

/* One more came: is it to be told now? */
bool tess_garbage_comes(struct tess_garbage *garbage, int64_t now_us);

/* How many to tell of now that were not told; 0: none, or not yet. They count as told. */
int64_t tess_garbage_take(struct tess_garbage *garbage, int64_t now_us);

/* When to take at the latest; INT64_MAX: all are told. */
int64_t tess_garbage_due_us(const struct tess_garbage *garbage);

#endif
