/* Problem: of all ways to cut the schedule into segments and all tilings of each, list those that
 * can be best for some budget.
 *
 * Method: a budget is shared by activations, of which the largest peak of any segment counts, and
 * by what adds up: workspaces and weights that are held. For the first, a threshold t: segments
 * with a larger peak are left out. For the second, a price p per byte. What a segment costs is
 *     time + p * workspace + sum over its ops of min(p * weights, cost of streaming them)   (1)
 * and the cheapest plan is a shortest path over the cut points. t starts at infinity and goes on
 * a step below the peak of the path just found, so that only thresholds that change something
 * are tried, down to the least with which there is a path at all.
 *
 * A tensor that lives across a segment counts in it, so the peak is exact for plans whose storages
 * do not share; sharing is settled when a proposal is laid out whole.
 *
 * Invariant: every path is the cheapest of its price among those with no larger peak.
 *
 * Cost: prices * thresholds * segments; the best tiling of a segment for each threshold is
 * looked up, for entries are sorted by peak.
 *
 * Worked example: two ops, A 10 MB in 1 ms, B 4 MB in 1 ms, both together tiled 3 MB in 3 ms.
 *   p = 0: t = inf: A, B (peak 10, 2 ms); t = 9.8: AB (peak 3, 3 ms); t = 2.95: none.
 *
 * Not done: plans between the vertices that prices find. The choice of weights is made exactly
 * later; for workspaces some per mille are lost.
 *
 * Reference: H. Everett, "Generalized Lagrange multiplier method for solving problems of optimum
 * allocation of resources", Operations Research 11(3), 1963.
 */
#include "planner/paths.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/hash.h"

/* TUNING: peaks nearer than 1/1024 are one choice. Prices of weights rise by a third, those of
 * workspaces by a fifth: no plan of the darknet networks gained 0.5 % from finer steps
 * (2026-11). */
enum { PEAK_STEPS = 1024, MAX_PRICES = 96 };
static const double weights_price_step = 4.0 / 3, workspace_price_step = 1.2;
static const double workspace_price_range = 400;

struct finder {
    const struct tess_table *table;
    struct tess_paths *paths;
    int64_t least_peak_bytes;
    double *cost_us;  /* [n_entries] equation (1) */
    int *best;        /* [n_entries] cheapest of the segment's entries up to this one */
    int *at;          /* [n_segments] last entry below the threshold */
    double *reach_us; /* [n_ops + 1] */
    int64_t *reach_peak_bytes; /* [n_ops + 1] */
    int *via;                  /* [n_ops + 1] entry that ends there */
    uint64_t *hashes;          /* [path_capacity] */
    int n_all_entries, path_capacity, entry_capacity;
};

/* Price of the weights at position `at`, read so often. */
static double op_us(const struct tess_table *table, int at, int n_reads, double price)
{
    return fmin(price * (double)table->weights_bytes[at],
                (double)n_reads * table->read_us[at]);
}

static double weights_us(const struct tess_table *table,
                         const struct tess_table_entry *entry, double price)
{
    const struct tess_table_segment *segment = &table->segments[entry->segment];
    const int *n_reads = table->n_reads + entry->n_reads;
    double total_us = 0;
    for (int at = segment->first; at <= segment->last; at++)
        if (table->weights_bytes[at] > 0)
            total_us += op_us(table, at, n_reads[at - segment->first], price);
    return total_us;
}

/* ---- prices ---- */

/* From what one read of the cheapest weights is worth to what all reads of the dearest are. */
static void weights_price_range(const struct tess_table *table, double *low_out,
                                double *high_out)
{
    double low = INFINITY, high = 0;
    for (int i = 0; i < table->n_entries; i++) {
        const struct tess_table_entry *entry = &table->entries[i];
        const struct tess_table_segment *segment = &table->segments[entry->segment];
        for (int at = segment->first; at <= segment->last; at++) {
            int n_reads = table->n_reads[entry->n_reads + at - segment->first];
            if (table->weights_bytes[at] == 0 || n_reads == 0)
                continue;
            double price =
                (double)n_reads * table->read_us[at] / (double)table->weights_bytes[at];
            low = fmin(low, price);
            high = fmax(high, price);
        }
    }
    *low_out = low;
    *high_out = high;
}

static bool find_prices(struct tess_paths *paths, const struct tess_table *table)
{
    double low, high, step = weights_price_step;
    weights_price_range(table, &low, &high);
    if (high <= 0) { /* nothing can be streamed: workspaces alone */
        double time_us = 0, workspace_bytes = 1;
        for (int i = 0; i < table->n_entries; i++) {
            time_us += table->entries[i].time_us;
            workspace_bytes += (double)table->entries[i].workspace_bytes;
        }
        low = time_us / workspace_bytes / workspace_price_range;
        high = time_us / workspace_bytes * workspace_price_range;
        step = workspace_price_step;
    }
    paths->prices = calloc(MAX_PRICES, sizeof *paths->prices);
    if (!paths->prices)
        return false;
    paths->n_prices = 1;
    for (double price = low; paths->n_prices < MAX_PRICES - 1 && price < high;
         price *= step)
        paths->prices[paths->n_prices++] = price;
    if (high > 0)
        paths->prices[paths->n_prices++] = high;
    return true;
}

/* ---- shortest paths ---- */

static void set_costs(struct finder *finder, double price)
{
    const struct tess_table *table = finder->table;
    for (int s = 0; s < table->n_segments; s++) {
        int best = table->segments[s].begin;
        for (int i = table->segments[s].begin; i < table->segments[s].end; i++) {
            const struct tess_table_entry *entry = &table->entries[i];
            finder->cost_us[i] = entry->time_us + price * (double)entry->workspace_bytes +
                                 weights_us(table, entry, price);
            if (finder->cost_us[i] < finder->cost_us[best])
                best = i;
            finder->best[i] = best;
        }
        finder->at[s] = table->segments[s].end - 1;
    }
}

/* The cheapest path with peaks of at most `threshold`; false if there is none. */
static bool find_path(struct finder *finder, int64_t threshold)
{
    const struct tess_table *table = finder->table;
    finder->reach_us[0] = 0;
    for (int end = 1; end <= table->n_ops; end++)
        finder->reach_us[end] = INFINITY;
    for (int s = 0; s < table->n_segments; s++) {
        const struct tess_table_segment *segment = &table->segments[s];
        int *at = &finder->at[s];
        while (*at >= segment->begin && table->entries[*at].peak_bytes > threshold)
            (*at)--;
        if (*at < segment->begin)
            continue;
        int best = finder->best[*at];
        double us = finder->reach_us[segment->first] + finder->cost_us[best];
        if (us < finder->reach_us[segment->last + 1]) {
            finder->reach_us[segment->last + 1] = us;
            finder->via[segment->last + 1] = best;
        }
    }
    return finder->reach_us[table->n_ops] < (double)INFINITY;
}

/* The least threshold with which there is a path. */
static int64_t find_least_peak(struct finder *finder)
{
    const struct tess_table *table = finder->table;
    int64_t *reach = finder->reach_peak_bytes;
    reach[0] = 0;
    for (int end = 1; end <= table->n_ops; end++)
        reach[end] = INT64_MAX;
    for (int s = 0; s < table->n_segments; s++) {
        const struct tess_table_segment *segment = &table->segments[s];
        int64_t peak_bytes = tess_max_i64(reach[segment->first],
                                          table->entries[segment->begin].peak_bytes);
        reach[segment->last + 1] = tess_min_i64(reach[segment->last + 1], peak_bytes);
    }
    return reach[table->n_ops];
}

static void *grown(void *items, size_t item_size, int n, int *capacity)
{
    if (n <= *capacity)
        return items;
    int wanted = tess_max_int(n, 2 * *capacity);
    void *larger = realloc(items, item_size * (size_t)wanted);
    if (larger)
        *capacity = wanted;
    return larger;
}

static bool make_room(struct finder *finder)
{
    struct tess_paths *paths = finder->paths;
    int n = paths->n_paths + 1, capacity = finder->path_capacity;
    int hash_capacity = capacity;
    void *larger = grown(paths->paths, sizeof *paths->paths, n, &capacity);
    if (!larger)
        return false;
    paths->paths = larger;
    larger = grown(finder->hashes, sizeof *finder->hashes, n, &hash_capacity);
    if (!larger)
        return false;
    finder->hashes = larger;
    finder->path_capacity = capacity;
    larger = grown(paths->entries, sizeof *paths->entries,
                   finder->n_all_entries + finder->table->n_ops, &finder->entry_capacity);
    if (!larger)
        return false;
    paths->entries = larger;
    return true;
}

/* Adds the path just found unless it is known. */
static bool add_path(struct finder *finder, int64_t *peak_bytes_out)
{
    const struct tess_table *table = finder->table;
    struct tess_paths *paths = finder->paths;
    if (!make_room(finder))
        return false;
    struct tess_path path = {.first_entry = finder->n_all_entries};
    int *entries = paths->entries + path.first_entry;
    uint64_t hash = TESS_HASH_START;
    for (int end = table->n_ops; end > 0;) {
        const struct tess_table_entry *entry = &table->entries[finder->via[end]];
        path.peak_bytes = tess_max_i64(path.peak_bytes, entry->peak_bytes);
        path.workspace_bytes += entry->workspace_bytes;
        path.time_us += entry->time_us;
        hash = tess_hash_i64(hash, finder->via[end]);
        entries[path.n_entries++] = finder->via[end];
        end = table->segments[entry->segment].first;
    }
    *peak_bytes_out = path.peak_bytes;
    for (int i = 0; i < paths->n_paths; i++)
        if (finder->hashes[i] == hash)
            return true;
    for (int i = 0; i < path.n_entries / 2; i++) {
        int swap = entries[i];
        entries[i] = entries[path.n_entries - 1 - i];
        entries[path.n_entries - 1 - i] = swap;
    }
    finder->hashes[paths->n_paths] = hash;
    paths->paths[paths->n_paths++] = path;
    finder->n_all_entries += path.n_entries;
    return true;
}

static bool add_paths(struct finder *finder, double price)
{
    int64_t threshold = INT64_MAX;
    set_costs(finder, price);
    while (find_path(finder, threshold)) {
        int64_t peak_bytes;
        if (!add_path(finder, &peak_bytes))
            return false;
        if (peak_bytes <= finder->least_peak_bytes)
            break;
        int64_t step = tess_max_i64(1, peak_bytes / PEAK_STEPS);
        threshold = tess_max_i64(peak_bytes - step, finder->least_peak_bytes);
    }
    return true;
}

/* ---- public ---- */

static bool start(struct finder *finder, const struct tess_table *table)
{
    size_t n_ends = (size_t)table->n_ops + 1, n_entries = (size_t)table->n_entries;
    finder->cost_us = calloc(n_entries, sizeof *finder->cost_us);
    finder->best = calloc(n_entries, sizeof *finder->best);
    finder->at = calloc((size_t)table->n_segments, sizeof *finder->at);
    finder->reach_us = calloc(n_ends, sizeof *finder->reach_us);
    finder->reach_peak_bytes = calloc(n_ends, sizeof *finder->reach_peak_bytes);
    finder->via = calloc(n_ends, sizeof *finder->via);
    return finder->cost_us && finder->best && finder->at && finder->reach_us &&
           finder->reach_peak_bytes && finder->via;
}

static void finish(struct finder *finder)
{
    free(finder->cost_us);
    free(finder->best);
    free(finder->at);
    free(finder->reach_us);
    free(finder->reach_peak_bytes);
    free(finder->via);
    free(finder->hashes);
}

static bool set_weights_us(struct tess_paths *paths, const struct tess_table *table)
{
    size_t n_prices = (size_t)paths->n_prices;
    paths->weights_us =
        calloc((size_t)paths->n_paths * n_prices, sizeof *paths->weights_us);
    if (!paths->weights_us)
        return false;
    for (int i = 0; i < paths->n_paths; i++) {
        const struct tess_path *path = &paths->paths[i];
        double *us = paths->weights_us + (size_t)i * n_prices;
        for (int e = path->first_entry; e < path->first_entry + path->n_entries; e++)
            for (int p = 0; p < paths->n_prices; p++)
                us[p] += weights_us(table, &table->entries[paths->entries[e]],
                                    paths->prices[p]);
    }
    return true;
}

enum tess_status tess_paths_init(struct tess_paths *paths, const struct tess_table *table,
                                 struct tess_error *error)
{
    struct finder finder = {.table = table, .paths = paths};
    memset(paths, 0, sizeof *paths);
    bool has_memory = start(&finder, table) && find_prices(paths, table);
    if (has_memory)
        finder.least_peak_bytes = find_least_peak(&finder);
    for (int p = 0; p < paths->n_prices && has_memory; p++)
        has_memory = add_paths(&finder, paths->prices[p]);
    has_memory = has_memory && set_weights_us(paths, table);
    finish(&finder);
    assert(!has_memory || paths->n_paths > 0);
    if (has_memory)
        return TESS_OK;
    tess_paths_release(paths);
    return tess_error_nomem(error);
}

void tess_paths_release(struct tess_paths *paths)
{
    free(paths->paths);
    free(paths->entries);
    free(paths->prices);
    free(paths->weights_us);
    memset(paths, 0, sizeof *paths);
}

double tess_paths_bound_us(const struct tess_paths *paths, int path,
                           int64_t available_bytes)
{
    const double *weights = paths->weights_us + (size_t)path * (size_t)paths->n_prices;
    double bound_us = 0;
    for (int p = 0; p < paths->n_prices; p++)
        bound_us =
            fmax(bound_us, weights[p] - paths->prices[p] * (double)available_bytes);
    return bound_us;
}
