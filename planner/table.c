#include "planner/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/packed.h"
#include "planner/cost.h"
#include "planner/segment.h"

/* TUNING: longest segment tried, in ops. 24 reaches from YOLOv2's input to its passthrough; long
 * networks consist of many like blocks, and SEGMENT_TRIALS segments keep planning them within
 * some seconds on a slow core (2026-11). */
enum { MAX_SEGMENT_OPS = 24, MIN_SEGMENT_OPS = 6, SEGMENT_TRIALS = 4000 };

/* While the table grows. */
struct maker {
    struct tess_table *table;
    struct tess_segmenter segmenter;
    int entry_capacity, segment_capacity;
    int n_all_reads, read_capacity;
};

/* Makes room for `n_more` of what `*items` holds `n` of. */
static bool grow(void **items, size_t item_size, int n, int n_more, int *capacity)
{
    if (n + n_more <= *capacity)
        return true;
    int wanted = tess_max_int(n + n_more, *capacity + *capacity / 2 + 256);
    void *larger = realloc(*items, item_size * (size_t)wanted);
    if (!larger)
        return false;
    *items = larger;
    *capacity = wanted;
    return true;
}

/* Of ops from position `first` on that read their weights so often. */
static double read_us(const struct tess_table *table, int first, const int *n_reads,
                      int n_ops)
{
    double total_us = 0;
    for (int i = 0; i < n_ops; i++)
        total_us += table->read_us[first + i] * (double)n_reads[i];
    return total_us;
}

static bool is_beaten(const struct tess_table_entry *entry,
                      const struct tess_table_entry *by)
{
    return by->peak_bytes <= entry->peak_bytes &&
           by->workspace_bytes <= entry->workspace_bytes &&
           by->time_us <= entry->time_us && by->read_us <= entry->read_us;
}

/* Adds the entry to the segment that is being made, unless one there beats it; drops those that
 * it beats. */
static void insert(struct tess_table *table, struct tess_table_segment *segment,
                   const struct tess_table_entry *entry)
{
    struct tess_table_entry *entries = table->entries;
    int n_kept = segment->begin;
    for (int i = segment->begin; i < segment->end; i++)
        if (is_beaten(entry, &entries[i]))
            return;
    for (int i = segment->begin; i < segment->end; i++)
        if (!is_beaten(&entries[i], entry))
            entries[n_kept++] = entries[i];
    int at = n_kept;
    for (; at > segment->begin && entries[at - 1].peak_bytes > entry->peak_bytes; at--)
        entries[at] = entries[at - 1];
    entries[at] = *entry;
    segment->end = n_kept + 1;
}

static enum tess_status add_segment(struct maker *maker, int first, int last,
                                    struct tess_error *error)
{
    struct tess_table *table = maker->table;
    struct tess_tiling tilings[TESS_SEGMENT_MAX_TILINGS];
    int n_tilings = tess_segment_tilings(&maker->segmenter, first, last, tilings);
    int n_ops = last - first + 1;
    if (n_tilings == 0)
        return TESS_OK;
    if (!grow((void **)&table->segments, sizeof *table->segments, table->n_segments, 1,
              &maker->segment_capacity) ||
        !grow((void **)&table->entries, sizeof *table->entries, table->n_entries,
              n_tilings, &maker->entry_capacity) ||
        !grow((void **)&table->n_reads, sizeof *table->n_reads, maker->n_all_reads,
              n_tilings * n_ops, &maker->read_capacity))
        return tess_error_nomem(error);
    struct tess_table_segment *segment = &table->segments[table->n_segments];
    *segment =
        (struct tess_table_segment){first, last, table->n_entries, table->n_entries};
    for (int i = 0; i < n_tilings; i++) {
        struct tess_segment_cost cost;
        enum tess_status status = tess_segment_evaluate(&maker->segmenter, first, last,
                                                        tilings[i], &cost, error);
        if (status != TESS_OK)
            return status;
        memcpy(table->n_reads + maker->n_all_reads, cost.n_reads,
               sizeof *table->n_reads * (size_t)n_ops);
        struct tess_table_entry entry = {
            .peak_bytes = cost.peak_bytes,
            .workspace_bytes = cost.workspace_bytes,
            .time_us = cost.time_us,
            .read_us = read_us(table, first, cost.n_reads, n_ops),
            .tiling = tilings[i],
            .segment = table->n_segments,
            .n_reads = maker->n_all_reads,
        };
        insert(table, segment, &entry);
        maker->n_all_reads += n_ops;
    }
    table->n_entries = segment->end;
    table->n_segments++;
    return TESS_OK;
}

static void set_weights(struct tess_table *table,
                        const struct tess_search_problem *problem)
{
    const struct tess_graph *graph = problem->graph;
    const struct tess_planner_options *options = problem->options;
    if (!tess_planner_can_stream(options))
        return;
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            table->most_block_bytes =
                tess_max_i64(table->most_block_bytes, tess_packed_block_bytes(graph, op));
    for (int at = 0; at < graph->n_ops; at++) {
        int op = problem->order[at];
        if (!tess_op_has_weights(&graph->ops[op]))
            continue;
        struct tess_streamable what =
            tess_cost_streamable_once(graph, &options->facts, op);
        table->weights_bytes[at] = what.weights_bytes;
        table->read_us[at] = tess_cost_read_us(&what, table->most_block_bytes,
                                               &options->facts, &options->profile);
    }
}

/* A chain of partial convolutions counts as the one that it is in the network: else a split one
 * could not be in groups in which the whole one is. */
static bool is_counted(const struct tess_op *op)
{
    return !tess_op_accumulates(op);
}

static int longest_segment(const struct tess_graph *graph)
{
    int n_ops = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n_ops += is_counted(&graph->ops[op]);
    int affordable = tess_max_int(MIN_SEGMENT_OPS, SEGMENT_TRIALS / n_ops);
    return tess_min_int(MAX_SEGMENT_OPS, affordable);
}

static enum tess_status add_segments(struct maker *maker, struct tess_error *error)
{
    const struct tess_graph *graph = maker->segmenter.graph;
    const int *order = maker->segmenter.plan->order;
    int longest = longest_segment(graph);
    for (int last = 0; last < graph->n_ops; last++) {
        int n_counted = 0;
        for (int first = last; first >= 0; first--) {
            n_counted += is_counted(&graph->ops[order[first]]);
            if (n_counted > longest)
                break;
            if (first < last && !tess_segment_can_tile(&maker->segmenter, first, last))
                break;
            enum tess_status status = add_segment(maker, first, last, error);
            if (status != TESS_OK)
                return status;
        }
    }
    return TESS_OK;
}

enum tess_status tess_table_init(struct tess_table *table,
                                 const struct tess_search_problem *problem,
                                 struct tess_error *error)
{
    size_t n_ops = (size_t)problem->graph->n_ops;
    struct maker maker = {.table = table};
    memset(table, 0, sizeof *table);
    table->n_ops = problem->graph->n_ops;
    table->weights_bytes = calloc(n_ops, sizeof *table->weights_bytes);
    table->read_us = calloc(n_ops, sizeof *table->read_us);
    enum tess_status status =
        table->weights_bytes && table->read_us ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_segmenter_init(&maker.segmenter, problem, error);
    if (status == TESS_OK) {
        set_weights(table, problem);
        status = add_segments(&maker, error);
        table->n_evaluated = maker.segmenter.n_evaluated;
        tess_segmenter_release(&maker.segmenter);
    }
    if (status != TESS_OK)
        tess_table_release(table);
    return status;
}

void tess_table_release(struct tess_table *table)
{
    free(table->segments);
    free(table->entries);
    free(table->n_reads);
    free(table->weights_bytes);
    free(table->read_us);
    memset(table, 0, sizeof *table);
}
