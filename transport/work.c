#include "transport/work.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arith.h"
#include "plan/cluster.h"

const struct tess_work_tile *tess_work_tile(const struct tess_work *work, int stage,
                                            int tile)
{
    if (stage < 0 || stage >= work->n_stages || tile < 0 ||
        tile >= work->stages[stage].n_tiles)
        return NULL;
    return &work->tiles[work->stages[stage].first_tile + tile];
}

/* --- rests --- */

struct tess_parts tess_work_early(const struct tess_work_tile *tile)
{
    struct tess_parts early = tile->outputs;
    for (int i = 0; i < tile->rest.n; i++)
        tess_parts_subtract(&early, &tile->rest.at[i]);
    return early;
}

/* Shrinks `rest` on the side where that costs least, so that it does not meet `needed`. */
static void shrink(struct tess_part *rest, const struct tess_part *needed)
{
    struct tess_part meet, sides[4], best = {0};
    if (!tess_part_meet(rest, needed, &meet))
        return;
    for (int i = 0; i < 4; i++)
        sides[i] = *rest;
    sides[0].rows.begin = meet.rows.end;
    sides[1].rows.end = meet.rows.begin;
    sides[2].cols.begin = meet.cols.end;
    sides[3].cols.end = meet.cols.begin;
    for (int i = 0; i < 4; i++) /* one without elements has -1 bytes */
        if (tess_part_bytes(&sides[i]) > tess_part_bytes(&best))
            best = sides[i];
    *rest = best;
}

/* Does any tile read the tensor? Then `rest` loses what tiles of other nodes read. */
static bool spare_readers(const struct tess_work *work, int planned,
                          struct tess_part *rest)
{
    bool is_read = false;
    for (int t = 0; t < work->n_tiles; t++) {
        const struct tess_work_tile *reader = &work->tiles[t];
        for (int i = 0; i < reader->inputs.n; i++) {
            if (reader->inputs.at[i].tensor != rest->tensor)
                continue;
            is_read = true;
            if (reader->planned != planned)
                shrink(rest, &reader->inputs.at[i]);
        }
    }
    return is_read;
}

static struct tess_parts find_rest(const struct tess_work *work,
                                   const struct tess_work_tile *tile)
{
    enum { COORDINATOR = 1 };
    struct tess_parts rest = {0};
    if (tile->planned <= COORDINATOR)
        return rest;
    for (int i = 0; i < tile->outputs.n; i++) {
        struct tess_part part = tile->outputs.at[i];
        if (spare_readers(work, tile->planned, &part) && tess_part_is_valid(&part))
            rest.at[rest.n++] = part;
    }
    if (tess_parts_bytes(&rest) <
        tess_parts_bytes(&tile->outputs) / TESS_CLUSTER_LEAST_REST)
        rest.n = 0;
    return rest;
}

/* Are there few enough pieces for a message? */
static bool can_split(const struct tess_work_tile *tile)
{
    struct tess_parts early = tess_work_early(tile);
    return tess_parts_bytes(&early) + tess_parts_bytes(&tile->rest) ==
           tess_parts_bytes(&tile->outputs);
}

void tess_work_set_rests(const struct tess_work *work, struct tess_work_tile *tiles)
{
    for (int t = 0; t < work->n_tiles; t++) {
        tiles[t].rest = find_rest(work, &tiles[t]);
        if (!can_split(&tiles[t]))
            tiles[t].rest.n = 0;
    }
}

int64_t tess_work_largest_payload(const struct tess_work *work)
{
    int64_t largest = 0;
    for (int i = 0; i < work->n_tiles; i++) {
        largest = tess_max_i64(largest, tess_parts_bytes(&work->tiles[i].inputs));
        largest = tess_max_i64(largest, tess_parts_bytes(&work->tiles[i].outputs));
    }
    return largest;
}

static bool has_tensor(const struct tess_parts *parts, int tensor)
{
    for (int i = 0; i < parts->n; i++)
        if (parts->at[i].tensor == tensor)
            return true;
    return false;
}

static int last_stage_with(const struct tess_work *work, int tensor, bool is_write)
{
    int last = -1;
    for (int s = 0; s < work->n_stages; s++)
        for (int t = 0; t < work->stages[s].n_tiles; t++) {
            const struct tess_work_tile *tile = tess_work_tile(work, s, t);
            if (has_tensor(is_write ? &tile->outputs : &tile->inputs, tensor))
                last = s;
        }
    return last;
}

int tess_work_writer(const struct tess_work *work, int tensor)
{
    return last_stage_with(work, tensor, true);
}

int tess_work_last_reader(const struct tess_work *work, int tensor)
{
    return last_stage_with(work, tensor, false);
}

static enum tess_status check_shape(const struct tess_work *work,
                                    struct tess_error *error)
{
    int next = 0;
    if (work->n_tensors < 1 || work->n_tensors > TESS_PART_TENSORS_MAX ||
        work->n_stages < 1 || work->n_stages > TESS_WORK_STAGES_MAX)
        return tess_error_set(error, TESS_E_CONFIG,
                              "the work has %d tensors and %d stages", work->n_tensors,
                              work->n_stages);
    for (int s = 0; s < work->n_stages; s++) {
        const struct tess_work_stage *stage = &work->stages[s];
        if (stage->first_tile != next || stage->n_tiles < 1 ||
            stage->n_tiles > TESS_WORK_TILES_MAX)
            return tess_error_set(
                error, TESS_E_CONFIG, "stage %d has tiles [%d, %d), expected from %d on",
                s, stage->first_tile, stage->first_tile + stage->n_tiles, next);
        next += stage->n_tiles;
    }
    if (next != work->n_tiles)
        return tess_error_set(error, TESS_E_CONFIG,
                              "the stages have %d tiles, the work %d", next,
                              work->n_tiles);
    return TESS_OK;
}

static enum tess_status check_parts(const struct tess_work *work, int stage, int tile,
                                    const struct tess_parts *parts, bool is_write,
                                    struct tess_error *error)
{
    if (parts->n < 1 || parts->n > TESS_PARTS_MAX)
        return tess_error_set(error, TESS_E_CONFIG, "tile %d of stage %d has %d parts",
                              tile, stage, parts->n);
    for (int i = 0; i < parts->n; i++) {
        const struct tess_part *part = &parts->at[i];
        if (!tess_part_is_valid(part) || part->tensor >= work->n_tensors ||
            !tess_part_is_inside(part, &work->tensors[part->tensor]))
            return tess_error_set(
                error, TESS_E_CONFIG,
                "part %d of tile %d of stage %d is not inside tensor %d", i, tile, stage,
                part->tensor);
        int writer = tess_work_writer(work, part->tensor);
        if (is_write ? writer != stage : writer >= stage)
            return tess_error_set(error, TESS_E_CONFIG,
                                  "stage %d %s tensor %d, which stage %d writes", stage,
                                  is_write ? "writes" : "reads", part->tensor, writer);
    }
    return TESS_OK;
}

/* Does any output of tile `tile` meet an earlier output of the stage? */
static bool is_written_twice(const struct tess_work *work, int stage, int tile)
{
    const struct tess_parts *own = &tess_work_tile(work, stage, tile)->outputs;
    struct tess_part meet;
    for (int i = 0; i < own->n; i++) {
        for (int other = 0; other < tile; other++) {
            const struct tess_parts *their = &tess_work_tile(work, stage, other)->outputs;
            for (int j = 0; j < their->n; j++)
                if (tess_part_meet(&own->at[i], &their->at[j], &meet))
                    return true;
        }
        for (int j = 0; j < i; j++)
            if (tess_part_meet(&own->at[i], &own->at[j], &meet))
                return true;
    }
    return false;
}

/* No element twice, and as many bytes as the tensor has: then each element once. */
static enum tess_status check_cover(const struct tess_work *work, int stage, int tensor,
                                    struct tess_error *error)
{
    const struct tess_part_map *map = &work->tensors[tensor];
    int64_t whole = (int64_t)map->h * map->w * map->c * map->element_bytes, sum = 0;
    for (int t = 0; t < work->stages[stage].n_tiles; t++) {
        const struct tess_parts *outputs = &tess_work_tile(work, stage, t)->outputs;
        for (int i = 0; i < outputs->n; i++)
            if (outputs->at[i].tensor == tensor)
                sum += tess_part_bytes(&outputs->at[i]);
    }
    if (sum != whole)
        return tess_error_set(error, TESS_E_CONFIG,
                              "stage %d writes %lld of the %lld bytes of tensor %d",
                              stage, (long long)sum, (long long)whole, tensor);
    return TESS_OK;
}

static enum tess_status check_stage(const struct tess_work *work, int stage,
                                    struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int t = 0; t < work->stages[stage].n_tiles && status == TESS_OK; t++) {
        const struct tess_work_tile *tile = tess_work_tile(work, stage, t);
        status = check_parts(work, stage, t, &tile->inputs, false, error);
        if (status == TESS_OK)
            status = check_parts(work, stage, t, &tile->outputs, true, error);
        if (status == TESS_OK && tile->cost < 1)
            status =
                tess_error_set(error, TESS_E_CONFIG, "tile %d of stage %d has cost %lld",
                               t, stage, (long long)tile->cost);
        if (status == TESS_OK &&
            !(tess_parts_contain(&tile->outputs, &tile->rest) && can_split(tile)))
            status =
                tess_error_set(error, TESS_E_CONFIG,
                               "the rest of tile %d of stage %d is none of it", t, stage);
        if (status == TESS_OK && is_written_twice(work, stage, t))
            status =
                tess_error_set(error, TESS_E_CONFIG,
                               "tile %d of stage %d writes what another does", t, stage);
    }
    return status;
}

enum tess_status tess_work_check(const struct tess_work *work, struct tess_error *error)
{
    enum tess_status status = check_shape(work, error);
    for (int s = 0; s < work->n_stages && status == TESS_OK; s++)
        status = check_stage(work, s, error);
    for (int i = 0; i < work->n_tensors && status == TESS_OK; i++) {
        int writer = tess_work_writer(work, i);
        if (writer >= 0)
            status = check_cover(work, writer, i, error);
    }
    return status;
}
