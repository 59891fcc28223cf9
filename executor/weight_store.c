/* Problem: have the next slice of weights in memory when it is needed, in two slots.
 *
 * Method: slices are numbered as they are needed, from 0 in each run; slice n lies in slot
 * n mod 2. The reader walks the steps of the run by itself, so nobody has to tell it what
 * comes next. Three counters say all: n_read (by the reader), n_taken and n_returned (by
 * the thread that computes).
 *
 * Invariant: n_returned <= n_taken <= n_read <= n_returned + 2. The reader waits where the
 * last is an equality, the other thread where n_taken = n_read, so never both wait.
 *
 * Cost: a slice costs its reading and two wake-ups; nothing is copied.
 *
 * Worked example: op A of three slices, then op B of one slice in two tiles.
 *     needed        A0 A1 A2 B0 B0
 *     slice number   0  1  2  3  3    B0 stays in its slot for the second tile
 *     slot           0  1  0  1  1
 * While A1 (slot 1) is computed, A2 goes to slot 0.
 *
 * Not done: an op whose tiles take turns with those of another is read for each of them.
 */
#include "executor/weight_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/paged_file.h"
#include "model/packed.h"
#include "plan/slices.h"
#include "plan/walk.h"

/* The reader's stack: the walk, a read and an error message take a quarter of it. */
enum { STACK_BYTES = 64 * 1024 };

struct tess_weight_store {
    const struct tess_layout *layout;
    struct tess_weight_supply supply;
    struct tess_memory_block own_memory; /* if the supply brings none */
    char *memory; /* resident blocks, then the slots; NULL if there are neither */
    int64_t memory_bytes, resident_bytes, slot_bytes;
    const void **resident; /* [n_ops] a resident op's blocks, NULL: has none */

    /* Of the thread that computes. */
    int64_t n_taken;
    int taken_op; /* of the slice taken last, -1: none in this run */

    bool has_reader;
    pthread_t reader;
    int read_op; /* of the slice read last, -1: none in this run; the reader's own */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool is_running;  /* the reader has a run to read for */
    bool is_stopping; /* and shall leave it */
    bool is_quitting; /* there will be no other */
    int64_t n_read, n_returned;
    struct tess_weight_slice slices[TESS_SLICES_N_SLOTS];
    enum tess_status status;  /* what reading ended with */
    struct tess_error report; /* of the same */
};

static bool is_single(const struct tess_weight_store *store, int op)
{
    return tess_slices_count(store->layout->plan, store->layout->graph, op) == 1;
}

/* ---- the reader's thread ---- */

/* Waits for a free slot; false if the run is to be left. */
static bool wait_for_slot(struct tess_weight_store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (!store->is_stopping &&
           store->n_read - store->n_returned == TESS_SLICES_N_SLOTS)
        pthread_cond_wait(&store->changed, &store->mutex);
    bool is_free = !store->is_stopping;
    pthread_mutex_unlock(&store->mutex);
    return is_free;
}

/* Where in its slot a slice begins: where it does in a sector of the file, if the slot has room.
 * Then it is read from a disk without being moved. */
static int64_t lead_bytes(const struct tess_weight_store *store, int64_t offset,
                          int64_t n_bytes)
{
    int64_t lead = offset % TESS_PAGED_FILE_ALIGNMENT;
    return lead + n_bytes <= store->slot_bytes ? lead : 0;
}

static enum tess_status read_slice(struct tess_weight_store *store, int op,
                                   int first_block, int n_blocks,
                                   struct tess_error *error)
{
    if (!wait_for_slot(store))
        return TESS_E_INTERNAL; /* ends the walk; nobody asks why */
    int slot = (int)(store->n_read % TESS_SLICES_N_SLOTS);
    int64_t block_bytes = tess_packed_block_bytes(store->layout->graph, op);
    char *packed = store->memory + store->resident_bytes + slot * store->slot_bytes +
                   lead_bytes(store, first_block * block_bytes, n_blocks * block_bytes);
    const struct tess_packed_source *blocks = &store->supply.blocks;
    enum tess_status status =
        blocks->read(blocks->context, op, first_block, n_blocks, packed, error);
    if (status != TESS_OK)
        return status;
    pthread_mutex_lock(&store->mutex);
    store->slices[slot] = (struct tess_weight_slice){packed, first_block, n_blocks};
    store->n_read++;
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->mutex);
    return TESS_OK;
}

static enum tess_status read_step(void *context, const struct tess_step *step,
                                  struct tess_error *error)
{
    struct tess_weight_store *store = context;
    const struct tess_layout *layout = store->layout;
    int op = step->op;
    if (step->kind != TESS_STEP_RUN || !layout->plan->streamed[op])
        return TESS_OK;
    if (op == store->read_op && is_single(store, op))
        return TESS_OK; /* still there */
    store->read_op = op;
    int n_blocks = tess_packed_n_blocks(layout->graph, op), n;
    int most = tess_slices_blocks(layout->plan, layout->graph, op);
    enum tess_status status = TESS_OK;
    for (int first = 0; first < n_blocks && status == TESS_OK; first += n) {
        n = tess_min_int(most, n_blocks - first);
        status = read_slice(store, op, first, n, error);
    }
    return status;
}

static void *read_runs(void *context)
{
    struct tess_weight_store *store = context;
    pthread_mutex_lock(&store->mutex);
    for (;;) {
        while (!store->is_running && !store->is_quitting)
            pthread_cond_wait(&store->changed, &store->mutex);
        if (store->is_quitting)
            break;
        pthread_mutex_unlock(&store->mutex);
        enum tess_status status =
            tess_walk(store->layout, read_step, store, &store->report);
        pthread_mutex_lock(&store->mutex);
        store->status = status;
        store->is_running = false;
        pthread_cond_signal(&store->changed);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static enum tess_status start_reader(struct tess_weight_store *store,
                                     struct tess_error *error)
{
    pthread_attr_t attributes;
    size_t stack_bytes = (size_t)tess_max_i64(STACK_BYTES, sysconf(_SC_THREAD_STACK_MIN));
    if (pthread_attr_init(&attributes) != 0)
        return tess_error_nomem(error);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    store->has_reader =
        pthread_create(&store->reader, &attributes, read_runs, store) == 0;
    pthread_attr_destroy(&attributes);
    if (!store->has_reader)
        return tess_error_set(error, TESS_E_NOMEM,
                              "cannot start the thread that reads weights");
    return TESS_OK;
}

/* ---- the thread that computes ---- */

static bool is_resident(const struct tess_weight_store *store, int op)
{
    bool is_streamed = store->layout->plan->streamed[op] && !store->supply.shelf;
    return !is_streamed && tess_op_has_weights(&store->layout->graph->ops[op]);
}

static int64_t op_bytes(const struct tess_weight_store *store, int op)
{
    const struct tess_graph *graph = store->layout->graph;
    return tess_packed_n_blocks(graph, op) * tess_packed_block_bytes(graph, op);
}

/* How much memory there is to map. */
static void measure(struct tess_weight_store *store)
{
    const struct tess_graph *graph = store->layout->graph;
    const struct tess_plan *plan = store->layout->plan;
    int64_t bytes = 0;
    if (store->supply.shelf)
        return;
    for (int op = 0; op < plan->n_ops; op++)
        bytes += is_resident(store, op) ? op_bytes(store, op) : 0;
    store->resident_bytes = tess_round_up(bytes, TESS_FACTS_PAGE_BYTES);
    store->slot_bytes =
        tess_round_up(tess_slices_slot_bytes(plan, graph), TESS_FACTS_PAGE_BYTES);
    store->memory_bytes = store->resident_bytes + TESS_SLICES_N_SLOTS * store->slot_bytes;
}

static enum tess_status map_memory(struct tess_weight_store *store,
                                   struct tess_error *error)
{
    struct tess_memory_block *block = store->supply.memory;
    if (store->memory_bytes == 0 && !block)
        return TESS_OK;
    block = block ? block : &store->own_memory;
    enum tess_status status = tess_memory_block_fit(block, store->memory_bytes, error);
    store->memory = block->data;
    return status;
}

/* Says where each resident op's blocks will lie, except those on a shelf: at sectors, as far as
 * the last page has room for that. */
static void place(struct tess_weight_store *store)
{
    int64_t at = 0, spare_bytes = store->resident_bytes;
    if (store->supply.shelf)
        return;
    for (int op = 0; op < store->layout->plan->n_ops; op++)
        spare_bytes -= is_resident(store, op) ? op_bytes(store, op) : 0;
    for (int op = 0; op < store->layout->plan->n_ops; op++) {
        if (!is_resident(store, op))
            continue;
        int64_t gap_bytes = tess_round_up(at, TESS_PAGED_FILE_ALIGNMENT) - at;
        gap_bytes = gap_bytes <= spare_bytes ? gap_bytes : 0;
        spare_bytes -= gap_bytes;
        at += gap_bytes;
        store->resident[op] = store->memory + at;
        at += op_bytes(store, op);
    }
    assert(at <= store->resident_bytes);
}

enum tess_status tess_weight_store_create(const struct tess_layout *layout,
                                          const struct tess_weight_supply *supply,
                                          struct tess_weight_store **store_out,
                                          struct tess_error *error)
{
    struct tess_weight_store *store = calloc(1, sizeof *store);
    if (!store)
        return tess_error_nomem(error);
    store->layout = layout;
    store->supply = *supply;
    store->taken_op = store->read_op = -1;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->changed, NULL);
    enum tess_status status = TESS_OK;
    store->resident = calloc((size_t)layout->plan->n_ops, sizeof *store->resident);
    if (!store->resident) {
        status = tess_error_nomem(error);
        goto out;
    }
    measure(store);
    status = map_memory(store, error);
    if (status != TESS_OK)
        goto out;
    place(store);
    if (store->slot_bytes > 0)
        status = start_reader(store, error);
out:
    if (status != TESS_OK)
        tess_weight_store_destroy(store);
    else
        *store_out = store;
    return status;
}

void tess_weight_store_destroy(struct tess_weight_store *store)
{
    if (!store)
        return;
    if (store->has_reader) {
        pthread_mutex_lock(&store->mutex);
        assert(!store->is_running);
        store->is_quitting = true;
        pthread_cond_signal(&store->changed);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->reader, NULL);
    }
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->mutex);
    tess_memory_block_release(&store->own_memory);
    free(store->resident);
    free(store);
}

int64_t tess_weight_store_bytes(const struct tess_weight_store *store)
{
    return store->memory_bytes;
}

enum tess_status tess_weight_store_load(struct tess_weight_store *store, int op,
                                        struct tess_error *error)
{
    const struct tess_weight_supply *supply = &store->supply;
    if (!is_resident(store, op))
        return TESS_OK;
    if (supply->shelf)
        return tess_weight_shelf_find(supply->shelf,
                                      supply->origins ? supply->origins[op] : op,
                                      &store->resident[op], error);
    char *packed = store->memory + ((const char *)store->resident[op] - store->memory);
    return supply->blocks.read(supply->blocks.context, op, 0,
                               tess_packed_n_blocks(store->layout->graph, op), packed,
                               error);
}

const void *tess_weight_store_resident(const struct tess_weight_store *store, int op)
{
    return store->resident[op];
}

void tess_weight_store_begin_run(struct tess_weight_store *store)
{
    if (!store->has_reader)
        return;
    pthread_mutex_lock(&store->mutex);
    assert(!store->is_running);
    store->n_taken = store->n_read = store->n_returned = 0;
    store->taken_op = store->read_op = -1;
    store->status = TESS_OK;
    tess_error_init(&store->report);
    store->is_stopping = false;
    store->is_running = true;
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->mutex);
}

/* Gives back all slices taken. */
static void return_slots(struct tess_weight_store *store)
{
    store->n_returned = store->n_taken;
    pthread_cond_signal(&store->changed);
}

/* Why there is no other slice. */
static enum tess_status report_end(const struct tess_weight_store *store,
                                   struct tess_error *error)
{
    if (store->status == TESS_OK)
        return tess_error_set(error, TESS_E_INTERNAL, "no weights were read for a step");
    if (error && error->status == TESS_OK)
        *error = store->report;
    return store->status;
}

enum tess_status tess_weight_store_take(struct tess_weight_store *store, int op,
                                        struct tess_weight_slice *slice_out,
                                        struct tess_error *error)
{
    assert(store->has_reader && store->layout->plan->streamed[op]);
    enum tess_status status = TESS_OK;
    bool is_held = op == store->taken_op && is_single(store, op);
    pthread_mutex_lock(&store->mutex);
    if (!is_held) {
        return_slots(store);
        while (store->n_read == store->n_taken && store->is_running)
            pthread_cond_wait(&store->changed, &store->mutex);
        if (store->n_read == store->n_taken)
            status = report_end(store, error);
        else
            store->n_taken++;
    }
    if (status == TESS_OK)
        *slice_out = store->slices[(store->n_taken - 1) % TESS_SLICES_N_SLOTS];
    pthread_mutex_unlock(&store->mutex);
    store->taken_op = status == TESS_OK ? op : -1;
    return status;
}

/* A single slice is kept until the next is taken: that may be the same. */
void tess_weight_store_give_back(struct tess_weight_store *store)
{
    assert(store->taken_op >= 0);
    if (is_single(store, store->taken_op))
        return;
    pthread_mutex_lock(&store->mutex);
    return_slots(store);
    pthread_mutex_unlock(&store->mutex);
}

void tess_weight_store_end_run(struct tess_weight_store *store)
{
    if (!store->has_reader)
        return;
    pthread_mutex_lock(&store->mutex);
    store->is_stopping = true;
    pthread_cond_signal(&store->changed);
    while (store->is_running)
        pthread_cond_wait(&store->changed, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
}
