/* Candidate plans out of a table of segments: for every peak that activations may have and every
 * price of a byte held, the cheapest way from the first op to the last.
 *
 * Independent of any budget; which of them is best for one, ask planner/search.h.
 */
#ifndef TESS_PLANNER_PATHS_H
#define TESS_PLANNER_PATHS_H

#include "base/error.h"
#include "planner/table.h"

struct tess_path {
    int64_t peak_bytes, workspace_bytes;
    double time_us;             /* with all weights held */
    int first_entry, n_entries; /* in tess_paths.entries: its groups, in order */
};

struct tess_paths {
    int n_paths, n_prices;
    struct tess_path *paths; /* each once */
    int *entries;            /* numbers of table entries */
    double *prices;     /* [n_prices] microseconds per byte, ascending, the first 0 */
    double *weights_us; /* [n_paths][n_prices] cost of the path's weights at that price:
                                each op's the lesser of its bytes' price and of streaming it */
};

/* TESS_E_NOMEM. Cost: some thousand passes over the segments. */
enum tess_status tess_paths_init(struct tess_paths *paths, const struct tess_table *table,
                                 struct tess_error *error);
void tess_paths_release(struct tess_paths *paths); /* accepts zeroed memory */

/* A lower bound on what the path's weights cost within `available_bytes`, which is the best that
 * any price proves (Lagrange). */
double tess_paths_bound_us(const struct tess_paths *paths, int path,
                           int64_t available_bytes);

#endif
