/* Problem: choose which ops hold their weights and how large a slice is, so that what streaming
 * the others costs is least and weights, slots and reader fit the available bytes.
 *
 * Method: two choices make a knapsack: the size s of a slice and the largest block b that is
 * streamed. Ops with larger blocks are held. Of the others each may be held for its bytes w and
 * saves its cost c(s):
 *     maximise sum c over the held, sum w <= available - window(s, b) - what must be held   (1)
 * It is enough to try for s the sizes that slices can have: of two sizes with equal slots the
 * larger makes no more slices. A bound per (s, b), from (1) with the last op held in part,
 * orders them, and most are never solved. (1) itself: the list of all sums (bytes, time) that no
 * other beats in both, op by op, the best time per byte first; a sum is dropped once what the
 * remaining ops could add in the best case is no more than what a greedy choice has.
 *
 * Invariant: a list is sorted by bytes, and time rises strictly along it; each entry is the sum
 * of ops that do fit.
 *
 * Cost: lists of some tens in practice, of at most MAX_SUMS; n_ops steps each.
 *
 * Worked example: available 10, no window. Ops (w, c): (6, 6), (5, 5), (5, 4).
 *   greedy: 6 held, c = 6. Bound with the second in part: 6 + 4 = 10.
 *   lists: {(0,0) (6,6)}, {(0,0) (5,5) (6,6)}, {(0,0) (5,5) (6,6) (10,9)}: 9, read_us 6.
 *
 * Not done: other slice sizes for other ops; sizes between the steps of LADDER where blocks
 * have many sizes.
 *
 * Reference: G. Nemhauser, Z. Ullmann, "Discrete dynamic programming and capital allocation",
 * Management Science 15(9), 1969.
 */
#include "planner/residency.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/slices.h"

/* TUNING: networks of the darknet zoo have up to 98 sizes of blocks; with 16 of them and 32
 * slices the time of a choice is within 0.1 % of that with all (2026-11). */
enum { MAX_BLOCK_SIZES = 16, MAX_SLICES = 32, MAX_SUMS = 4096 };
static const int LADDER[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};

struct item {
    int op; /* as the problem lists them */
    int64_t bytes;
    double saved_us;
};

struct knapsack {
    const struct tess_residency_problem *problem;
    int64_t slice_bytes, block_bytes; /* s, b */
    int64_t window_bytes, held_bytes; /* held: what must be */
    int64_t capacity;                 /* for more weights */
    double total_us;                  /* if nothing is held but what must be */
    struct item *items;
    int n_items;
};

/* A sum of items: a step of the list of one item. */
struct sum {
    int64_t bytes;
    double saved_us;
    int node; /* the last item in it, -1: none */
};
struct node {
    int item, before;
};

struct sums {
    struct sum *now, *next;
    int n_now;
    struct node *nodes;
    int n_nodes, capacity;
    bool is_thinned;
};

static int64_t weights_bytes(const struct tess_residency_problem *problem)
{
    int64_t bytes = 0;
    for (int i = 0; i < problem->n_ops; i++)
        bytes += problem->ops[i].weights_bytes;
    return tess_round_up(bytes, TESS_FACTS_PAGE_BYTES);
}

static int compare_bytes(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int unique(int64_t *sizes, int n)
{
    int n_unique = 0;
    qsort(sizes, (size_t)n, sizeof *sizes, compare_bytes);
    for (int i = 0; i < n; i++)
        if (n_unique == 0 || sizes[i] != sizes[n_unique - 1])
            sizes[n_unique++] = sizes[i];
    return n_unique;
}

/* Keeps at most `most` of the ascending sizes, in steps of one ratio, the first and the last
 * among them. */
static int thin(int64_t *sizes, int n, int most)
{
    if (n <= most)
        return n;
    double step = pow((double)sizes[n - 1] / (double)sizes[0], 1.0 / (most - 1));
    int n_kept = 1;
    for (int i = 1; i < n - 1 && n_kept < most - 1; i++)
        if ((double)sizes[i] >= (double)sizes[0] * pow(step, n_kept))
            sizes[n_kept++] = sizes[i];
    sizes[n_kept++] = sizes[n - 1];
    return n_kept;
}

/* New array of all block sizes, ascending; NULL without memory. */
static int64_t *block_sizes(const struct tess_residency_problem *problem, int *n_out)
{
    int64_t *sizes = calloc((size_t)problem->n_ops + 1, sizeof *sizes);
    for (int i = 0; sizes && i < problem->n_ops; i++)
        sizes[i] = problem->ops[i].block_bytes;
    *n_out = sizes ? unique(sizes, problem->n_ops) : 0;
    return sizes;
}

/* Most blocks of that size that any op has. */
static int most_blocks(const struct tess_residency_problem *problem, int64_t block_bytes)
{
    int most = 0;
    for (int i = 0; i < problem->n_ops; i++)
        if (problem->ops[i].block_bytes == block_bytes)
            most = tess_max_int(most, problem->ops[i].n_blocks);
    return most;
}

/* New array of the slices worth trying, ascending; NULL without memory. */
static int64_t *slice_sizes(const struct tess_residency_problem *problem,
                            const int64_t *blocks, int n_blocks, int *n_out)
{
    enum { N_STEPS = sizeof LADDER / sizeof *LADDER };
    int n = 0;
    int64_t *sizes = calloc((size_t)n_blocks * N_STEPS + 1, sizeof *sizes);
    if (!sizes)
        return NULL;
    for (int i = 0; i < n_blocks; i++) {
        int most = most_blocks(problem, blocks[i]);
        for (int k = 0; k < N_STEPS && LADDER[k] <= most; k++)
            sizes[n++] = blocks[i] * LADDER[k];
    }
    *n_out = thin(sizes, unique(sizes, n), MAX_SLICES);
    return sizes;
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    double by_x = x->saved_us * (double)y->bytes, by_y = y->saved_us * (double)x->bytes;
    if (by_x < by_y || by_x > by_y)
        return by_x > by_y ? -1 : 1;
    return x->op - y->op;
}

/* Sets the knapsack up for its s and b. False if even that which must be held does not fit. */
static bool fill(struct knapsack *knapsack)
{
    const struct tess_residency_problem *problem = knapsack->problem;
    int64_t slot_bytes = 0, most_block_bytes = 0, held_bytes = 0;
    knapsack->n_items = 0;
    knapsack->total_us = 0;
    for (int i = 0; i < problem->n_ops; i++) {
        const struct tess_streamable *op = &problem->ops[i];
        if (op->block_bytes > knapsack->block_bytes ||
            op->block_bytes > knapsack->slice_bytes) {
            held_bytes += op->weights_bytes;
            continue;
        }
        int n_blocks = tess_slices_blocks_within(knapsack->slice_bytes, op->block_bytes,
                                                 op->n_blocks);
        slot_bytes = tess_max_i64(slot_bytes, n_blocks * op->block_bytes);
        most_block_bytes = tess_max_i64(most_block_bytes, op->block_bytes);
        double read_us = tess_cost_read_us(op, knapsack->slice_bytes, problem->facts,
                                           problem->profile);
        knapsack->items[knapsack->n_items++] =
            (struct item){i, op->weights_bytes, read_us};
        knapsack->total_us += read_us;
    }
    knapsack->held_bytes = held_bytes;
    knapsack->window_bytes =
        tess_slices_window_bytes(problem->facts, slot_bytes, most_block_bytes);
    /* Weights held are rounded up to pages, all together. */
    int64_t room = problem->available_bytes - knapsack->window_bytes;
    room -= room > 0 ? room % TESS_FACTS_PAGE_BYTES : 0;
    knapsack->capacity = room - held_bytes;
    return knapsack->capacity >= 0;
}

static void sort_items(struct knapsack *knapsack)
{
    qsort(knapsack->items, (size_t)knapsack->n_items, sizeof *knapsack->items,
          compare_items);
}

/* Most that items [first, n) could save within `bytes`, the last of them held in part. */
static double best_case_us(const struct knapsack *knapsack, int first, int64_t bytes)
{
    double saved_us = 0;
    for (int i = first; i < knapsack->n_items && bytes > 0; i++) {
        const struct item *item = &knapsack->items[i];
        if (item->bytes > bytes)
            return saved_us + item->saved_us * (double)bytes / (double)item->bytes;
        saved_us += item->saved_us;
        bytes -= item->bytes;
    }
    return saved_us;
}

static double greedy_us(const struct knapsack *knapsack)
{
    double saved_us = 0;
    int64_t bytes = knapsack->capacity;
    for (int i = 0; i < knapsack->n_items; i++) {
        if (knapsack->items[i].bytes > bytes)
            continue;
        saved_us += knapsack->items[i].saved_us;
        bytes -= knapsack->items[i].bytes;
    }
    return saved_us;
}

/* ---- equation (1) ---- */

static bool add_node(struct sums *sums, int item, int before, int *node_out)
{
    if (sums->n_nodes == sums->capacity) {
        int capacity = sums->capacity ? 2 * sums->capacity : 1024;
        struct node *nodes = realloc(sums->nodes, sizeof *nodes * (size_t)capacity);
        if (!nodes)
            return false;
        sums->nodes = nodes;
        sums->capacity = capacity;
    }
    sums->nodes[sums->n_nodes] = (struct node){item, before};
    *node_out = sums->n_nodes++;
    return true;
}

/* Keeps the best sum of each of some equal parts of the capacity. */
static void thin_sums(struct sums *sums, int64_t capacity)
{
    enum { N_PARTS = MAX_SUMS / 2 };
    int n_kept = 0;
    int64_t last_part = -1;
    for (int i = 0; i < sums->n_now; i++) {
        int64_t part = sums->now[i].bytes / (capacity / N_PARTS + 1);
        n_kept -= part == last_part; /* time rises along the list */
        sums->now[n_kept++] = sums->now[i];
        last_part = part;
    }
    sums->n_now = n_kept;
    sums->is_thinned = true;
}

/* The list with the item, merged into the list without it. */
static bool add_item(struct sums *sums, const struct knapsack *knapsack, int at,
                     double least_us)
{
    const struct item *item = &knapsack->items[at];
    int without = 0, with = 0, n = 0;
    while (without < sums->n_now || with < sums->n_now) {
        int64_t with_bytes =
            with < sums->n_now ? sums->now[with].bytes + item->bytes : INT64_MAX;
        bool takes_it = without == sums->n_now || with_bytes < sums->now[without].bytes;
        struct sum sum = takes_it ? sums->now[with] : sums->now[without];
        int before = sum.node;
        if (takes_it) {
            with++;
            sum.bytes += item->bytes;
            sum.saved_us += item->saved_us;
        } else {
            without++;
        }
        bool is_beaten = n > 0 && sums->next[n - 1].saved_us >= sum.saved_us;
        if (sum.bytes > knapsack->capacity || is_beaten)
            continue;
        double limit_us =
            sum.saved_us + best_case_us(knapsack, at + 1, knapsack->capacity - sum.bytes);
        if (limit_us < least_us)
            continue;
        if (takes_it && !add_node(sums, at, before, &sum.node))
            return false;
        sums->next[n++] = sum;
    }
    struct sum *swap = sums->now;
    sums->now = sums->next;
    sums->next = swap;
    sums->n_now = n;
    if (n > MAX_SUMS)
        thin_sums(sums, knapsack->capacity);
    return true;
}

static bool pack(struct sums *sums, const struct knapsack *knapsack)
{
    /* Rounding must not drop the greedy choice itself. */
    double least_us = greedy_us(knapsack) * (1 - 1e-12);
    sums->now[0] = (struct sum){0, 0, -1};
    sums->n_now = 1;
    sums->n_nodes = 0;
    sums->is_thinned = false;
    for (int at = 0; at < knapsack->n_items; at++)
        if (!add_item(sums, knapsack, at, least_us))
            return false;
    assert(sums->n_now > 0);
    return true;
}

/* ---- the choice of s and b ---- */

/* Fewest bytes of any choice, and the largest block that it streams; 0: none. */
static int64_t find_least(const struct tess_residency_problem *problem,
                          int64_t *block_bytes_out)
{
    int64_t least_bytes = weights_bytes(problem);
    *block_bytes_out = 0;
    for (int i = 0; i < problem->n_ops; i++) {
        int64_t block_bytes = problem->ops[i].block_bytes, held_bytes = 0;
        for (int j = 0; j < problem->n_ops; j++)
            if (problem->ops[j].block_bytes > block_bytes)
                held_bytes += problem->ops[j].weights_bytes;
        held_bytes = tess_round_up(held_bytes, TESS_FACTS_PAGE_BYTES) +
                     tess_slices_window_bytes(problem->facts, block_bytes, block_bytes);
        if (held_bytes < least_bytes) {
            least_bytes = held_bytes;
            *block_bytes_out = block_bytes;
        }
    }
    return least_bytes;
}

struct choice {
    int64_t slice_bytes, block_bytes;
    double bound_us;
};

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->bound_us < y->bound_us || x->bound_us > y->bound_us)
        return x->bound_us < y->bound_us ? -1 : 1;
    int order = compare_bytes(&x->slice_bytes, &y->slice_bytes);
    return order ? order : compare_bytes(&x->block_bytes, &y->block_bytes);
}

/* Adds the choice if it fits. */
static void add_choice(struct knapsack *knapsack, int64_t slice_bytes,
                       int64_t block_bytes, struct choice *choices, int *n)
{
    knapsack->slice_bytes = slice_bytes;
    knapsack->block_bytes = block_bytes;
    if (!fill(knapsack))
        return;
    sort_items(knapsack);
    double saved_us = best_case_us(knapsack, 0, knapsack->capacity);
    choices[(*n)++] =
        (struct choice){slice_bytes, block_bytes, knapsack->total_us - saved_us};
}

/* New array of the choices that fit, best bound first. */
static enum tess_status list_choices(struct knapsack *knapsack,
                                     struct choice **choices_out, int *n_out,
                                     struct tess_error *error)
{
    const struct tess_residency_problem *problem = knapsack->problem;
    int n_blocks, n_slices = 0, n = 0;
    struct choice *choices = NULL;
    int64_t *slices = NULL, *blocks = block_sizes(problem, &n_blocks);
    if (blocks)
        n_blocks = thin(blocks, n_blocks, MAX_BLOCK_SIZES);
    if (blocks)
        slices = slice_sizes(problem, blocks, n_blocks, &n_slices);
    if (slices)
        choices = calloc((size_t)n_blocks * (size_t)n_slices + 1, sizeof *choices);
    for (int s = 0; choices && s < n_slices; s++) {
        for (int b = n_blocks - 1; b >= 0; b--) {
            if (blocks[b] > slices[s])
                continue;
            add_choice(knapsack, slices[s], blocks[b], choices, &n);
            if (!problem->facts->has_unpacked_source)
                break; /* then streaming larger blocks besides takes no more memory */
        }
    }
    free(blocks);
    free(slices);
    if (!choices)
        return tess_error_nomem(error);
    int64_t least_block_bytes;
    if (find_least(problem, &least_block_bytes) <= problem->available_bytes && n == 0)
        add_choice(knapsack, least_block_bytes, least_block_bytes, choices, &n);
    qsort(choices, (size_t)n, sizeof *choices, compare_choices);
    *choices_out = choices;
    *n_out = n;
    return TESS_OK;
}

/* Takes the best sum over if it is better than what was found so far. */
static void keep(const struct knapsack *knapsack, const struct sums *sums,
                 struct tess_residency *residency)
{
    const struct sum *best = &sums->now[sums->n_now - 1];
    double read_us = fmax(0, knapsack->total_us - best->saved_us);
    int64_t bytes =
        tess_round_up(knapsack->held_bytes + best->bytes, TESS_FACTS_PAGE_BYTES) +
        knapsack->window_bytes;
    if (read_us > residency->read_us ||
        (read_us >= residency->read_us && bytes >= residency->held_bytes))
        return;
    residency->read_us = read_us;
    residency->held_bytes = bytes;
    residency->slice_bytes = knapsack->slice_bytes;
    memset(residency->is_streamed, 0,
           sizeof *residency->is_streamed * (size_t)knapsack->problem->n_ops);
    for (int i = 0; i < knapsack->n_items; i++)
        residency->is_streamed[knapsack->items[i].op] = true;
    for (int node = best->node; node >= 0; node = sums->nodes[node].before)
        residency->is_streamed[knapsack->items[sums->nodes[node].item].op] = false;
}

static enum tess_status solve_choices(struct knapsack *knapsack,
                                      const struct choice *choices, int n_choices,
                                      struct tess_residency *residency,
                                      struct tess_error *error)
{
    struct sums sums = {0};
    enum tess_status status = TESS_OK;
    size_t n_room = 2 * MAX_SUMS + 2;
    sums.now = malloc(sizeof *sums.now * n_room);
    sums.next = malloc(sizeof *sums.next * n_room);
    if (!sums.now || !sums.next)
        status = tess_error_nomem(error);
    for (int i = 0; i < n_choices && status == TESS_OK; i++) {
        if (choices[i].bound_us > residency->read_us)
            break;
        knapsack->slice_bytes = choices[i].slice_bytes;
        knapsack->block_bytes = choices[i].block_bytes;
        fill(knapsack);
        sort_items(knapsack);
        if (!pack(&sums, knapsack)) {
            status = tess_error_nomem(error);
            break;
        }
        residency->is_proven &= !sums.is_thinned;
        keep(knapsack, &sums, residency);
    }
    free(sums.now);
    free(sums.next);
    free(sums.nodes);
    return status;
}

/* ---- public ---- */

int64_t tess_residency_least_bytes(const struct tess_residency_problem *problem)
{
    int64_t block_bytes;
    return find_least(problem, &block_bytes);
}

double tess_residency_bound_us(const struct tess_residency_problem *problem)
{
    double bound_us = INFINITY;
    struct choice *choices = NULL;
    int n_choices = 0;
    if (weights_bytes(problem) <= problem->available_bytes)
        return 0;
    struct knapsack knapsack = {.problem = problem};
    knapsack.items = malloc(sizeof *knapsack.items * ((size_t)problem->n_ops + 1));
    if (knapsack.items &&
        list_choices(&knapsack, &choices, &n_choices, NULL) == TESS_OK && n_choices > 0)
        bound_us = choices[0].bound_us;
    free(choices);
    free(knapsack.items);
    return bound_us;
}

enum tess_status tess_residency_solve(const struct tess_residency_problem *problem,
                                      struct tess_residency *residency_out,
                                      struct tess_error *error)
{
    struct tess_residency residency = {.read_us = INFINITY, .is_proven = true};
    struct knapsack knapsack = {.problem = problem};
    struct choice *choices = NULL;
    int n_choices = 0;
    size_t n = (size_t)problem->n_ops + 1;
    enum tess_status status = TESS_OK;
    residency.is_streamed = calloc(n, sizeof *residency.is_streamed);
    knapsack.items = malloc(sizeof *knapsack.items * n);
    if (!residency.is_streamed || !knapsack.items) {
        status = tess_error_nomem(error);
        goto out;
    }
    if (weights_bytes(problem) <= problem->available_bytes) {
        residency.read_us = 0;
        residency.held_bytes = weights_bytes(problem);
        goto out;
    }
    status = list_choices(&knapsack, &choices, &n_choices, error);
    if (status == TESS_OK)
        status = solve_choices(&knapsack, choices, n_choices, &residency, error);
    if (status == TESS_OK && residency.read_us >= (double)INFINITY)
        status = TESS_E_INFEASIBLE;
out:
    free(choices);
    free(knapsack.items);
    if (status == TESS_OK)
        *residency_out = residency;
    else
        tess_residency_release(&residency);
    return status;
}

void tess_residency_release(struct tess_residency *residency)
{
    free(residency->is_streamed);
    memset(residency, 0, sizeof *residency);
}
