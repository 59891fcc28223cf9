/* What a worker keeps of what it computed, so that it need not be sent back to it.
 *
 * Both sides keep this list by one rule: an output that is kept joins at the end; whoever has been
 * there longest leaves until all fit the worker's limit. So the coordinator knows what the worker
 * has without being told. It may be wrong when messages got lost; then the worker refuses the task
 * and the coordinator forgets all it believed.
 *
 * Only lists: the worker's bytes are with whoever drives it, in slots of the same numbers.
 */
#ifndef TESS_TRANSPORT_KEPT_H
#define TESS_TRANSPORT_KEPT_H

#include <stdbool.h>

#include "plan/cluster.h"
#include "transport/message.h"
#include "transport/work.h"

enum { TESS_KEPT_MAX = TESS_CLUSTER_KEPT_TILES };

struct tess_kept_tile {
    struct tess_task_key key; /* of any attempt */
    int64_t n_bytes;
    int slot;
};

/* Zeroed memory keeps nothing. */
struct tess_kept {
    int64_t limit_bytes, n_bytes;
    int n;
    struct tess_kept_tile tiles[TESS_KEPT_MAX]; /* in the order in which they came */
};

/* Adds the outputs of tile `key`, *slot_out being where; false if it is there already or larger
 * than the limit. `left_out` [TESS_KEPT_MAX] (may be NULL) receives the slots of those that had to
 * leave, *n_left_out how many. */
bool tess_kept_add(struct tess_kept *kept, const struct tess_task_key *key,
                   int64_t n_bytes, int *slot_out, int *left_out, int *n_left_out);

/* Forgets everything; the limit stays. */
void tess_kept_clear(struct tess_kept *kept);

/* Takes out of `parts` what is kept of the frame of `key`. What would need too many pieces stays:
 * then more is there than has to be. */
void tess_kept_subtract(const struct tess_kept *kept, const struct tess_work *work,
                        const struct tess_task_key *key, struct tess_parts *parts);

/* Do the pieces and what is kept cover all inputs of tile `key`? */
bool tess_kept_completes(const struct tess_kept *kept, const struct tess_work *work,
                         const struct tess_task_key *key,
                         const struct tess_parts *pieces);

/* Makes the whole input of tile `key`, packed, from the payload of its pieces and what is kept.
 * `outputs`: packed, by slot. They complete the tile. */
void tess_kept_assemble(const struct tess_kept *kept, const struct tess_work *work,
                        const struct tess_task_key *key,
                        const void *const outputs[TESS_KEPT_MAX],
                        const struct tess_parts *pieces, const void *payload,
                        void *input);

#endif
