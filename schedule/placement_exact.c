/* Problem: put blocks into an arena of a given size, or prove that they do not fit.
 *
 * Method: depth-first search in canonical order. A section is a run of steps with the same blocks
 * alive; those whose blocks are all alive in the next or last one, too, are left out. Blocks are
 * placed by rising offset, those of equal offset by rising number; each onto the highest block
 * placed in its sections: its lowest place. Of all placements that fit, the one with the least
 * sum of offsets is such a sequence, and nothing below cuts it off.
 *   - All that is still to come lies at or above the last offset and its own lowest place. A
 *     section in which this plus the sum of sizes to come exceeds the capacity: back.       (1)
 *   - A block goes only below the lowest top that any other could reach: that one would fit
 *     beneath for good, and the sum of offsets were not the least.                          (2)
 *   - Where nothing to come spans two neighbouring sections the rest falls apart: each part is
 *     searched by itself, once.                                                             (3)
 * In what order candidates are tried decides: several orders take turns, with more and more work.
 *
 * Invariant: the blocks placed are apart, and all others can lie on top of them.
 *
 * Cost: exponential at worst; a node is O(blocks to come + their spans).
 *
 * Worked example: capacity 6; A [0,1] 4, B [1,2] 2, C [2,3] 4. Sections: {A,B}, {B,C}. A at 0;
 * B's lowest place is 4, C's is 0: C at 0, B at 4, top 6.
 *
 * Not done: lower bounds that pack sections; search beyond some thousand blocks.
 *
 * Reference: Moffitt, "MiniMalloc: a lightweight memory allocator for hardware-accelerated machine
 * learning", ASPLOS 2023.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "schedule/placement_priv.h"

enum {
    MAX_PIECES = 4096, /* the search calls itself once per block */
    N_RULES = 4,
    FIRST_WORK = 1000, /* of a turn, for each block; a round has four times as much */
};

struct piece {
    int64_t size;
    int first, end;  /* sections */
    double ranks[3]; /* by which pieces are sorted, falling */
    int block;
};

struct exact {
    int64_t capacity;
    double deadline_us;
    struct piece *pieces; /* [n_pieces] in the order of a rule */
    int n_pieces, n_sections;
    int64_t *sums;  /* [n_sections] to come */
    int64_t *least; /* [n_sections] scratch: lowest place to come */
    int *crossing;  /* [n_sections] pieces to come that span this and the last section */
    int64_t *offsets; /* [n_pieces] */
    int *stack;       /* lists of pieces to come, one above the other */
    int64_t *lowest;  /* alike: their lowest places */
    size_t capacity_stack;
    int64_t work_left; /* blocks and sections of theirs that nodes look at */
    int64_t n_nodes;
    bool is_lowest_first; /* candidates: by lowest place, else by number */
    bool has_no_memory;
};

/* Pieces to come that hang together: stack[begin..end). */
struct part {
    size_t begin, end;
    int first, last; /* sections, last excluded */
};

/* The last placement: what comes lies behind it. */
struct last {
    int64_t offset;
    int piece;
};

static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    for (int i = 0; i < 3; i++)
        if (x->ranks[i] < y->ranks[i] || x->ranks[i] > y->ranks[i])
            return x->ranks[i] > y->ranks[i] ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->block - y->block;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* First index of a rising list whose step is at least `step`. */
static int index_of(const int *steps, int n_steps, int step)
{
    int low = 0, high = n_steps;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (steps[middle] < step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Sections begin where some block begins, and are kept if some block ends before the next one:
 * fills steps [n_blocks] with where the kept ones begin, returns how many. */
static int cut_sections(const struct tess_block *blocks, const int64_t *sizes,
                        int n_blocks, int *steps, bool *has_end)
{
    int n_steps = 0, n_begins = 0, n_kept = 0;
    for (int i = 0; i < n_blocks; i++)
        if (sizes[i] > 0)
            steps[n_steps++] = blocks[i].first_step;
    if (n_steps > 1)
        qsort(steps, (size_t)n_steps, sizeof *steps, compare_ints);
    for (int i = 0; i < n_steps; i++)
        if (n_begins == 0 || steps[n_begins - 1] != steps[i])
            steps[n_begins++] = steps[i];
    for (int i = 0; i < n_blocks; i++)
        if (sizes[i] > 0)
            has_end[index_of(steps, n_begins, blocks[i].last_step + 1) - 1] = true;
    for (int i = 0; i < n_begins; i++)
        if (has_end[i])
            steps[n_kept++] = steps[i];
    return n_kept;
}

static enum tess_status make_pieces(struct exact *exact, const struct tess_block *blocks,
                                    const int64_t *sizes, int n_blocks,
                                    struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int *steps = malloc(sizeof *steps * ((size_t)n_blocks + 1));
    bool *has_end = calloc((size_t)n_blocks + 1, sizeof *has_end);
    if (!steps || !has_end) {
        status = tess_error_nomem(error);
        goto out;
    }
    exact->n_sections = cut_sections(blocks, sizes, n_blocks, steps, has_end);
    for (int i = 0; i < n_blocks; i++)
        if (sizes[i] > 0)
            exact->pieces[exact->n_pieces++] = (struct piece){
                .size = sizes[i],
                .first = index_of(steps, exact->n_sections, blocks[i].first_step),
                .end = index_of(steps, exact->n_sections, blocks[i].last_step + 1),
                .block = i};
out:
    free(steps);
    free(has_end);
    return status;
}

/* Sorts the pieces by a rule; most alive in one of their sections, size times span, span. */
static void sort_pieces(struct exact *exact, int rule)
{
    for (int i = 0; i < exact->n_pieces; i++) {
        struct piece *piece = &exact->pieces[i];
        int64_t most = 0;
        for (int s = piece->first; s < piece->end; s++)
            most = tess_max_i64(most, exact->sums[s]);
        double total = (double)most, span = piece->end - piece->first;
        double area = (double)piece->size * span;
        double ranks[N_RULES][3] = {{total, area, span},
                                    {span, area, total},
                                    {total, span, area},
                                    {area, span, total}};
        memcpy(piece->ranks, ranks[rule], sizeof piece->ranks);
    }
    qsort(exact->pieces, (size_t)exact->n_pieces, sizeof *exact->pieces, compare_pieces);
}

/* Takes a piece out of what is to come (sign -1), or puts it back (1). */
static void count_piece(struct exact *exact, const struct piece *piece, int sign)
{
    for (int s = piece->first; s < piece->end; s++) {
        exact->sums[s] += sign * piece->size;
        if (s > piece->first)
            exact->crossing[s] += sign;
    }
}

/* Lists what is to come of `part` after `placed`, sections in turn, above the stack; false if
 * some section overflows (1). */
static bool list_rest(struct exact *exact, const struct part *part, int placed,
                      struct part *rest_out)
{
    const struct piece *below = &exact->pieces[placed];
    int64_t offset = exact->offsets[placed], top = offset + below->size;
    size_t at = part->end;
    for (int s = part->first; s < part->last; s++)
        exact->least[s] = INT64_MAX;
    for (size_t i = part->begin; i < part->end; i++) {
        int id = exact->stack[i];
        const struct piece *piece = &exact->pieces[id];
        int64_t lowest = exact->lowest[i];
        if (id == placed)
            continue;
        if (piece->first < below->end && below->first < piece->end)
            lowest = tess_max_i64(lowest, top);
        exact->stack[at] = id;
        exact->lowest[at++] = lowest;
        exact->work_left -= 1 + piece->end - piece->first;
        lowest = tess_max_i64(lowest, offset);
        if (lowest + piece->size > exact->capacity)
            return false;
        for (int s = piece->first; s < piece->end; s++)
            exact->least[s] = tess_min_i64(exact->least[s], lowest);
    }
    for (int s = part->first; s < part->last; s++)
        if (exact->sums[s] > 0 && exact->least[s] > exact->capacity - exact->sums[s])
            return false;
    *rest_out = (struct part){part->end, at, part->first, part->last};
    return true;
}

/* Room on the stack for two more lists of n pieces. */
static bool grow_stack(struct exact *exact, size_t end, size_t n)
{
    if (end + 2 * n <= exact->capacity_stack)
        return true;
    size_t capacity = 2 * (end + 2 * n);
    int *stack = realloc(exact->stack, sizeof *stack * capacity);
    if (stack)
        exact->stack = stack;
    int64_t *lowest = realloc(exact->lowest, sizeof *lowest * capacity);
    if (lowest)
        exact->lowest = lowest;
    if (!stack || !lowest) {
        exact->has_no_memory = true;
        return false;
    }
    exact->capacity_stack = capacity;
    return true;
}

/* What comes next of the list after candidate `at`, or SIZE_MAX; candidates lie at or above the
 * last placement and below `top` (2). */
static size_t next_candidate(const struct exact *exact, const struct part *part,
                             size_t at, struct last last, int64_t top)
{
    size_t found = SIZE_MAX;
    size_t begin = at == SIZE_MAX || exact->is_lowest_first ? part->begin : at + 1;
    for (size_t i = begin; i < part->end; i++) {
        int64_t lowest = exact->lowest[i];
        if (lowest < last.offset || lowest >= top ||
            (lowest == last.offset && exact->stack[i] < last.piece))
            continue;
        if (!exact->is_lowest_first)
            return i;
        bool is_after = at == SIZE_MAX || lowest > exact->lowest[at] ||
                        (lowest == exact->lowest[at] && i > at);
        if (is_after && (found == SIZE_MAX || lowest < exact->lowest[found]))
            found = i;
    }
    return found;
}

static enum tess_exact_answer search(struct exact *exact, const struct part *part,
                                     struct last last);

/* Searches the parts that the rest falls into (3). */
static enum tess_exact_answer search_parts(struct exact *exact, const struct part *rest,
                                           struct last last)
{
    enum tess_exact_answer answer = TESS_EXACT_FOUND;
    for (int first = rest->first; first < rest->last && answer == TESS_EXACT_FOUND;) {
        int end = first + 1;
        while (end < rest->last && exact->crossing[end] > 0)
            end++;
        struct part part = {rest->end, rest->end, first, end};
        if (first == rest->first && end == rest->last)
            part = *rest; /* the only one: as it is */
        for (size_t i = rest->begin; i < rest->end && part.begin > rest->begin; i++) {
            const struct piece *piece = &exact->pieces[exact->stack[i]];
            if (piece->first < first || piece->end > end)
                continue;
            exact->stack[part.end] = exact->stack[i];
            exact->lowest[part.end++] = exact->lowest[i];
        }
        if (part.end > part.begin)
            answer = search(exact, &part, last);
        first = end;
    }
    return answer;
}

static enum tess_exact_answer search(struct exact *exact, const struct part *part,
                                     struct last last)
{
    int64_t top = INT64_MAX;
    for (size_t i = part->begin; i < part->end; i++)
        top = tess_min_i64(top, exact->lowest[i] + exact->pieces[exact->stack[i]].size);
    size_t at = next_candidate(exact, part, SIZE_MAX, last, top);
    for (; at != SIZE_MAX; at = next_candidate(exact, part, at, last, top)) {
        int id = exact->stack[at];
        struct last placed = {exact->lowest[at], id};
        struct part rest;
        if (exact->work_left < 0 ||
            (++exact->n_nodes % 256 == 0 && tess_deadline_is_past(exact->deadline_us)) ||
            !grow_stack(exact, part->end, part->end - part->begin))
            return TESS_EXACT_LIMIT;
        exact->offsets[id] = placed.offset;
        count_piece(exact, &exact->pieces[id], -1);
        enum tess_exact_answer answer = TESS_EXACT_NONE;
        if (list_rest(exact, part, id, &rest))
            answer = search_parts(exact, &rest, placed);
        count_piece(exact, &exact->pieces[id], 1);
        if (answer != TESS_EXACT_NONE)
            return answer;
    }
    return TESS_EXACT_NONE;
}

/* ---- turns ---- */

/* All pieces, none placed. */
static enum tess_exact_answer start_turn(struct exact *exact, int rule, int64_t work)
{
    struct part all = {0, 0, 0, exact->n_sections};
    struct last none = {0, -1};
    sort_pieces(exact, rule % N_RULES);
    exact->is_lowest_first = rule >= N_RULES;
    exact->work_left = work;
    if (!grow_stack(exact, 0, (size_t)exact->n_pieces))
        return TESS_EXACT_LIMIT;
    for (int i = 0; i < exact->n_pieces; i++) {
        exact->stack[all.end] = i;
        exact->lowest[all.end++] = 0;
    }
    for (int s = 0; s < exact->n_sections; s++)
        if (exact->sums[s] > exact->capacity)
            return TESS_EXACT_NONE;
    return search_parts(exact, &all, none);
}

static enum tess_exact_answer take_turns(struct exact *exact, int64_t *work_left)
{
    int64_t work = FIRST_WORK * (int64_t)exact->n_pieces;
    for (int turn = 0; *work_left > 0; turn++) {
        if (turn == 2 * N_RULES) {
            turn = 0;
            work *= 4;
        }
        int64_t granted = tess_min_i64(work, *work_left);
        enum tess_exact_answer answer = start_turn(exact, turn, granted);
        *work_left -= granted - tess_max_i64(exact->work_left, 0);
        if (answer != TESS_EXACT_LIMIT || exact->has_no_memory ||
            tess_deadline_is_past(exact->deadline_us))
            return answer;
    }
    return TESS_EXACT_LIMIT;
}

static enum tess_status start(struct exact *exact, const struct tess_block *blocks,
                              const int64_t *sizes, int n_blocks,
                              struct tess_error *error)
{
    size_t n = (size_t)n_blocks + 1;
    exact->pieces = calloc(n, sizeof *exact->pieces);
    exact->sums = calloc(n, sizeof *exact->sums);
    exact->least = calloc(n, sizeof *exact->least);
    exact->crossing = calloc(n, sizeof *exact->crossing);
    exact->offsets = calloc(n, sizeof *exact->offsets);
    if (!exact->pieces || !exact->sums || !exact->least || !exact->crossing ||
        !exact->offsets)
        return tess_error_nomem(error);
    enum tess_status status = make_pieces(exact, blocks, sizes, n_blocks, error);
    for (int i = 0; i < exact->n_pieces && status == TESS_OK; i++)
        count_piece(exact, &exact->pieces[i], 1);
    return status;
}

enum tess_status tess_placement_exact(const struct tess_block *blocks,
                                      const int64_t *sizes, int n_blocks,
                                      int64_t capacity_bytes, int64_t *work_left,
                                      double deadline_us, int64_t *offsets_out,
                                      enum tess_exact_answer *answer_out,
                                      struct tess_error *error)
{
    struct exact exact = {.capacity = capacity_bytes, .deadline_us = deadline_us};
    enum tess_status status = start(&exact, blocks, sizes, n_blocks, error);
    if (status == TESS_OK) {
        *answer_out = exact.n_pieces > MAX_PIECES ? TESS_EXACT_LIMIT
                                                  : take_turns(&exact, work_left);
        for (int i = 0; i < n_blocks && *answer_out == TESS_EXACT_FOUND; i++)
            offsets_out[i] = 0;
        for (int i = 0; i < exact.n_pieces && *answer_out == TESS_EXACT_FOUND; i++)
            offsets_out[exact.pieces[i].block] = exact.offsets[i];
        if (exact.has_no_memory)
            status = tess_error_nomem(error);
    }
    free(exact.pieces);
    free(exact.sums);
    free(exact.least);
    free(exact.crossing);
    free(exact.offsets);
    free(exact.stack);
    free(exact.lowest);
    return status;
}
