/* Window search: lowers the peak of an order by exact searches of its parts, while there is time.
 */
#ifndef TESS_SCHEDULE_WINDOW_H
#define TESS_SCHEDULE_WINDOW_H

#include "schedule/lattice.h"

/* Improves chain_order [n_chains] in place until its peak is lattice->floor_bytes, time is up or
 * nothing is found in large windows. A window is a run of chains around a place with the peak;
 * what is before and after it stays, and the search is told to beat the peak. `lattice` says on
 * what, until when and within which memory; its n_expanded is added to. TESS_E_NOMEM. */
enum tess_status tess_window_search(struct tess_lattice *lattice, int *chain_order,
                                    struct tess_error *error);

#endif
