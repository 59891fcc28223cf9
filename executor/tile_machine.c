/* Problem: tiles of several shapes take turns in one process; setting up for each of them anew
 * costs page faults, threads and the reading of weights.
 *
 * Method: an executor with what belongs to it sits in a seat. There is one seat, whose executor
 * goes when a tile of another shape comes, or, with weights kept, a seat for each shape. What is
 * the same for all of them is the machine's: threads, the arenas' memory, the weights' memory or
 * the shelf. Weights that the next executor wants where they lie are not read again.
 *
 * Invariant: with one seat, never more is resident than the plan of some tile run so far, the
 * current one included, says. With weights kept: all weights asked for, once; what the plans say
 * of kernels, summed; the largest of the arenas.
 */
#include "executor/tile_machine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <pthreadpool.h>

#include "base/arith.h"
#include "executor/memory_block.h"
#include "executor/weight_labels.h"
#include "executor/weight_shelf.h"

struct seat {
    const struct tess_layout *layout;
    struct tess_packed_renumbered blocks;
    struct tess_executor *executor;
};

struct tess_tile_machine {
    struct tess_tile_machine_config config;
    pthreadpool_t pool;               /* NULL: the caller's thread only */
    struct tess_memory_block arena;   /* of all executors */
    struct tess_memory_block weights; /* of the only executor */
    struct tess_weight_labels labels; /* of what lies in `weights` */
    struct tess_weight_shelf *shelf;  /* NULL: weights are not kept */
    int64_t most_bytes;               /* of the plans so far */
    int n_seats, capacity;
    struct seat **seats; /* executors know their addresses */
};

enum tess_status tess_tile_machine_create(const struct tess_tile_machine_config *config,
                                          struct tess_tile_machine **machine_out,
                                          struct tess_error *error)
{
    assert(config->n_threads >= 1 && config->family->uses_packed);
    enum tess_status status = TESS_OK;
    struct tess_tile_machine *machine = calloc(1, sizeof *machine);
    if (!machine)
        return tess_error_nomem(error);
    machine->config = *config;
    if (config->n_threads > 1) {
        machine->pool = pthreadpool_create((size_t)config->n_threads);
        if (!machine->pool)
            status = tess_error_set(error, TESS_E_NOMEM, "cannot start %d threads",
                                    config->n_threads);
    }
    if (status == TESS_OK && config->keeps_weights) {
        machine->arena.spare_bytes = INT64_MAX; /* any other executor may come next */
        status = tess_weight_shelf_create(config->graph, &config->blocks, &machine->shelf,
                                          error);
    }
    if (status == TESS_OK && !config->keeps_weights)
        status = tess_weight_labels_init(&machine->labels, config->graph, &config->blocks,
                                         &machine->weights, error);
    if (status != TESS_OK)
        tess_tile_machine_destroy(machine);
    else
        *machine_out = machine;
    return status;
}

static void leave_seat(struct tess_tile_machine *machine)
{
    struct seat *seat = machine->seats[--machine->n_seats];
    tess_executor_destroy(seat->executor);
    free(seat);
}

void tess_tile_machine_destroy(struct tess_tile_machine *machine)
{
    if (!machine)
        return;
    while (machine->n_seats > 0)
        leave_seat(machine);
    free(machine->seats);
    tess_weight_shelf_destroy(machine->shelf);
    tess_weight_labels_release(&machine->labels);
    tess_memory_block_release(&machine->arena);
    tess_memory_block_release(&machine->weights);
    if (machine->pool)
        pthreadpool_destroy(machine->pool);
    free(machine);
}

/* ---- seats ---- */

/* Lets pages stay that the next plan does not ask for but an earlier one was granted: first the
 * arena's, then the weights'. */
static void grant_spare(struct tess_tile_machine *machine,
                        const struct tess_layout *layout)
{
    struct tess_memory memory = {0};
    tess_layout_memory(layout, &memory);
    machine->most_bytes = tess_max_i64(machine->most_bytes, memory.peak);
    int64_t spare_bytes = machine->most_bytes - memory.peak;
    int64_t left_bytes = tess_max_i64(0, machine->arena.touched_bytes - memory.arena);
    machine->arena.spare_bytes = tess_min_i64(spare_bytes, left_bytes);
    machine->weights.spare_bytes = spare_bytes - machine->arena.spare_bytes;
}

/* An empty one, at the end. */
static enum tess_status add_seat(struct tess_tile_machine *machine,
                                 struct tess_error *error)
{
    if (machine->n_seats == machine->capacity) {
        int capacity = 2 * machine->capacity + 1;
        struct seat **seats =
            realloc(machine->seats, (size_t)capacity * sizeof(struct seat *));
        if (!seats)
            return tess_error_nomem(error);
        machine->seats = seats;
        machine->capacity = capacity;
    }
    struct seat *seat = calloc(1, sizeof *seat);
    if (!seat)
        return tess_error_nomem(error);
    machine->seats[machine->n_seats++] = seat;
    return TESS_OK;
}

static enum tess_status take_new_seat(struct tess_tile_machine *machine,
                                      const struct tess_layout *layout,
                                      const int *origins, struct seat **seat_out,
                                      struct tess_error *error)
{
    const struct tess_tile_machine_config *config = &machine->config;
    struct tess_packed_source blocks = config->blocks;
    if (!machine->shelf) {
        while (machine->n_seats > 0)
            leave_seat(machine);
        tess_weight_labels_before_fit(&machine->labels);
        grant_spare(machine, layout);
        blocks = tess_weight_labels_source(&machine->labels);
    }
    enum tess_status status = add_seat(machine, error);
    if (status != TESS_OK)
        return status;
    struct seat *seat = machine->seats[machine->n_seats - 1];
    seat->layout = layout;
    seat->blocks = (struct tess_packed_renumbered){blocks, origins};
    struct tess_executor_options options = {
        .family = config->family,
        .blocks = tess_packed_renumber(&seat->blocks),
        .n_threads = config->n_threads,
        .pool = machine->pool,
        .arena = &machine->arena,
        .weight_memory = machine->shelf ? NULL : &machine->weights,
        .shelf = machine->shelf,
        .shelf_origins = origins,
    };
    status = tess_executor_create(layout, &options, &seat->executor, error);
    if (status != TESS_OK)
        leave_seat(machine);
    else
        *seat_out = seat;
    return status;
}

static enum tess_status take_seat(struct tess_tile_machine *machine,
                                  const struct tess_layout *layout, const int *origins,
                                  struct seat **seat_out, struct tess_error *error)
{
    for (int i = 0; i < machine->n_seats; i++)
        if (machine->seats[i]->layout == layout) {
            *seat_out = machine->seats[i];
            (*seat_out)->blocks.origins = origins;
            return TESS_OK;
        }
    return take_new_seat(machine, layout, origins, seat_out, error);
}

enum tess_status tess_tile_machine_prepare(struct tess_tile_machine *machine,
                                           const struct tess_layout *layout,
                                           const int *origins, struct tess_error *error)
{
    struct seat *seat;
    return take_seat(machine, layout, origins, &seat, error);
}

/* ---- runs ---- */

/* What a tile is computed for. */
struct results {
    int n;
    const struct tess_tile_result *at;
};

/* What of the part belongs to the result. */
static void copy_part(const struct tess_tile_result *result,
                      const struct tess_plane *part)
{
    size_t channels = (size_t)part->channels;
    int row_end = tess_min_int(part->row + part->n_rows, result->row + result->h);
    int col_end = tess_min_int(part->col + part->n_cols, result->col + result->w);
    int col = tess_max_int(part->col, result->col);
    for (int row = tess_max_int(part->row, result->row); row < row_end; row++) {
        const float *from = part->data + (size_t)(row - part->row) * part->row_stride +
                            (size_t)(col - part->col) * part->pixel_stride;
        size_t pixel =
            (size_t)(row - result->row) * (size_t)result->w + (size_t)(col - result->col);
        float *to = result->map + pixel * channels;
        int n_at_once = part->pixel_stride == channels ? col_end - col : 1;
        for (int x = col; x < col_end; x += n_at_once) {
            memcpy(to, from, (size_t)n_at_once * channels * sizeof *to);
            to += channels;
            from += part->pixel_stride;
        }
    }
}

static enum tess_status copy_results(void *context, int op, const struct tess_plane *part,
                                     struct tess_error *error)
{
    const struct results *results = context;
    (void)error;
    for (int i = 0; i < results->n; i++)
        if (results->at[i].op == op)
            copy_part(&results->at[i], part);
    return TESS_OK;
}

enum tess_status tess_tile_machine_run(struct tess_tile_machine *machine,
                                       const struct tess_layout *layout,
                                       const int *origins,
                                       const struct tess_row_source *input,
                                       const struct tess_tile_result *results,
                                       int n_results, struct tess_error *error)
{
    struct seat *seat = NULL;
    struct results wanted = {n_results, results};
    struct tess_observer observer = {copy_results, &wanted};
    enum tess_status status = take_seat(machine, layout, origins, &seat, error);
    if (status != TESS_OK)
        return status;
    return tess_executor_run(seat->executor, input, &observer, NULL, error);
}
