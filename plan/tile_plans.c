#include "plan/tile_plans.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_text.h"
#include "plan/verify.h"

#define FILE_NAME "plans of tiles"
#define KEEPS "keeps_weights: yes\n"
#define KEEPS_NOT "keeps_weights: no\n"
#define LEAST "least: "

/* ---- shapes ---- */

static bool has_size_of(const struct tess_region *a, const struct tess_region *b)
{
    return tess_range_len(a->axis[TESS_ROWS]) == tess_range_len(b->axis[TESS_ROWS]) &&
           tess_range_len(a->axis[TESS_COLS]) == tess_range_len(b->axis[TESS_COLS]);
}

static bool has_sides_of(const struct tess_tile_graph *a, const struct tess_tile_graph *b)
{
    for (int i = 0; i < a->n_sides; i++)
        if (a->sides[i].row != b->sides[i].row || a->sides[i].col != b->sides[i].col)
            return false;
    return a->n_sides == b->n_sides;
}

/* Tiles of one stage: others may have other weights. */
static bool is_alike(const struct tess_tile_graph *a, const struct tess_tile_graph *b)
{
    return a->graph->hash == b->graph->hash && has_size_of(&a->input, &b->input) &&
           has_size_of(&a->output, &b->output) && has_sides_of(a, b);
}

/* Takes the tile: into the shapes, or away if one of those from `first_shape` on is like it. */
static int take(struct tess_tile_plans *plans, int first_shape,
                struct tess_tile_graph *tile)
{
    for (int i = first_shape; i < plans->n_shapes; i++)
        if (is_alike(&plans->shapes[i].tile, tile)) {
            tess_tile_graph_release(tile);
            return i;
        }
    plans->shapes[plans->n_shapes].tile = *tile;
    return plans->n_shapes++;
}

static enum tess_status add_stage(struct tess_tile_plans *plans,
                                  const struct tess_cluster_stage *has, int first_tile,
                                  const struct tess_graph *graph,
                                  struct tess_error *error)
{
    struct tess_stage stage;
    int first_shape = plans->n_shapes;
    enum tess_status status = tess_stage_init(&stage, graph, has->ops, has->n_ops, error);
    if (status != TESS_OK)
        return status;
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        struct tess_tile_graph tile;
        status = tess_tile_graph_init(&tile, &stage, &has->tiles[i].output, error);
        if (status == TESS_OK)
            plans->shape_of[first_tile + i] = take(plans, first_shape, &tile);
    }
    tess_stage_release(&stage);
    return status;
}

enum tess_status tess_tile_plans_init(struct tess_tile_plans *plans,
                                      const struct tess_cluster_plan *cluster_plan,
                                      const struct tess_graph *graph,
                                      struct tess_error *error)
{
    size_t n_tiles = 0, n_stages = (size_t)cluster_plan->n_stages;
    enum tess_status status = TESS_OK;
    assert(n_stages > 0);
    memset(plans, 0, sizeof *plans);
    for (size_t i = 0; i < n_stages; i++)
        n_tiles += (size_t)cluster_plan->stages[i].n_tiles;
    plans->shapes = calloc(n_tiles, sizeof *plans->shapes);
    plans->shape_of = calloc(n_tiles, sizeof *plans->shape_of);
    plans->first_tile = calloc(n_stages, sizeof *plans->first_tile);
    if (!plans->shapes || !plans->shape_of || !plans->first_tile)
        return tess_error_nomem(error);
    for (int i = 0, first = 0; i < cluster_plan->n_stages && status == TESS_OK; i++) {
        plans->first_tile[i] = first;
        status = add_stage(plans, &cluster_plan->stages[i], first, graph, error);
        first += cluster_plan->stages[i].n_tiles;
    }
    return status;
}

static void forget_plan(struct tess_tile_shape *shape)
{
    tess_layout_destroy(shape->layout);
    tess_plan_destroy(shape->plan);
    shape->layout = NULL;
    shape->plan = NULL;
    shape->least_bytes = 0;
}

void tess_tile_plans_release(struct tess_tile_plans *plans)
{
    for (int i = 0; i < plans->n_shapes; i++) {
        forget_plan(&plans->shapes[i]);
        tess_tile_graph_release(&plans->shapes[i].tile);
    }
    free(plans->shapes);
    free(plans->shape_of);
    free(plans->first_tile);
    memset(plans, 0, sizeof *plans);
}

/* ---- text ---- */

void tess_tile_plans_write(const struct tess_tile_plans *plans,
                           struct tess_text *text_out)
{
    tess_text_printf(text_out, "%s", plans->keeps_weights ? KEEPS : KEEPS_NOT);
    tess_text_append(text_out, "", 1);
    for (int i = 0; i < plans->n_shapes; i++) {
        const struct tess_tile_shape *shape = &plans->shapes[i];
        if (shape->plan)
            tess_plan_write(shape->plan, shape->tile.graph, text_out);
        else
            tess_text_printf(text_out, LEAST "%" PRId64 "\n", shape->least_bytes);
        tess_text_append(text_out, "", 1);
    }
}

/* A part of the text, its zero byte excluded. */
struct piece {
    const char *text;
    size_t n_bytes;
};

static enum tess_status next_piece(struct piece *rest, struct piece *piece_out,
                                   struct tess_error *error)
{
    const char *end = rest->n_bytes ? memchr(rest->text, '\0', rest->n_bytes) : NULL;
    if (!end)
        return tess_error_set(error, TESS_E_CONFIG, FILE_NAME ": the text ends early");
    *piece_out = (struct piece){rest->text, (size_t)(end - rest->text)};
    rest->n_bytes -= piece_out->n_bytes + 1;
    rest->text = end + 1;
    return TESS_OK;
}

static enum tess_status read_keeps(const struct piece *piece, bool *keeps_out,
                                   struct tess_error *error)
{
    *keeps_out = strcmp(piece->text, KEEPS) == 0;
    if (!*keeps_out && strcmp(piece->text, KEEPS_NOT) != 0)
        return tess_error_set(error, TESS_E_CONFIG,
                              FILE_NAME ": keeps_weights must be yes or no");
    return TESS_OK;
}

static enum tess_status read_least(const struct piece *piece, int64_t *bytes_out,
                                   struct tess_error *error)
{
    char number[24] = "";
    size_t before = strlen(LEAST);
    size_t len = piece->n_bytes - before;
    if (len >= 2 && len <= sizeof number && piece->text[piece->n_bytes - 1] == '\n')
        memcpy(number, piece->text + before, len - 1);
    if (!tess_parse_i64(number, 1, INT64_MAX, bytes_out))
        return tess_error_set(error, TESS_E_CONFIG,
                              FILE_NAME ": least must be a number of bytes");
    return TESS_OK;
}

static enum tess_status check_streams(const struct tess_plan *plan,
                                      struct tess_error *error)
{
    for (int op = 0; op < plan->n_ops; op++)
        if (plan->streamed[op])
            return tess_error_set(error, TESS_E_CONFIG,
                                  FILE_NAME ": a node that keeps weights streams none");
    return TESS_OK;
}

static enum tess_status read_shape(struct tess_tile_shape *shape, bool keeps_weights,
                                   const struct piece *piece, struct tess_error *error)
{
    const struct tess_graph *graph = shape->tile.graph;
    struct tess_verdict verdict;
    forget_plan(shape);
    if (strncmp(piece->text, LEAST, strlen(LEAST)) == 0)
        return read_least(piece, &shape->least_bytes, error);
    enum tess_status status = tess_plan_read(piece->text, piece->n_bytes, FILE_NAME,
                                             graph, &shape->plan, error);
    if (status == TESS_OK && keeps_weights)
        status = check_streams(shape->plan, error);
    if (status == TESS_OK)
        status = tess_layout_create(graph, shape->plan, &shape->layout, error);
    if (status != TESS_OK)
        return status;
    tess_layout_memory(shape->layout, &shape->plan->memory);
    return tess_verify(shape->layout, &verdict, error);
}

enum tess_status tess_tile_plans_read(struct tess_tile_plans *plans, const char *text,
                                      size_t n_bytes, struct tess_error *error)
{
    struct piece rest = {text, n_bytes}, piece = {"", 0};
    enum tess_status status = next_piece(&rest, &piece, error);
    if (status == TESS_OK)
        status = read_keeps(&piece, &plans->keeps_weights, error);
    for (int i = 0; i < plans->n_shapes && status == TESS_OK; i++) {
        status = next_piece(&rest, &piece, error);
        if (status == TESS_OK)
            status = read_shape(&plans->shapes[i], plans->keeps_weights, &piece, error);
    }
    if (status == TESS_OK && rest.n_bytes > 0)
        status = tess_error_set(error, TESS_E_CONFIG,
                                FILE_NAME ": more plans than shapes of tiles");
    return status;
}
