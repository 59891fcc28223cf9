#include "schedule/greedy.h"

#include <assert.h>

#include "base/arith.h"
#include "schedule/frontier.h"

struct choice {
    int64_t first, second; /* what is to be small */
    int chain;
};

static bool is_better(const struct choice *a, const struct choice *b)
{
    if (a->first != b->first)
        return a->first < b->first;
    if (a->second != b->second)
        return a->second < b->second;
    return a->chain < b->chain;
}

static int choose(struct tess_frontier *frontier, enum tess_greedy_rule rule,
                  int64_t most)
{
    struct choice best = {INT64_MAX, INT64_MAX, -1};
    for (int i = 0; i < frontier->n_ready; i++) {
        int64_t after, peak = tess_frontier_probe(frontier, frontier->ready[i], &after);
        struct choice choice = {after, peak, frontier->ready[i]};
        if (rule == TESS_GREEDY_LOWEST)
            choice = (struct choice){tess_max_i64(peak, most), after, frontier->ready[i]};
        if (best.chain < 0 || is_better(&choice, &best))
            best = choice;
    }
    return best.chain;
}

enum tess_status tess_greedy_order(const struct tess_chains *chains,
                                   enum tess_greedy_rule rule, bool is_safe,
                                   int *chain_order_out, struct tess_error *error)
{
    struct tess_frontier frontier;
    enum tess_status status = tess_frontier_init(&frontier, chains, false, error);
    if (status != TESS_OK)
        goto out;
    int64_t most = frontier.live.bytes;
    for (int n_moves = 0;;) {
        if (is_safe)
            tess_frontier_run_safe(&frontier, most, &most, chain_order_out, &n_moves);
        if (frontier.n_ready == 0) {
            assert(n_moves == chains->n_chains);
            break;
        }
        int chain = choose(&frontier, rule, most);
        most = tess_max_i64(most, tess_frontier_run(&frontier, chain));
        chain_order_out[n_moves++] = chain;
    }
out:
    tess_frontier_release(&frontier);
    return status;
}
