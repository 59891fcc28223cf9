#include "cli/cluster_file.h"

#include "base/file.h"
#include "plan/cluster_text.h"

enum { FILE_LIMIT_BYTES = 1 << 20 };

enum tess_status tess_cluster_file_nodes(const char *path,
                                         struct tess_cluster *cluster_out,
                                         struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_file_read(path, FILE_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status = tess_cluster_read(tess_text_string(&text), text.len, path, cluster_out,
                                   error);
    tess_text_release(&text);
    return status;
}

static enum tess_status read_plan(const char *path, const struct tess_graph *graph,
                                  struct tess_cluster_plan **plan_out,
                                  struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_file_read(path, FILE_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status = tess_cluster_plan_read(tess_text_string(&text), text.len, path, graph,
                                        plan_out, error);
    tess_text_release(&text);
    return status;
}

static enum tess_status use_nodes(const char *path, const struct tess_cluster *cluster,
                                  struct tess_cluster_plan *plan,
                                  struct tess_error *error)
{
    struct tess_error found;
    tess_error_init(&found);
    enum tess_status status = tess_cluster_plan_set_cluster(plan, cluster, &found);
    return status == TESS_OK
               ? TESS_OK
               : tess_error_at(error, status, path, 0, 0, "%s", found.message);
}

enum tess_status tess_cluster_file_read(const struct tess_args *args,
                                        const struct tess_graph *graph,
                                        struct tess_text *text_out,
                                        struct tess_error *error)
{
    struct tess_cluster cluster = {0};
    struct tess_cluster_plan *plan = NULL;
    enum tess_status status = TESS_OK;
    if (!args->plan && !args->cluster) {
        tess_error_set(error, TESS_E_USAGE, "no cluster given");
        tess_error_hint(error, "--cluster FILE names the nodes (docs/cluster-plan.md)");
        return TESS_E_USAGE;
    }
    if (args->cluster)
        status = tess_cluster_file_nodes(args->cluster, &cluster, error);
    if (status == TESS_OK && args->plan)
        status = read_plan(args->plan, graph, &plan, error);
    if (status == TESS_OK && args->plan && args->cluster)
        status = use_nodes(args->cluster, &cluster, plan, error);
    if (status != TESS_OK) {
        tess_cluster_plan_destroy(plan);
        return status;
    }
    struct tess_cluster *nodes = plan ? &plan->cluster : &cluster;
    if (args->has_budget)
        nodes->nodes[TESS_CLUSTER_COORDINATOR].memory_bytes = args->memory_bytes;
    if (plan)
        tess_cluster_plan_write(plan, graph, text_out);
    else
        tess_cluster_write(nodes, text_out);
    tess_cluster_plan_destroy(plan);
    return text_out->is_broken ? tess_error_nomem(error) : TESS_OK;
}
