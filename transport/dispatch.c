#include "transport/dispatch.h"

#include <assert.h>

struct finish {
    double arrive_us, computed_us, finish_us, uplink_free_us;
};

static double latest(double a, double b)
{
    return a > b ? a : b;
}

static struct finish predict(const struct tess_dispatch_node *node, int number,
                             const struct tess_dispatch_tile *tile, double uplink_free_us,
                             double uplink_bytes_per_us)
{
    struct finish finish = {.uplink_free_us = uplink_free_us};
    double moved_bytes = (double)tile->moved_bytes[number];
    if (node->link_bytes_per_us > 0) {
        double arrive = node->link_free_us + moved_bytes / node->link_bytes_per_us;
        if (uplink_bytes_per_us > 0) {
            finish.uplink_free_us += moved_bytes / uplink_bytes_per_us;
            arrive = latest(arrive, finish.uplink_free_us);
        }
        finish.arrive_us = arrive + node->latency_us;
    }
    finish.computed_us =
        latest(finish.arrive_us, node->free_us) + (double)tile->cost / node->cost_per_us;
    finish.finish_us = finish.computed_us;
    if (node->link_bytes_per_us > 0)
        finish.finish_us +=
            (double)tile->output_bytes / node->link_bytes_per_us + node->latency_us;
    return finish;
}

static bool is_possible(const struct tess_dispatch_node *node, int number,
                        const struct tess_dispatch_tile *tile)
{
    return node->is_able && !(node->unable_stages >> tile->stage & 1) &&
           !(tile->unable_nodes >> number & 1);
}

/* Could a node that is no reserve do it, now or later? */
static bool has_other(const struct tess_dispatch_node *nodes, int n_nodes,
                      const struct tess_dispatch_tile *tile)
{
    for (int n = 0; n < n_nodes; n++)
        if (!nodes[n].is_reserve && is_possible(&nodes[n], n, tile))
            return true;
    return false;
}

static void give(struct tess_dispatch_node *node, struct tess_dispatch_tile *tile,
                 const struct finish *finish)
{
    tile->arrive_us = finish->arrive_us;
    tile->computed_us = finish->computed_us;
    tile->finish_us = finish->finish_us;
    tile->is_sent = node->room_tiles > 0 && node->room_bytes >= tile->input_bytes;
    if (tile->is_sent) {
        node->room_tiles--;
        node->room_bytes -= tile->input_bytes;
    } else {
        node->room_tiles = 0; /* no later tile overtakes this one */
    }
    if (node->link_bytes_per_us > 0)
        node->link_free_us = latest(finish->arrive_us - node->latency_us, 0);
    node->free_us = finish->computed_us;
}

/* TUNING: a plan knows more than the moment does: what a tile's followers find kept, and who is
 * about to be busy. So a tile stays where it was planned unless it would be done much earlier
 * elsewhere. YOLOv2 on six emulated boards, medians of runs of 7 frames, each in turns with runs of
 * which no tile moved: 1.5 times 1571 to 1758 ms a frame, 2 to 3 times 1541 to 1593, never moved
 * 1510 to 1628. */
static bool is_good_enough(const struct finish *planned, const struct finish *best)
{
    const double most_times = 2.5, slack_us = 30000;
    return planned->finish_us <= most_times * best->finish_us + slack_us;
}

void tess_dispatch(struct tess_dispatch_node *nodes, int n_nodes,
                   double uplink_bytes_per_us, struct tess_dispatch_tile *tiles,
                   int n_tiles)
{
    double uplink_free_us = 0;
    assert(n_nodes <= TESS_DISPATCH_NODES_MAX);
    for (int t = 0; t < n_tiles; t++) {
        struct tess_dispatch_tile *tile = &tiles[t];
        struct finish best = {0}, planned = {0};
        bool can_be_planned = false;
        tile->node = -1;
        tile->is_sent = false;
        bool spares_reserve = has_other(nodes, n_nodes, tile);
        for (int n = 0; n < n_nodes; n++) {
            if (!is_possible(&nodes[n], n, tile) ||
                (nodes[n].is_reserve && spares_reserve))
                continue;
            struct finish finish =
                predict(&nodes[n], n, tile, uplink_free_us, uplink_bytes_per_us);
            if (tile->node < 0 || finish.finish_us < best.finish_us) {
                best = finish;
                tile->node = n;
            }
            if (n == tile->planned) {
                planned = finish;
                can_be_planned = true;
            }
        }
        if (can_be_planned && !nodes[tile->planned].is_slow &&
            is_good_enough(&planned, &best)) {
            best = planned;
            tile->node = tile->planned;
        }
        if (tile->node >= 0) {
            give(&nodes[tile->node], tile, &best);
            uplink_free_us = best.uplink_free_us;
        }
    }
}
