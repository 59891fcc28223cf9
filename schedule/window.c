#include "schedule/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "base/rng.h"
#include "schedule/frontier.h"

/* TUNING: windows begin with 40 chains and 3000 states; after 25 failures in a row they grow by
 * half and twice. Found on random layered graphs of 1000 tasks (2026-11). */
enum { START_CHAINS = 40, START_STATES = 3000, MAX_STATES = 200000, N_FAILURES = 25 };

struct windows {
    struct tess_lattice *lattice;
    int *order, *trial;
    int64_t *bytes; /* [n_chains] most while each place of the order runs */
    int64_t peak;
    double excess; /* sum of squares above the floor */
};

static enum tess_status evaluate(struct windows *windows, const int *order,
                                 int64_t *peak_out, double *excess_out,
                                 struct tess_error *error)
{
    const struct tess_chains *chains = windows->lattice->chains;
    struct tess_frontier frontier;
    enum tess_status status = tess_frontier_init(&frontier, chains, false, error);
    *peak_out = 0;
    *excess_out = 0;
    for (int i = 0; i < chains->n_chains && status == TESS_OK; i++) {
        windows->bytes[i] = tess_frontier_run(&frontier, order[i]);
        *peak_out = tess_max_i64(*peak_out, windows->bytes[i]);
        double above = (double)(windows->bytes[i] - windows->lattice->floor_bytes);
        if (above > 0)
            *excess_out += above * above;
    }
    tess_frontier_release(&frontier);
    return status;
}

/* One of the places with the peak. */
static int draw_peak(const struct windows *windows, struct tess_rng *rng)
{
    int n_chains = windows->lattice->chains->n_chains, n_peaks = 0, drawn = 0;
    for (int i = 0; i < n_chains; i++)
        n_peaks += windows->bytes[i] == windows->peak;
    if (n_peaks == 0) /* the peak is at the very start */
        return 0;
    for (int skip = tess_rng_int(rng, 0, n_peaks - 1);; drawn++)
        if (windows->bytes[drawn] == windows->peak && skip-- == 0)
            return drawn;
}

/* Searches one window; is it better then? */
static enum tess_status try_window(struct windows *windows, int begin, int end,
                                   int64_t limit_states, bool *is_better_out,
                                   struct tess_error *error)
{
    size_t n = (size_t)windows->lattice->chains->n_chains;
    struct tess_lattice part = *windows->lattice;
    part.upper_bytes = windows->peak;
    part.floor_bytes = windows->peak - 1; /* any order below is as good */
    part.limit_states = part.max_limit_states = limit_states;
    enum tess_lattice_answer answer;
    memcpy(windows->trial, windows->order, sizeof *windows->trial * n);
    enum tess_status status =
        tess_lattice_search(&part, windows->trial, begin, end, &answer, error);
    windows->lattice->n_expanded = part.n_expanded;
    *is_better_out = false;
    if (status != TESS_OK || answer != TESS_LATTICE_FOUND)
        return status;
    int64_t peak;
    double excess;
    status = evaluate(windows, windows->trial, &peak, &excess, error);
    if (status != TESS_OK)
        return status;
    *is_better_out =
        peak < windows->peak || (peak == windows->peak && excess < windows->excess);
    if (*is_better_out) {
        memcpy(windows->order, windows->trial, sizeof *windows->trial * n);
        windows->peak = peak;
        windows->excess = excess;
    }
    return TESS_OK;
}

static enum tess_status search(struct windows *windows, struct tess_error *error)
{
    int n_chains = windows->lattice->chains->n_chains;
    int size = START_CHAINS, n_failures = 0;
    int64_t limit_states = START_STATES;
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    while (windows->peak > windows->lattice->floor_bytes &&
           !tess_deadline_is_past(windows->lattice->deadline_us)) {
        enum tess_status status =
            evaluate(windows, windows->order, &windows->peak, &windows->excess, error);
        if (status != TESS_OK)
            return status;
        int center = draw_peak(windows, &rng);
        int length = tess_max_int(1, size / 2 + tess_rng_int(&rng, 0, size - 1));
        int begin = tess_max_int(0, center - tess_rng_int(&rng, 0, length - 1));
        int end = tess_min_int(n_chains, tess_max_int(begin + length, center + 1));
        bool is_better;
        status = try_window(windows, begin, end, limit_states, &is_better, error);
        if (status != TESS_OK)
            return status;
        n_failures = is_better ? 0 : n_failures + 1;
        if (n_failures <= N_FAILURES)
            continue;
        if (size >= n_chains && limit_states >= MAX_STATES)
            break;
        n_failures = 0;
        size = tess_min_int(n_chains, size + size / 2);
        limit_states = tess_min_i64(MAX_STATES, 2 * limit_states);
    }
    return TESS_OK;
}

enum tess_status tess_window_search(struct tess_lattice *lattice, int *chain_order,
                                    struct tess_error *error)
{
    size_t n = (size_t)lattice->chains->n_chains + 1;
    struct windows windows = {.lattice = lattice, .order = chain_order};
    windows.trial = malloc(n * sizeof *windows.trial);
    windows.bytes = malloc(n * sizeof *windows.bytes);
    enum tess_status status = TESS_OK;
    if (!windows.trial || !windows.bytes)
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        status = evaluate(&windows, chain_order, &windows.peak, &windows.excess, error);
    if (status == TESS_OK)
        status = search(&windows, error);
    free(windows.trial);
    free(windows.bytes);
    return status;
}
