#include "cli/node_setup.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cluster_file.h"
#include "cli/cluster_search.h"
#include "cli/node_local.h"
#include "cli/node_verbs.h"
#include "plan/cluster_text.h"

/* --- the plan --- */

static enum tess_status check_args(const struct tess_args *args, struct tess_error *error)
{
    if (args->is_whole_frames && args->plan)
        return tess_error_set(
            error, TESS_E_USAGE,
            "--whole-frames is a plan of its own: --plan does not go with "
            "it");
    int n_given = (args->n_local > 0) + (args->cluster || args->plan);
    if (n_given == 1)
        return TESS_OK;
    tess_error_set(error, TESS_E_USAGE,
                   n_given
                       ? "--local makes a cluster of its own: --cluster and --plan do "
                         "not go with it"
                       : "no cluster given");
    tess_error_hint(error, "--cluster FILE names the nodes (docs/cluster.md); --local 2 "
                           "tries it on this machine");
    return TESS_E_USAGE;
}

/* The text that planning begins with: a cluster or a cluster plan. */
static enum tess_status read_cluster(const struct tess_node_setup *setup,
                                     struct tess_text *text, struct tess_error *error)
{
    struct tess_cluster cluster;
    if (setup->args->n_local == 0)
        return tess_cluster_file_read(setup->args, setup->session.graph, text, error);
    tess_node_local_cluster(setup->args, &cluster);
    tess_cluster_write(&cluster, text);
    return text->is_broken ? tess_error_nomem(error) : TESS_OK;
}

/* The plan of a cluster that computes frames whole: one stage of one tile, which goes to whoever is
 * free first. */
static enum tess_status plan_whole(const struct tess_graph *graph, bool sends_bytes,
                                   struct tess_text *text, struct tess_error *error)
{
    struct tess_cluster cluster;
    struct tess_cluster_plan *plan = NULL;
    struct tess_cluster_tile tile = {.node = 0};
    struct tess_stage stage = {0};
    int *ops = malloc(sizeof *ops * (size_t)graph->n_ops);
    if (!ops)
        return tess_error_nomem(error);
    for (int op = 0; op < graph->n_ops; op++)
        ops[op] = op;
    enum tess_status status =
        tess_cluster_read(tess_text_string(text), text->len, "cluster", &cluster, error);
    if (status == TESS_OK)
        status = tess_stage_init(&stage, graph, ops, graph->n_ops, error);
    if (status == TESS_OK)
        status = tess_cluster_plan_create(graph, &cluster, &plan, error);
    if (status == TESS_OK) {
        tile.output = tess_stage_whole(&stage);
        status = tess_cluster_plan_add(plan, ops, graph->n_ops, &tile, 1, error);
    }
    if (status == TESS_OK) {
        tess_text_release(text);
        plan->sends_bytes = sends_bytes;
        tess_cluster_plan_write(plan, graph, text);
        status = text->is_broken ? tess_error_nomem(error) : TESS_OK;
    }
    tess_cluster_plan_destroy(plan);
    tess_stage_release(&stage);
    free(ops);
    return status;
}

/* A plan that is given says how its input travels. */
static enum tess_status adapt_input(struct tess_node_setup *setup,
                                    const struct tess_text *text,
                                    struct tess_error *error)
{
    struct tess_cluster_plan *plan = NULL;
    if (!setup->args->plan)
        return TESS_OK;
    enum tess_status status =
        tess_cluster_plan_read(tess_text_string(text), text->len, setup->args->plan,
                               setup->session.graph, &plan, error);
    if (status != TESS_OK)
        return status;
    bool can_be_bytes = setup->frames.input.kind != TESS_FRAME_FLOATS;
    if (!plan->sends_bytes)
        tess_node_frames_use_floats(&setup->frames);
    else if (!can_be_bytes) {
        status = tess_error_at(error, TESS_E_CONFIG, setup->args->plan, 0, 0,
                               "the plan sends bytes, but the input has values between "
                               "them");
        tess_error_hint(error, "write \"input: floats\" in the plan");
    }
    tess_cluster_plan_destroy(plan);
    return status;
}

static enum tess_status find_plan(struct tess_node_setup *setup, struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = read_cluster(setup, &text, error);
    if (status == TESS_OK)
        status = adapt_input(setup, &text, error);
    if (status == TESS_OK && setup->args->is_whole_frames)
        status = plan_whole(setup->session.graph,
                            setup->frames.input.kind != TESS_FRAME_FLOATS, &text, error);
    if (status == TESS_OK)
        status = tess_cluster_search(&setup->session, tess_text_string(&text), text.len,
                                     setup->frames.input.kind != TESS_FRAME_FLOATS,
                                     &setup->plan_text, error);
    tess_text_release(&text);
    return status;
}

/* --- the job --- */

static void show_hashing(void *context, double done)
{
    tess_progress_show(context, done);
}

static enum tess_status hash_weights(struct tess_node_setup *setup,
                                     struct tess_packed_source blocks,
                                     struct tess_error *error)
{
    tess_progress_init(&setup->progress, "reading weights", !setup->args->is_quiet);
    enum tess_status status =
        tess_op_blobs_init(&setup->blobs, setup->session.graph, blocks, show_hashing,
                           &setup->progress, error);
    tess_progress_finish(&setup->progress);
    if (status != TESS_OK)
        return status;
    setup->entries = calloc((size_t)setup->blobs.n_blobs + 1, sizeof *setup->entries);
    if (!setup->entries)
        return tess_error_nomem(error);
    for (int i = 0; i < setup->blobs.n_blobs; i++)
        setup->entries[i] = (struct tess_blob_entry){
            .hash = setup->blobs.blobs[i].hash, .n_bytes = setup->blobs.blobs[i].n_bytes};
    return TESS_OK;
}

static enum tess_status write_job(struct tess_node_setup *setup, struct tess_error *error)
{
    const struct tess_graph *graph = setup->session.graph;
    struct tess_text cfg;
    struct tess_sha256 *hashes = calloc((size_t)graph->n_ops + 1, sizeof *hashes);
    if (!hashes)
        return tess_error_nomem(error);
    for (int i = 0; i < setup->blobs.n_blobs; i++)
        hashes[setup->blobs.blobs[i].op] = setup->blobs.blobs[i].hash;
    tess_text_init(&cfg);
    enum tess_status status =
        tess_model_file_cfg(&setup->session.model, setup->args, &cfg, error);
    if (status == TESS_OK)
        tess_node_job_write(graph, hashes, &setup->frames.input,
                            tess_text_string(&setup->plan_text), tess_text_string(&cfg),
                            &setup->job_text);
    if (status == TESS_OK && setup->job_text.is_broken)
        status = tess_error_nomem(error);
    tess_text_release(&cfg);
    free(hashes);
    return status;
}

/* This node computes, too: its tiles come from the same job. */
static enum tess_status open_job(struct tess_node_setup *setup,
                                 struct tess_packed_source blocks,
                                 struct tess_error *error)
{
    const struct tess_work *work;
    int64_t peak_bytes;
    struct tess_cluster cluster;
    enum tess_status status =
        tess_cluster_read(tess_text_string(&setup->plan_text), setup->plan_text.len,
                          "cluster plan", &cluster, error);
    if (status != TESS_OK)
        return status;
    struct tess_node_runner_config config = {
        .name = cluster.nodes[0].name,
        .family = setup->session.family,
        .blocks = blocks,
        .source_bytes = tess_model_file_source_bytes(&setup->session.model),
        .memory_bytes = cluster.nodes[0].memory_bytes,
        .is_reserve = cluster.nodes[0].only_serves,
        .n_threads = setup->session.n_threads,
        .profile = setup->session.profile};
    status = tess_node_runner_create(&config, &setup->runner, error);
    if (status != TESS_OK)
        return status;
    const struct tess_tile_runner *tiles = tess_node_runner_tiles(setup->runner);
    status = tiles->open(tiles->self, tess_text_string(&setup->job_text),
                         setup->job_text.len, &work, &peak_bytes, error);
    setup->job = tess_node_runner_job(setup->runner);
    return status;
}

static enum tess_status prepare(struct tess_node_setup *setup, struct tess_error *error)
{
    const struct tess_args *args = setup->args;
    struct tess_packed_source blocks;
    enum tess_status status = check_args(args, error);
    if (status == TESS_OK)
        status = tess_session_init(&setup->session, args, error);
    if (status == TESS_OK)
        status = tess_model_file_open_weights(&setup->session.model, args, error);
    if (status == TESS_OK)
        status = tess_node_frames_init(&setup->frames, args, setup->session.graph, error);
    if (status == TESS_OK)
        status = tess_session_start(&setup->session, error);
    if (status == TESS_OK)
        status = tess_node_check_family(args, setup->session.family, error);
    if (status == TESS_OK)
        status = tess_model_file_blocks(&setup->session.model, &blocks, error);
    if (status == TESS_OK)
        status = find_plan(setup, error);
    if (status == TESS_OK)
        status = hash_weights(setup, blocks, error);
    if (status == TESS_OK)
        status = write_job(setup, error);
    if (status == TESS_OK)
        status = open_job(setup, blocks, error);
    malloc_trim(0);
    return status;
}

enum tess_status tess_node_setup_init(struct tess_node_setup *setup,
                                      const struct tess_args *args,
                                      struct tess_error *error)
{
    memset(setup, 0, sizeof *setup);
    setup->args = args;
    tess_text_init(&setup->plan_text);
    tess_text_init(&setup->job_text);
    return prepare(setup, error);
}

void tess_node_setup_release(struct tess_node_setup *setup)
{
    tess_node_runner_destroy(setup->runner);
    tess_op_blobs_release(&setup->blobs);
    tess_node_frames_release(&setup->frames);
    tess_session_release(&setup->session);
    tess_text_release(&setup->plan_text);
    tess_text_release(&setup->job_text);
    free(setup->entries);
    memset(setup, 0, sizeof *setup);
}
