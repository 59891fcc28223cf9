/* What the two halves of the programme of gaps share: gap_programme.c and gap_memory.c. */
#ifndef TESS_REMAT_GAP_PROGRAMME_PRIV_H
#define TESS_REMAT_GAP_PROGRAMME_PRIV_H

#include "remat/gap_programme.h"

/* constant + weight * column */
struct tess_gap_amount {
    double constant, weight;
    int column; /* -1: none */
};

static const struct tess_gap_amount tess_gap_nothing = {0, 0, -1};
static const struct tess_gap_amount tess_gap_always = {1, 0, -1};

static inline struct tess_gap_amount tess_gap_column(int column)
{
    return (struct tess_gap_amount){0, 1, column};
}

static inline const struct tess_gap_line *
tess_gap_line_of(const struct tess_gap_programme *programme, int tensor)
{
    return &programme->timeline->lines[tensor];
}

/* Is the tensor held from the point before to this one? Nobody holds it beyond the last. */
struct tess_gap_amount tess_gap_hold(const struct tess_gap_programme *programme,
                                     int tensor, int i);

/* Adds the rows of memory, once there are columns; is_infeasible. TESS_E_NOMEM. */
enum tess_status tess_gap_add_memory(struct tess_gap_programme *programme,
                                     struct tess_error *error);

#endif
