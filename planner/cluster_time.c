/* Problem: n jobs, each to be sent out, computed and sent back, on nodes of unlike speeds and
 * links that share the coordinator's link; who gets which, and when is the last one done?
 *
 * Method: list scheduling. Jobs in order; each is tried on every node as if it came next there,
 * and goes where its result is back first. Sending out holds the coordinator's link for bytes /
 * its rate and the node's for bytes / the node's; the result likewise on the other direction.
 *
 * Invariant: times at which nodes and links are free never go back.
 *
 * Worked example: two nodes of speed 1, links of 10 bytes per us, no latency, two jobs of 100 us
 * with 100 bytes in and out, messages free: the first stays with the coordinator, done at 100;
 * the second goes out in 10, is computed at 110 and back at 120.
 *
 * Not done: results that wait while the coordinator computes; tiles of the next stage that begin
 * before the last one of this is back.
 *
 * Reference: Topcuoglu, Hariri, Wu, "Performance-effective and low-complexity task scheduling",
 * IEEE TPDS 13(3), 2002.
 */
#include "planner/cluster_time.h"

#include <assert.h>
#include <math.h>

/* When everything is free again. */
struct clocks {
    double sends_us, receives_us; /* the coordinator's link, each way */
    double arrives_us[TESS_CLUSTER_MOST_NODES], leaves_us[TESS_CLUSTER_MOST_NODES];
    double computes_us[TESS_CLUSTER_MOST_NODES];
};

struct scheduler {
    const struct tess_cluster *cluster;
    const bool *keeps_weights;
    struct tess_message_cost messages;
    struct clocks clocks;
};

static double bytes_per_us(const struct tess_cluster_node *node)
{
    assert(node->link_mbit > 0);
    return node->link_mbit / 8;
}

/* One message. */
static double handling_us(const struct scheduler *scheduler, int node, double bytes)
{
    const struct tess_message_cost *messages = &scheduler->messages;
    return (messages->us + bytes * messages->us_per_byte) /
           scheduler->cluster->nodes[node].speed;
}

struct tess_message_cost tess_message_cost_typical(void)
{
    return (struct tess_message_cost){
        .us_per_byte = 0.0015, .us = 600, .copy_us_per_byte = 0.0001};
}

double tess_cluster_tile_work(const struct tess_tile_job *job, bool keeps_weights,
                              double speed)
{
    return keeps_weights ? job->compute_us
                         : fmax(job->load_us, job->load_disk_us * speed) +
                               fmax(job->compute_us, job->stream_disk_us * speed);
}

/* One message over both links: when it is there. */
static double pass(double ready_us, double bytes, double near_rate, double far_rate,
                   double *near_us, double *far_us)
{
    double start_us = fmax(ready_us, *near_us);
    *near_us = start_us + bytes / near_rate;
    *far_us = fmax(fmax(start_us, *far_us) + bytes / far_rate, *near_us);
    return *far_us;
}

/* Runs the job on `node` and says when its result is in place; `clocks` move on. */
static double run(const struct scheduler *scheduler, const struct tess_tile_job *job,
                  int node, struct clocks *clocks)
{
    const struct tess_cluster_node *who = &scheduler->cluster->nodes[node];
    const struct tess_cluster_node *hub =
        &scheduler->cluster->nodes[TESS_CLUSTER_COORDINATOR];
    double *hub_us = &clocks->computes_us[TESS_CLUSTER_COORDINATOR];
    double compute_us =
        tess_cluster_tile_work(job, scheduler->keeps_weights[node], who->speed) /
        who->speed;
    if (node == TESS_CLUSTER_COORDINATOR) {
        *hub_us += compute_us + ((double)job->in_bytes + (double)job->out_bytes) *
                                    scheduler->messages.copy_us_per_byte / who->speed;
        return *hub_us;
    }
    double in = (double)job->in_bytes, out = (double)job->out_bytes;
    double hub_in_us = handling_us(scheduler, TESS_CLUSTER_COORDINATOR, in);
    double hub_out_us = handling_us(scheduler, TESS_CLUSTER_COORDINATOR, out);
    *hub_us += hub_in_us + hub_out_us;
    /* A message is whole before it is sent, and before it is looked at. */
    double there_us = pass(hub_in_us, in, bytes_per_us(hub), bytes_per_us(who),
                           &clocks->sends_us, &clocks->arrives_us[node]) +
                      who->latency_us + handling_us(scheduler, node, in);
    double begin_us = fmax(there_us, clocks->computes_us[node]);
    clocks->computes_us[node] = begin_us + compute_us + handling_us(scheduler, node, out);
    return pass(clocks->computes_us[node], out, bytes_per_us(who), bytes_per_us(hub),
                &clocks->leaves_us[node], &clocks->receives_us) +
           who->latency_us + hub_out_us;
}

double tess_cluster_stage_us(const struct tess_cluster *cluster,
                             const bool *keeps_weights, struct tess_message_cost messages,
                             struct tess_tile_job *jobs, int n_jobs)
{
    struct scheduler scheduler = {
        .cluster = cluster, .keeps_weights = keeps_weights, .messages = messages};
    double last_us = 0;
    for (int i = 0; i < n_jobs; i++) {
        struct tess_tile_job *job = &jobs[i];
        struct clocks best = scheduler.clocks;
        int first = job->node >= 0 ? job->node : 0;
        int end = job->node >= 0 ? job->node + 1 : cluster->n_nodes;
        double best_us = INFINITY;
        for (int node = first; node < end; node++) {
            if (cluster->nodes[node].only_serves && end - first > 1)
                continue;
            struct clocks clocks = scheduler.clocks;
            double done_us = run(&scheduler, job, node, &clocks);
            if (done_us < best_us) {
                best_us = done_us;
                best = clocks;
                job->node = node;
            }
        }
        scheduler.clocks = best;
        job->done_us = best_us;
        last_us = fmax(last_us, best_us);
    }
    return fmax(last_us, scheduler.clocks.computes_us[TESS_CLUSTER_COORDINATOR]);
}
