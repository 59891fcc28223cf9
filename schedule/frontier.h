/* A state between two tasks, from which one goes on or back: which chains have run, which could
 * be next.
 *
 * Goes forward from the start or backward from the end: backward, "run" takes a chain away whose
 * followers are all away. The same chains on the same way give the same peaks in either direction.
 */
#ifndef TESS_SCHEDULE_FRONTIER_H
#define TESS_SCHEDULE_FRONTIER_H

#include "schedule/chains.h"
#include "schedule/peak.h"

struct tess_frontier {
    const struct tess_chains *chains; /* borrowed */
    bool is_backward;
    struct tess_live live;
    int n_ready, n_done;
    int *ready;      /* [n_chains] chains that can be next, in an order of no meaning */
    int *ready_at;   /* [n_chains] place in `ready`; -1: not there */
    int *n_waiting;  /* [n_chains] neighbours that must be done first */
    bool *is_done;   /* [n_chains] */
    bool *is_barred; /* [n_chains] never becomes ready; set by who owns the frontier */
    int64_t *hill;   /* [n_chains] what a ready chain adds while it runs.. */
    int64_t *rest;   /* [n_chains] ..and after it, where is_fresh */
    bool *is_fresh;  /* [n_chains] */
};

/* At the start, or (is_backward) at the end, where everything has run. TESS_E_NOMEM; the caller
 * releases in every case. */
enum tess_status tess_frontier_init(struct tess_frontier *frontier,
                                    const struct tess_chains *chains, bool is_backward,
                                    struct tess_error *error);
void tess_frontier_release(struct tess_frontier *frontier); /* accepts zeroed and NULL */

/* Does a ready chain: the most bytes alive while it runs. */
int64_t tess_frontier_run(struct tess_frontier *frontier, int chain);

/* Takes back the chain done last, or any whose neighbours beyond are not done. */
void tess_frontier_back(struct tess_frontier *frontier, int chain);

/* What tess_frontier_run would return; *after_out: the bytes alive after it. */
int64_t tess_frontier_probe(struct tess_frontier *frontier, int chain,
                            int64_t *after_out);

/* Bars a chain for ever: it will not be ready here. */
void tess_frontier_bar(struct tess_frontier *frontier, int chain);

/* Does, as long as there is one, a ready chain after which no more is alive than before it and
 * whose peak is at most *most_inout or `allowed`; adds them to moves_out [.. n_chains] from
 * *n_moves_inout on, and raises *most_inout to their peaks. Of such moves the first found: any
 * order of them ends in the same state. */
void tess_frontier_run_safe(struct tess_frontier *frontier, int64_t allowed,
                            int64_t *most_inout, int *moves_out, int *n_moves_inout);

#endif
