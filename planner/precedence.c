/* Problem: find pairs of chains (u, v) such that every order with a peak of at most B bytes runs
 * u before v.
 *
 * Method: v runs in some state I that contains all that v needs and nothing that needs v. If u has
 * not run before v, I lacks u and all that needs u. Then while v runs at least
 *     min over such I of alive(I) + rise(v)                                                (1)
 * are alive, and after it
 *     min over such I of alive(I + v)                                                      (2)
 * where rise(v) is the most that a step of v adds to what was alive before v, if all inputs that
 * can die with v do. Both are minimum cuts. If one is above B, u must run before v. The same
 * with u in I: then v must run before u. Both: no order is within B. Each pair that is found makes
 * the cuts of others larger: repeated until a round finds nothing.
 *
 * Invariant: all orders within B keep to all pairs.
 *
 * Cost: up to four minimum cuts for each pair of chains that is not in order yet, per round.
 *
 * Worked example: a -> x (8) -> c -> z (1), b -> y (8), d reads y and z; B = 12. While c runs x is
 * alive, and z is made. Had b run before, y would be alive, too, since d needs c: 17. So c runs
 * before b, and with it a.
 *
 * Not done: alternatives such as "a and c before b, or b and d before a", which say something
 * without any pair; trying a pair to see whether it leads to a contradiction.
 */
#include "planner/precedence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "planner/chain_steps.h"
#include "schedule/cut.h"

static uint64_t *bits(uint64_t *rows, const struct tess_precedence *precedence, int chain)
{
    return rows + (size_t)chain * (size_t)precedence->n_words;
}

bool tess_precedence_is_before(const struct tess_precedence *precedence, int chain_a,
                               int chain_b)
{
    return bits(precedence->after, precedence, chain_a)[chain_b / 64] >> chain_b % 64 & 1;
}

int tess_precedence_count(const struct tess_precedence *precedence, int chain,
                          bool is_after)
{
    const uint64_t *row =
        bits(is_after ? precedence->after : precedence->before, precedence, chain);
    int n = 0;
    for (int i = 0; i < precedence->n_words; i++)
        n += __builtin_popcountll(row[i]);
    return n;
}

/* Of all pairs, those that do not follow from others. */
static bool is_direct(const struct tess_precedence *precedence, int chain_a, int chain_b)
{
    const uint64_t *after = bits(precedence->after, precedence, chain_a);
    const uint64_t *before = bits(precedence->before, precedence, chain_b);
    if (!tess_precedence_is_before(precedence, chain_a, chain_b))
        return false;
    for (int i = 0; i < precedence->n_words; i++)
        if (after[i] & before[i])
            return false;
    return true;
}

/* Writes the lists of what is directly before and after each chain. */
static enum tess_status list_pairs(struct tess_precedence *precedence,
                                   struct tess_error *error)
{
    struct tess_chains *chains = &precedence->chains;
    int n = chains->n_chains, capacity = 4 * n + 16, n_used = 0;
    int *lists = malloc(sizeof *lists * (size_t)capacity);
    int *first = malloc(sizeof *first * (2 * (size_t)n + 1));
    for (int i = 0; i < 2 * n && lists && first; i++) {
        first[i] = n_used;
        for (int other = 0; other < n && lists; other++) {
            if (i < n ? !is_direct(precedence, other, i)
                      : !is_direct(precedence, i - n, other))
                continue;
            if (n_used == capacity) {
                capacity *= 2;
                int *grown = realloc(lists, sizeof *lists * (size_t)capacity);
                if (!grown)
                    free(lists);
                lists = grown;
            }
            if (lists)
                lists[n_used++] = other;
        }
    }
    if (!lists || !first) {
        free(lists);
        free(first);
        return tess_error_nomem(error);
    }
    first[2 * n] = n_used;
    for (int i = 0; i < n; i++) {
        struct tess_chain *chain = &chains->chains[i];
        chain->before = lists + first[i];
        chain->n_before = first[i + 1] - first[i];
        chain->after = lists + first[n + i];
        chain->n_after = first[n + i + 1] - first[n + i];
    }
    free(first);
    free(chains->lists);
    chains->lists = lists;
    return TESS_OK;
}

/* Adds to a row all of another and its chain. */
static void join_row(const struct tess_precedence *precedence, uint64_t *row,
                     const uint64_t *other, int chain)
{
    for (int i = 0; i < precedence->n_words; i++)
        row[i] |= other[i];
    row[chain / 64] |= UINT64_C(1) << chain % 64;
}

/* Adds a pair and what follows from it. */
static void add_pair(struct tess_precedence *precedence, int chain_a, int chain_b)
{
    const uint64_t *behind = bits(precedence->after, precedence, chain_b);
    const uint64_t *ahead = bits(precedence->before, precedence, chain_a);
    for (int i = 0; i < precedence->chains.n_chains; i++) {
        if (i == chain_a || tess_precedence_is_before(precedence, i, chain_a))
            join_row(precedence, bits(precedence->after, precedence, i), behind, chain_b);
        if (i == chain_b || behind[i / 64] >> i % 64 & 1)
            join_row(precedence, bits(precedence->before, precedence, i), ahead, chain_a);
    }
}

enum tess_status tess_precedence_init(struct tess_precedence *precedence,
                                      const struct tess_chains *chains,
                                      struct tess_error *error)
{
    size_t n = (size_t)chains->n_chains, n_tasks = (size_t)chains->graph->n_tasks;
    *precedence = (struct tess_precedence){
        .chains = {.graph = chains->graph, .n_chains = chains->n_chains}};
    precedence->chains.chains = malloc((n + 1) * sizeof *chains->chains);
    precedence->chains.chain_of = malloc((n_tasks + 1) * sizeof *chains->chain_of);
    precedence->n_words = (int)(n / 64 + 1);
    precedence->after = calloc(2 * n * (n / 64 + 1) + 1, sizeof *precedence->after);
    if (!precedence->chains.chains || !precedence->chains.chain_of || !precedence->after)
        return tess_error_nomem(error);
    precedence->before = precedence->after + n * (n / 64 + 1);
    if (n > 0)
        memcpy(precedence->chains.chains, chains->chains, n * sizeof *chains->chains);
    if (n_tasks > 0)
        memcpy(precedence->chains.chain_of, chains->chain_of,
               n_tasks * sizeof *chains->chain_of);
    for (int i = 0; i < chains->n_chains; i++)
        for (int k = 0; k < chains->chains[i].n_before; k++)
            if (!tess_precedence_is_before(precedence, chains->chains[i].before[k], i))
                add_pair(precedence, chains->chains[i].before[k], i);
    return list_pairs(precedence, error);
}

void tess_precedence_release(struct tess_precedence *precedence)
{
    if (!precedence)
        return;
    tess_chains_release(&precedence->chains);
    free(precedence->after);
    *precedence = (struct tess_precedence){0};
}

/* Is at least more than `limit` alive while `chain` runs, or after it, if `other` is on `side`? */
static enum tess_status is_beyond(struct tess_cut *cut, int chain, int64_t rise,
                                  int other, enum tess_side side, int64_t limit,
                                  bool *is_beyond_out, struct tess_error *error)
{
    int64_t bytes;
    tess_cut_free_all(cut);
    tess_cut_set(cut, chain, TESS_SIDE_WAITS);
    const struct tess_chain *item = &cut->chains->chains[chain];
    for (int k = 0; k < item->n_before; k++)
        tess_cut_set(cut, item->before[k], TESS_SIDE_RUN);
    if (cut->side[other] != (signed char)side)
        tess_cut_set(cut, other, side);
    enum tess_status status =
        tess_cut_find(cut, limit + 1 - rise, &bytes, error); /* (1) */
    if (status != TESS_OK)
        return status;
    *is_beyond_out = bytes + rise > limit;
    if (*is_beyond_out)
        return TESS_OK;
    cut->side[chain] = TESS_SIDE_RUN;
    status = tess_cut_find(cut, limit + 1, &bytes, error); /* (2) */
    if (status == TESS_OK)
        *is_beyond_out = bytes > limit;
    return status;
}

/* Looks at `chain` against all others. */
static enum tess_status force_chain(struct tess_precedence *precedence,
                                    struct tess_cut *cut, int chain, int64_t limit,
                                    int64_t rise, bool *has_changed,
                                    bool *is_possible_out, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    bool is_new = false;
    for (int other = 0; other < precedence->chains.n_chains && status == TESS_OK;
         other++) {
        bool not_before = false, not_after = false;
        if (other == chain || tess_precedence_is_before(precedence, chain, other) ||
            tess_precedence_is_before(precedence, other, chain))
            continue;
        status =
            is_beyond(cut, chain, rise, other, TESS_SIDE_RUN, limit, &not_before, error);
        if (status == TESS_OK)
            status = is_beyond(cut, chain, rise, other, TESS_SIDE_WAITS, limit,
                               &not_after, error);
        if (status != TESS_OK || (!not_before && !not_after))
            continue;
        if (not_before && not_after) {
            *is_possible_out = false;
            break;
        }
        add_pair(precedence, not_before ? chain : other, not_before ? other : chain);
        *has_changed = is_new = true;
    }
    /* Until here the lists lacked the new pairs, which made the cuts smaller but not wrong. */
    return status == TESS_OK && is_new ? list_pairs(precedence, error) : status;
}

enum tess_status tess_precedence_force(struct tess_precedence *precedence,
                                       int64_t limit_bytes, double deadline_us,
                                       bool *is_possible_out, struct tess_error *error)
{
    struct tess_cut cut;
    bool has_changed = true;
    enum tess_status status = tess_cut_init(&cut, &precedence->chains, error);
    *is_possible_out = true;
    while (has_changed && status == TESS_OK && *is_possible_out) {
        has_changed = false;
        for (int i = 0; i < precedence->chains.n_chains && status == TESS_OK; i++) {
            if (!*is_possible_out || tess_deadline_is_past(deadline_us)) {
                has_changed = false;
                break;
            }
            int64_t rise = 0;
            status = tess_chain_least_rise(precedence, i, &rise, error);
            if (status == TESS_OK)
                status = force_chain(precedence, &cut, i, limit_bytes, rise, &has_changed,
                                     is_possible_out, error);
        }
    }
    tess_cut_release(&cut);
    return status;
}
