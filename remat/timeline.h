/* A sequence with its bytes alive at every position, and what small changes would do to them.
 *
 * What methods that change a sequence bit by bit work on: asking about a change costs as many
 * steps as positions it touches, making one builds the timeline anew. What asking answers takes no
 * notice of outputs that overwrite inputs; what is built does. For the cost of a whole sequence,
 * and to be sure of it: remat/sequence.h.
 */
#ifndef TESS_REMAT_TIMELINE_H
#define TESS_REMAT_TIMELINE_H

#include "remat/sequence.h"

struct tess_timeline_copy {
    int tensor;
    int first, last;       /* positions, both included; inputs begin at -1 */
    int last_made;         /* the last position that adds to it */
    int first_use, n_uses; /* in `uses` */
    int earlier, later;    /* copies of the same tensor, -1: none */
};

/* From this position on so many bytes more. */
struct tess_timeline_event {
    int position;
    int64_t bytes;
};

struct tess_timeline {
    const struct tess_remat_problem *problem; /* borrowed */
    struct tess_remat_sequence sequence;
    int *n_runs;      /* [n_tasks] */
    bool *may_repeat; /* [n_tasks] */
    int n_copies;
    struct tess_timeline_copy *copies;
    int *newest;      /* [n_tensors] the last copy */
    int *first_made;  /* [n + 1] of each position, in `made` */
    int *made;        /* copies, in the order of the task's outputs */
    int *first_read;  /* [n + 1] of each position, in `reads` */
    int *reads;       /* copies, in the order of the task's inputs */
    int *uses;        /* positions, rising for each copy */
    int64_t *plain;   /* [n] bytes alive at each position, were nothing overwritten */
    int64_t *bytes;   /* [n] bytes alive at each position */
    int64_t *carried; /* [n + 1] bytes alive both before and after this boundary */
    int *n_above;     /* [n + 1] positions before each that are above the budget */
    int64_t peak_bytes, cost;
    double excess;   /* sum over the positions of what is above the budget */
    int64_t *change; /* [n + 1] scratch, zero between calls */
    int64_t *most;   /* [n / 32 + 1] of `bytes`, of each block of positions */
    struct tess_timeline_event *events;   /* scratch */
    int *fill;                            /* scratch */
    int room_runs, room_reads, room_made; /* what the arrays have room for */
};

/* Empty. TESS_E_NOMEM; the caller releases in every case. */
enum tess_status tess_timeline_init(struct tess_timeline *timeline,
                                    const struct tess_remat_problem *problem,
                                    struct tess_error *error);
void tess_timeline_release(struct tess_timeline *timeline); /* accepts zeroed and NULL */

/* Becomes this sequence, which tess_remat_check accepts. TESS_E_NOMEM. */
enum tess_status tess_timeline_set(struct tess_timeline *timeline,
                                   const struct tess_remat_sequence *sequence,
                                   struct tess_error *error);

/* The newest copy of a tensor that exists before `position` runs, or -1. */
int tess_timeline_copy_before(const struct tess_timeline *timeline, int tensor,
                              int position);

/* Number of uses of a copy before `position`. */
int tess_timeline_uses_before(const struct tess_timeline *timeline, int copy,
                              int position);

/* The run at `position` can be moved to before any position from the first to the second:
 * - after what it reads was made and an earlier run's outputs were read, and
 * - before its outputs are read and its task runs again; both are `position` if it cannot. */
int tess_timeline_first_chance(const struct tess_timeline *timeline, int position);
int tess_timeline_first_need(const struct tess_timeline *timeline, int position);

/* ---- what would the excess be, ... ---- */

/* ... if `task`, which has run before and may run again, ran before `position`, too? */
double tess_timeline_ask_insert(struct tess_timeline *timeline, int task, int position);

/* ... if the run at `position`, not its task's first, were left out? */
double tess_timeline_ask_erase(struct tess_timeline *timeline, int position);

/* ... if the run at `position` came before that at `to` instead, anywhere from
 * tess_timeline_first_chance to tess_timeline_first_need? */
double tess_timeline_ask_move(struct tess_timeline *timeline, int position, int to);

/* ---- the changes themselves; TESS_E_NOMEM ---- */

enum tess_status tess_timeline_insert(struct tess_timeline *timeline, int task,
                                      int position, struct tess_error *error);
enum tess_status tess_timeline_erase(struct tess_timeline *timeline, int position,
                                     struct tess_error *error);
enum tess_status tess_timeline_move(struct tess_timeline *timeline, int position, int to,
                                    struct tess_error *error);

#endif
