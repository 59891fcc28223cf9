#include "cli/node_runner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "cli/cluster_search.h"
#include "cli/node_echo.h"
#include "executor/tile_machine.h"
#include "model/op_blob.h"
#include "plan/tile_plans.h"

struct tess_node_runner {
    struct tess_node_runner_config config;
    struct tess_tile_runner tiles;
    bool is_open, is_echo;
    struct tess_node_echo echo; /* while is_echo */
    struct tess_node_job job;
    struct tess_tile_plans plans;
    struct tess_op_blob_files *files; /* NULL: weights are in config.blocks */
    struct tess_tile_machine *machine;
};

static void close_job(void *self)
{
    struct tess_node_runner *runner = self;
    tess_tile_machine_destroy(runner->machine);
    tess_op_blob_files_close(runner->files);
    tess_tile_plans_release(&runner->plans);
    tess_node_job_release(&runner->job);
    tess_node_echo_release(&runner->echo);
    runner->is_echo = false;
    runner->machine = NULL;
    runner->files = NULL;
    runner->is_open = false;
}

/* --- opening --- */

/* What tiles' parts of a photograph have more than those of the network's input, which is what the
 * planner counts: up to three at once (planner/cluster_tile.c). */
static int64_t photo_bytes(const struct tess_node_job *job)
{
    int64_t most_bytes = 0;
    for (int i = 0; i < job->work.work.n_tiles; i++) {
        struct tess_cluster_place place = job->work.places[i];
        struct tess_cluster_payload counted = tess_cluster_payload_of(
            &job->stages[place.stage], &job->inputs[i],
            &job->plan->stages[place.stage].tiles[place.tile].output,
            job->plan->sends_bytes);
        int64_t in_bytes = tess_parts_bytes(&job->work.tiles[i].inputs);
        most_bytes = tess_max_i64(most_bytes, in_bytes - counted.in_bytes);
    }
    return 3 * most_bytes;
}

static enum tess_status find_plans(struct tess_node_runner *runner,
                                   struct tess_error *error)
{
    const struct tess_node_runner_config *config = &runner->config;
    struct tess_text text;
    struct tess_tile_search search = {.plan_text = runner->job.plan_text,
                                      .cfg = runner->job.cfg,
                                      .node = config->name,
                                      .memory_bytes = config->memory_bytes,
                                      .n_threads = config->n_threads,
                                      .profile = config->profile};
    tess_text_init(&text);
    config->family->facts(&search.facts);
    search.facts.source_bytes = config->blobs ? 0 : config->source_bytes;
    search.facts.base_bytes = tess_session_base_bytes() + config->held_bytes +
                              tess_frame_rows_bytes(&runner->job.input) +
                              (config->blobs ? photo_bytes(&runner->job) : 0);
    enum tess_status status = tess_tile_search(&search, &text, error);
    if (status == TESS_OK)
        status = tess_tile_plans_init(&runner->plans, runner->job.plan, runner->job.graph,
                                      error);
    if (status == TESS_OK)
        status = tess_tile_plans_read(&runner->plans, tess_text_string(&text), text.len,
                                      error);
    else if (!error->message[0]) /* the planner has told it on this node's own console */
        tess_error_set(error, status, "no plans for the tiles were found");
    tess_text_release(&text);
    return status;
}

static const struct tess_tile_shape *shape_at(const struct tess_node_runner *runner,
                                              int stage, int tile)
{
    int index = runner->plans.first_tile[stage] + tile;
    return &runner->plans.shapes[runner->plans.shape_of[index]];
}

static enum tess_status too_small(const struct tess_node_runner *runner, int stage_index,
                                  const struct tess_tile_shape *shape,
                                  enum tess_status status, struct tess_error *error)
{
    const struct tess_cluster_stage *stage = &runner->job.plan->stages[stage_index];
    const struct tess_op *ops = runner->job.graph->ops;
    char needs[32], has[32];
    return tess_error_set(
        error, status, "a tile of layers %d to %d takes %s here, --memory is %s",
        ops[stage->ops[0]].layer, ops[stage->ops[stage->n_ops - 1]].layer,
        tess_format_bytes(shape->least_bytes, needs, sizeof needs),
        tess_format_bytes(runner->config.memory_bytes, has, sizeof has));
}

/* The most that any tile which fits will take. */
static enum tess_status check_memory(const struct tess_node_runner *runner,
                                     int64_t *peak_bytes_out, struct tess_error *error)
{
    const struct tess_cluster_plan *plan = runner->job.plan;
    int n_fitting = 0;
    *peak_bytes_out = 0;
    for (int i = 0; i < plan->n_stages; i++)
        for (int j = 0; j < plan->stages[i].n_tiles; j++) {
            const struct tess_tile_shape *shape = shape_at(runner, i, j);
            int node = plan->stages[i].tiles[j].node;
            bool is_ours =
                strcmp(plan->cluster.nodes[node].name, runner->config.name) == 0;
            if (!shape->layout && is_ours)
                return too_small(runner, i, shape, TESS_E_BUDGET, error);
            if (!shape->layout)
                continue;
            n_fitting++;
            *peak_bytes_out = tess_max_i64(*peak_bytes_out, shape->plan->memory.peak);
        }
    return n_fitting > 0
               ? TESS_OK
               : too_small(runner, 0, shape_at(runner, 0, 0), TESS_E_BUDGET, error);
}

static void blob_path(void *context, int op, char *path_out, size_t size)
{
    const struct tess_node_runner *runner = context;
    tess_blobs_path(runner->config.blobs, &runner->job.hashes[op], path_out, size);
}

static bool leaves_cache(const struct tess_node_runner *runner)
{
    int64_t bytes = 0;
    for (int op = 0; op < runner->job.graph->n_ops; op++)
        bytes += tess_op_blob_bytes(runner->job.graph, op);
    return runner->config.memory_bytes > 0 && bytes > runner->config.memory_bytes;
}

static enum tess_status start_machine(struct tess_node_runner *runner,
                                      struct tess_error *error)
{
    struct tess_tile_machine_config config = {.graph = runner->job.graph,
                                              .family = runner->config.family,
                                              .blocks = runner->config.blocks,
                                              .n_threads = runner->config.n_threads,
                                              .keeps_weights =
                                                  runner->plans.keeps_weights};
    if (runner->config.blobs) {
        enum tess_status status =
            tess_op_blob_files_open(runner->job.graph, blob_path, runner,
                                    leaves_cache(runner), &runner->files, error);
        if (status != TESS_OK)
            return status;
        config.blocks = tess_packed_from_blobs(runner->files);
    }
    return tess_tile_machine_create(&config, &runner->machine, error);
}

/* Whoever keeps all weights reads them before it says that it is ready. */
static enum tess_status warm_up(struct tess_node_runner *runner, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    bool is_wanted = runner->plans.keeps_weights && !runner->config.is_reserve;
    for (int i = 0; i < runner->plans.n_shapes && is_wanted && status == TESS_OK; i++) {
        const struct tess_tile_shape *shape = &runner->plans.shapes[i];
        if (shape->layout)
            status = tess_tile_machine_prepare(runner->machine, shape->layout,
                                               shape->tile.origins, error);
    }
    return status;
}

static enum tess_status open_echo(struct tess_node_runner *runner, int n_tiles,
                                  const struct tess_work **work_out,
                                  int64_t *peak_bytes_out, struct tess_error *error)
{
    enum tess_status status = tess_node_echo_init(&runner->echo, n_tiles, error);
    runner->is_echo = true;
    *work_out = &runner->echo.work;
    *peak_bytes_out = tess_session_base_bytes() + 4 * TESS_ECHO_TILE_BYTES;
    return status;
}

static enum tess_status open_job(void *self, const char *text, size_t n_bytes,
                                 const struct tess_work **work_out,
                                 int64_t *peak_bytes_out, struct tess_error *error)
{
    struct tess_node_runner *runner = self;
    int n_echo_tiles;
    close_job(runner);
    if (tess_node_echo_read(text, n_bytes, &n_echo_tiles))
        return open_echo(runner, n_echo_tiles, work_out, peak_bytes_out, error);
    enum tess_status status = tess_node_job_read(&runner->job, text, n_bytes, error);
    if (status == TESS_OK)
        status = find_plans(runner, error);
    if (status == TESS_OK)
        status = check_memory(runner, peak_bytes_out, error);
    if (status == TESS_OK)
        status = start_machine(runner, error);
    if (status == TESS_OK)
        status = warm_up(runner, error);
    if (status != TESS_OK) {
        close_job(runner);
        return status;
    }
    runner->is_open = true;
    *work_out = &runner->job.work.work;
    return TESS_OK;
}

/* --- running --- */

/* The maps of a bundle side by side, from parts that lie one after the other. */
struct parts_reader {
    const struct tess_parts *parts;
    const float *at[TESS_PARTS_MAX];
};

static enum tess_status read_parts(void *context, const struct tess_plane *rows,
                                   struct tess_error *error)
{
    const struct parts_reader *reader = context;
    size_t width = (size_t)tess_range_len(reader->parts->at[0].cols);
    float *to = rows->data;
    (void)error;
    for (int i = 0; i < reader->parts->n; i++) {
        size_t channels = (size_t)tess_range_len(reader->parts->at[i].channels);
        for (int y = 0; y < rows->n_rows; y++) {
            const float *from =
                reader->at[i] +
                ((size_t)(rows->row + y) * width + (size_t)rows->col) * channels;
            float *row = to + (size_t)y * rows->row_stride;
            for (int x = 0; x < rows->n_cols; x++)
                memcpy(row + (size_t)x * rows->pixel_stride, from + (size_t)x * channels,
                       channels * sizeof *row);
        }
        to += channels;
    }
    return TESS_OK;
}

static void reader_init(struct parts_reader *reader, const struct tess_parts *parts,
                        const void *input)
{
    const unsigned char *at = input;
    reader->parts = parts;
    for (int i = 0; i < parts->n; i++) {
        reader->at[i] = (const float *)(const void *)at;
        at += tess_part_bytes(&parts->at[i]);
    }
}

/* The first `n` parts, side by side in `from`, one after the other. */
static void split_output(const struct tess_parts *parts, int n, const float *from,
                         float *to)
{
    size_t all = 0, first = 0;
    for (int i = 0; i < n; i++)
        all += (size_t)tess_range_len(parts->at[i].channels);
    for (int i = 0; i < n; i++) {
        const struct tess_part *part = &parts->at[i];
        size_t channels = (size_t)tess_range_len(part->channels);
        size_t n_pixels =
            (size_t)tess_range_len(part->rows) * (size_t)tess_range_len(part->cols);
        for (size_t pixel = 0; pixel < n_pixels; pixel++, to += channels)
            memcpy(to, from + pixel * all + first, channels * sizeof *to);
        first += channels;
    }
}

/* The results of a tile: its output bundle to `bundle`, each map of its side to its place in the
 * packed `output`. Returns how many. */
static int list_results(const struct tess_tile_shape *shape,
                        const struct tess_parts *parts, float *bundle, void *output,
                        struct tess_tile_result *results)
{
    const struct tess_tile_graph *tile = &shape->tile;
    int n_main = parts->n - tile->n_sides, n = 0;
    unsigned char *at = output;
    results[n++] =
        (struct tess_tile_result){.op = tile->output_op,
                                  .h = tess_range_len(tile->output.axis[TESS_ROWS]),
                                  .w = tess_range_len(tile->output.axis[TESS_COLS]),
                                  .map = bundle};
    for (int i = 0; i < parts->n; i++) {
        if (i >= n_main) {
            const struct tess_tile_side *side = &tile->sides[i - n_main];
            results[n++] = (struct tess_tile_result){side->op, side->row, side->col,
                                                     side->h,  side->w,   (void *)at};
        }
        at += tess_part_bytes(&parts->at[i]);
    }
    return n;
}

static enum tess_status run_shape(struct tess_node_runner *runner, int number,
                                  const struct tess_tile_shape *shape, const void *input,
                                  const struct tess_tile_result *results, int n_results,
                                  struct tess_error *error)
{
    const struct tess_work_tile *tile = &runner->job.work.tiles[number];
    struct tess_cluster_place place = runner->job.work.places[number];
    const struct tess_bundle *reads = &runner->job.stages[place.stage].input;
    struct parts_reader reader;
    struct tess_frame_rows rows = {0};
    struct tess_row_source source = {read_parts, &reader};
    enum tess_status status = TESS_OK;
    if (reads->n_tensors == 1 && reads->tensors[0] == TESS_GRAPH_INPUT) {
        source = (struct tess_row_source){tess_frame_rows_read, &rows};
        status = tess_frame_rows_init(&rows, &runner->job.input,
                                      &runner->job.inputs[number], input, error);
    } else {
        reader_init(&reader, &tile->inputs, input);
    }
    if (status == TESS_OK)
        status =
            tess_tile_machine_run(runner->machine, shape->layout, shape->tile.origins,
                                  &source, results, n_results, error);
    tess_frame_rows_release(&rows);
    return status;
}

/* Bytes of the output bundle. */
static size_t bundle_bytes(const struct tess_tile_shape *shape,
                           const struct tess_parts *parts)
{
    int64_t n_bytes = 0;
    for (int i = 0; i < parts->n - shape->tile.n_sides; i++)
        n_bytes += tess_part_bytes(&parts->at[i]);
    return (size_t)n_bytes;
}

static enum tess_status run_tile(void *self, int stage, int tile, const void *input,
                                 void *output, struct tess_error *error)
{
    struct tess_node_runner *runner = self;
    struct tess_tile_result results[1 + TESS_PARTS_MAX];
    if (runner->is_echo) {
        tess_node_echo_run(input, output);
        return TESS_OK;
    }
    int number = runner->job.work.stages[stage].first_tile + tile;
    struct tess_cluster_place place = runner->job.work.places[number];
    const struct tess_tile_shape *shape = shape_at(runner, place.stage, place.tile);
    const struct tess_parts *parts = &runner->job.work.tiles[number].outputs;
    int n_main = parts->n - shape->tile.n_sides;
    if (!shape->layout)
        return too_small(runner, stage, shape, TESS_E_NOMEM, error);
    float *bundle = n_main == 1 ? output : malloc(bundle_bytes(shape, parts));
    if (!bundle)
        return tess_error_nomem(error);
    int n_results = list_results(shape, parts, bundle, output, results);
    enum tess_status status =
        run_shape(runner, number, shape, input, results, n_results, error);
    if (status == TESS_OK && n_main > 1)
        split_output(parts, n_main, bundle, output);
    if (n_main > 1)
        free(bundle);
    return status;
}

/* --- life --- */

enum tess_status tess_node_runner_create(const struct tess_node_runner_config *config,
                                         struct tess_node_runner **runner_out,
                                         struct tess_error *error)
{
    struct tess_node_runner *runner = calloc(1, sizeof *runner);
    assert(config->family->uses_packed);
    if (!runner)
        return tess_error_nomem(error);
    runner->config = *config;
    runner->tiles = (struct tess_tile_runner){open_job, run_tile, close_job, runner};
    *runner_out = runner;
    return TESS_OK;
}

void tess_node_runner_destroy(struct tess_node_runner *runner)
{
    if (!runner)
        return;
    close_job(runner);
    free(runner);
}

const struct tess_tile_runner *tess_node_runner_tiles(struct tess_node_runner *runner)
{
    return &runner->tiles;
}

const struct tess_node_job *tess_node_runner_job(const struct tess_node_runner *runner)
{
    return runner->is_open ? &runner->job : NULL;
}
