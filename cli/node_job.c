#include "cli/node_job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/darknet.h"
#include "plan/cluster_text.h"

void tess_node_job_write(const struct tess_graph *graph, const struct tess_sha256 *hashes,
                         const struct tess_frame_input *input, const char *plan_text,
                         const char *cfg, struct tess_text *text_out)
{
    char hex[TESS_SHA256_HEX];
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            tess_text_printf(text_out, "%s\n", tess_sha256_text(&hashes[op], hex));
    tess_text_append(text_out, "", 1);
    tess_frame_input_write(input, text_out);
    tess_text_append(text_out, "", 1);
    tess_text_append(text_out, plan_text, strlen(plan_text) + 1);
    tess_text_append(text_out, cfg, strlen(cfg) + 1);
}

static enum tess_status not_understood(const char *what, struct tess_error *error)
{
    tess_error_set(error, TESS_E_CONFIG, "the coordinator's plan is not understood: %s",
                   what);
    tess_error_hint(error, "use the same version of tessera on all nodes");
    return TESS_E_CONFIG;
}

/* The next part of the text; NULL if it does not end. */
static const char *take_part(const char **at, const char *end)
{
    const char *part = *at, *zero = memchr(part, 0, (size_t)(end - part));
    if (zero)
        *at = zero + 1;
    return zero ? part : NULL;
}

static enum tess_status read_hashes(struct tess_node_job *job, const char *text,
                                    struct tess_error *error)
{
    enum { LINE = TESS_SHA256_HEX }; /* 64 digits and the end of the line */
    const struct tess_graph *graph = job->graph;
    size_t left = strlen(text);
    char hex[TESS_SHA256_HEX];
    job->hashes = calloc((size_t)graph->n_ops + 1, sizeof *job->hashes);
    if (!job->hashes)
        return tess_error_nomem(error);
    for (int op = 0; op < graph->n_ops; op++) {
        if (!tess_op_has_weights(&graph->ops[op]))
            continue;
        if (left < LINE || text[LINE - 1] != '\n')
            return not_understood("hashes of weights are missing", error);
        memcpy(hex, text, LINE - 1);
        hex[LINE - 1] = '\0';
        if (!tess_sha256_parse(hex, &job->hashes[op]))
            return not_understood("a hash is none", error);
        text += LINE;
        left -= LINE;
    }
    return left == 0 ? TESS_OK : not_understood("too many hashes of weights", error);
}

static bool reads_input(const struct tess_bundle *bundle)
{
    return bundle->n_tensors > 0 && bundle->tensors[0] == TESS_GRAPH_INPUT;
}

bool tess_node_job_can_convert(const struct tess_graph *graph,
                               const struct tess_cluster_plan *plan)
{
    bool can = true;
    for (int i = 0; i < plan->n_stages && can; i++) {
        struct tess_stage stage;
        if (tess_stage_init(&stage, graph, plan->stages[i].ops, plan->stages[i].n_ops,
                            NULL) != TESS_OK)
            return false;
        can = !reads_input(&stage.input) || stage.input.n_tensors == 1;
        tess_stage_release(&stage);
    }
    return can;
}

static enum tess_status find_regions(struct tess_node_job *job, struct tess_error *error)
{
    const struct tess_cluster_plan *plan = job->plan;
    const struct tess_work *work = &job->work.work;
    job->stages = calloc((size_t)plan->n_stages, sizeof *job->stages);
    job->inputs = calloc((size_t)work->n_tiles, sizeof *job->inputs);
    struct tess_region *regions = calloc((size_t)job->graph->n_ops + 1, sizeof *regions);
    enum tess_status status =
        job->stages && job->inputs && regions ? TESS_OK : tess_error_nomem(error);
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++)
        status = tess_stage_init(&job->stages[i], job->graph, plan->stages[i].ops,
                                 plan->stages[i].n_ops, error);
    for (int i = 0; i < work->n_tiles && status == TESS_OK; i++) {
        struct tess_cluster_place place = job->work.places[i];
        const struct tess_stage *stage = &job->stages[place.stage];
        tess_stage_regions(stage, &plan->stages[place.stage].tiles[place.tile].output,
                           regions);
        job->inputs[i] = regions[stage->n_ops];
    }
    free(regions);
    return status;
}

static enum tess_status read_parts(struct tess_node_job *job, size_t n_bytes,
                                   struct tess_error *error)
{
    const char *at = job->text, *end = job->text + n_bytes;
    const char *hashes = take_part(&at, end), *input = take_part(&at, end);
    struct tess_cluster_input begins_with;
    job->plan_text = take_part(&at, end);
    job->cfg = take_part(&at, end);
    if (!job->cfg || at != end)
        return not_understood("it is not whole", error);
    enum tess_status status = tess_darknet_parse(job->cfg, strlen(job->cfg),
                                                 "network.cfg", &job->graph, NULL, error);
    if (status == TESS_OK)
        status = read_hashes(job, hashes, error);
    if (status == TESS_OK)
        status = tess_frame_input_read(&job->input, input, job->graph, error);
    if (status == TESS_OK)
        status = tess_cluster_plan_read(job->plan_text, strlen(job->plan_text),
                                        "cluster plan", job->graph, &job->plan, error);
    if (status != TESS_OK)
        return status;
    if (job->plan->sends_bytes != (job->input.kind != TESS_FRAME_FLOATS))
        return not_understood("bytes or floats?", error);
    if (job->plan->sends_bytes && !tess_node_job_can_convert(job->graph, job->plan))
        return not_understood("bytes cannot lie beside other maps", error);
    bool is_other = tess_frame_input_work(&job->input, &begins_with);
    status = tess_cluster_work_init(&job->work, job->plan, job->graph,
                                    is_other ? &begins_with : NULL, error);
    return status == TESS_OK ? find_regions(job, error) : status;
}

enum tess_status tess_node_job_read(struct tess_node_job *job, const char *text,
                                    size_t n_bytes, struct tess_error *error)
{
    memset(job, 0, sizeof *job);
    job->text = malloc(n_bytes + 1);
    if (!job->text)
        return tess_error_nomem(error);
    memcpy(job->text, text, n_bytes);
    job->text[n_bytes] = '\0';
    return read_parts(job, n_bytes, error);
}

void tess_node_job_release(struct tess_node_job *job)
{
    for (int i = 0; job->stages && i < job->plan->n_stages; i++)
        tess_stage_release(&job->stages[i]);
    free(job->stages);
    free(job->inputs);
    free(job->hashes);
    tess_cluster_work_release(&job->work);
    tess_cluster_plan_destroy(job->plan);
    tess_graph_destroy(job->graph);
    free(job->text);
    memset(job, 0, sizeof *job);
}
