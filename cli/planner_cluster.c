#include "cli/planner_cluster.h"

#include <string.h>

#include "base/file.h"
#include "cli/model_file.h"
#include "cli/planner_input.h"
#include "model/darknet.h"
#include "plan/cluster_text.h"
#include "plan/plan_text.h"
#include "planner/cluster_plan.h"
#include "planner/tile_plans_find.h"

#define FACTS_NAME "kernel facts"

static enum tess_status read_options(const struct tess_args *args, const char *facts,
                                     struct tess_planner_options *options,
                                     struct tess_error *error)
{
    options->n_threads = (int)args->n_threads;
    enum tess_status status =
        tess_facts_read(facts, strlen(facts), FACTS_NAME, &options->facts, error);
    if (status == TESS_OK)
        status = tess_planner_read_profile(args->profile, &options->profile, error);
    return status;
}

/* ---- a plan for all nodes ---- */

static enum tess_status predict(const char *text, const char *name,
                                const struct tess_graph *graph,
                                const struct tess_cluster_options *options,
                                struct tess_cluster_plan **plan_out,
                                struct tess_error *error)
{
    struct tess_cluster_plan *plan = NULL;
    enum tess_status status =
        tess_cluster_plan_read(text, strlen(text), name, graph, &plan, error);
    if (status == TESS_OK)
        status =
            tess_cluster_plan_predict(graph, options, false, plan, NULL, NULL, error);
    if (status == TESS_OK)
        *plan_out = plan;
    else
        tess_cluster_plan_destroy(plan);
    return status;
}

static enum tess_status find(const char *text, const char *name,
                             const struct tess_graph *graph,
                             const struct tess_cluster_options *options,
                             struct tess_cluster_plan **plan_out,
                             struct tess_error *error)
{
    struct tess_cluster cluster;
    enum tess_status status =
        tess_cluster_read(text, strlen(text), name, &cluster, error);
    if (status == TESS_OK)
        status = tess_cluster_plan_find(graph, &cluster, options, plan_out, error);
    return status;
}

static enum tess_status plan_cluster(const struct tess_graph *graph, const char *text,
                                     const char *name,
                                     const struct tess_cluster_options *options,
                                     struct tess_error *error)
{
    struct tess_cluster_plan *plan = NULL;
    struct tess_text out;
    bool is_plan = false;
    tess_text_init(&out);
    enum tess_status status =
        tess_cluster_has_stages(text, strlen(text), name, &is_plan, error);
    if (status == TESS_OK)
        status = (is_plan ? predict : find)(text, name, graph, options, &plan, error);
    if (status == TESS_OK) {
        tess_cluster_plan_write(plan, graph, &out);
        status = tess_file_write_text("-", &out, error);
    }
    tess_cluster_plan_destroy(plan);
    tess_text_release(&out);
    return status;
}

static enum tess_status plan_all(const struct tess_args *args, struct tess_error *error)
{
    struct tess_model_file model;
    struct tess_cluster_options options;
    struct tess_text input;
    const char *strings[2] = {0}; /* facts, cluster */
    tess_text_init(&input);
    tess_cluster_options_init(&options);
    options.sends_bytes = strcmp(args->sends, "bytes") == 0;
    enum tess_status status = tess_model_file_init(&model, args, NULL, error);
    if (status == TESS_OK)
        status = tess_planner_read_strings(&input, strings, 2, error);
    if (status == TESS_OK)
        status = read_options(args, strings[0], &options.planner, error);
    if (status == TESS_OK)
        status = plan_cluster(model.graph, strings[1],
                              args->cluster ? args->cluster : "cluster", &options, error);
    tess_model_file_release(&model);
    tess_text_release(&input);
    return status;
}

/* ---- the plans of one node's tiles ---- */

static bool is_coordinator(const struct tess_cluster *cluster, const char *name)
{
    return strcmp(cluster->nodes[TESS_CLUSTER_COORDINATOR].name, name) == 0;
}

static enum tess_status plan_node(const struct tess_graph *graph, const char *text,
                                  const char *name, struct tess_tile_plans_node *node,
                                  struct tess_error *error)
{
    struct tess_tile_plans plans = {0};
    struct tess_cluster_plan *cluster_plan = NULL;
    struct tess_text out;
    tess_text_init(&out);
    enum tess_status status = tess_cluster_plan_read(text, strlen(text), "cluster plan",
                                                     graph, &cluster_plan, error);
    if (status == TESS_OK) {
        node->is_coordinator = is_coordinator(&cluster_plan->cluster, name);
        status = tess_tile_plans_init(&plans, cluster_plan, graph, error);
    }
    if (status == TESS_OK)
        status = tess_tile_plans_find(cluster_plan, graph, node, &plans, error);
    if (status == TESS_OK) {
        tess_tile_plans_write(&plans, &out);
        status = tess_file_write_text("-", &out, error);
    }
    tess_tile_plans_release(&plans);
    tess_cluster_plan_destroy(cluster_plan);
    tess_text_release(&out);
    return status;
}

static enum tess_status plan_tiles(const struct tess_args *args, struct tess_error *error)
{
    struct tess_tile_plans_node node = {.memory_bytes =
                                            args->has_budget ? args->memory_bytes : 0};
    struct tess_graph *graph = NULL;
    struct tess_text input;
    const char *strings[3] = {0}; /* facts, cluster plan, cfg */
    tess_text_init(&input);
    tess_planner_options_init(&node.planner);
    enum tess_status status = tess_planner_read_strings(&input, strings, 3, error);
    if (status == TESS_OK)
        status = read_options(args, strings[0], &node.planner, error);
    if (status == TESS_OK)
        status = tess_darknet_parse(strings[2], strlen(strings[2]), "cfg", &graph, NULL,
                                    error);
    if (status == TESS_OK)
        status = plan_node(graph, strings[1], args->tiles_of, &node, error);
    tess_graph_destroy(graph);
    tess_text_release(&input);
    return status;
}

enum tess_status tess_planner_cluster(const struct tess_args *args,
                                      struct tess_error *error)
{
    return args->tiles_of ? plan_tiles(args, error) : plan_all(args, error);
}
