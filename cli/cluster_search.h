/* What the planner program finds for clusters: a plan for all nodes, and the plans of the tiles
 * for one node.
 */
#ifndef TESS_CLI_CLUSTER_SEARCH_H
#define TESS_CLI_CLUSTER_SEARCH_H

#include "cli/session.h"
#include "plan/cluster.h"

/* A plan for session->graph with predictions, as text (plan/cluster_text.h): the one in
 * `text` [n_bytes] if that is a cluster plan, or the best found for the nodes that it lists, if
 * it is a cluster. The session is started. The planner program reports its errors itself: the
 * error's message is then empty. */
enum tess_status tess_cluster_search(const struct tess_session *session, const char *text,
                                     size_t n_bytes, bool sends_bytes,
                                     struct tess_text *plan_out,
                                     struct tess_error *error);

struct tess_tile_search {
    const char *plan_text; /* a cluster plan with predictions */
    const char *cfg;       /* the network's */
    const char *node;      /* name; one that the plan does not list is a worker */
    struct tess_kernel_facts facts;
    int64_t memory_bytes; /* that the process may hold; 0: no limit */
    int n_threads;
    const char *profile; /* file of the device's profile; NULL or "" for none */
};

/* The plans of the tiles on one node, as text (plan/tile_plans.h). Errors as above. */
enum tess_status tess_tile_search(const struct tess_tile_search *search,
                                  struct tess_text *plans_out, struct tess_error *error);

#endif
