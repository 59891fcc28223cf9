#include "tests/support/fake_tiles.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"
#include "base/rng.h"

static const struct tess_part_map maps[FAKE_TENSORS] = {{32, 28, 3, 1}, {16, 14, 4, 4},
                                                        {8, 7, 6, 4},   {16, 14, 2, 4},
                                                        {8, 7, 12, 2},  {8, 7, 5, 4}};

/* Tensors that a stage reads and writes, -1 for none. */
static const int reads[FAKE_STAGES][2] = {{0, -1}, {1, -1}, {2, -1}, {4, 3}};
static const int writes[FAKE_STAGES][2] = {{1, -1}, {2, 3}, {4, -1}, {5, -1}};

static struct tess_range whole(int extent)
{
    return (struct tess_range){0, extent};
}

/* What the window of `out`, a range of `out_extent`, reads of `in_extent`. */
static struct tess_range window(struct tess_range out, int out_extent, int in_extent)
{
    struct tess_range in = {out.begin * in_extent / out_extent - 1,
                            (out.end - 1) * in_extent / out_extent + 2};
    return tess_range_clamp(in, in_extent);
}

static struct tess_range scaled(struct tess_range range, int from, int to)
{
    return (struct tess_range){range.begin * to / from, range.end * to / from};
}

/* Hull of what the window reads for all outputs. */
static struct tess_range read_range(const struct tess_work_tile *tile, int tensor,
                                    enum tess_axis axis)
{
    struct tess_range hull = {0, 0};
    for (int i = 0; i < tile->outputs.n; i++) {
        const struct tess_part *out = &tile->outputs.at[i];
        const struct tess_part_map *from = &maps[out->tensor], *to = &maps[tensor];
        struct tess_range range = axis == TESS_ROWS ? window(out->rows, from->h, to->h)
                                                    : window(out->cols, from->w, to->w);
        hull = tess_range_hull(hull, range);
    }
    return hull;
}

/* Rows, columns and channels as parts of the first map that the stage writes. */
static void add_tile(struct fake_work *fake, int stage, struct tess_range rows,
                     struct tess_range cols, struct tess_range channels)
{
    struct tess_work_tile *tile = &fake->tiles[fake->work.n_tiles++];
    const struct tess_part_map *first = &maps[writes[stage][0]];
    memset(tile, 0, sizeof *tile);
    fake->stages[stage].n_tiles++;
    for (int i = 0; i < 2 && writes[stage][i] >= 0; i++) {
        const struct tess_part_map *map = &maps[writes[stage][i]];
        tile->outputs.at[tile->outputs.n++] =
            (struct tess_part){writes[stage][i], scaled(rows, first->h, map->h),
                               scaled(cols, first->w, map->w),
                               scaled(channels, first->c, map->c), map->element_bytes};
    }
    for (int i = 0; i < 2 && reads[stage][i] >= 0; i++) {
        const struct tess_part_map *map = &maps[reads[stage][i]];
        tile->inputs.at[tile->inputs.n++] = (struct tess_part){
            reads[stage][i], read_range(tile, reads[stage][i], TESS_ROWS),
            read_range(tile, reads[stage][i], TESS_COLS), whole(map->c),
            map->element_bytes};
    }
}

static void begin(struct fake_work *fake)
{
    memset(fake, 0, sizeof *fake);
    memcpy(fake->tensors, maps, sizeof maps);
    fake->work = (struct tess_work){
        FAKE_TENSORS, fake->tensors, FAKE_STAGES, fake->stages, 0, fake->tiles};
}

/* Cuts [0, extent) into up to `most` ranges. Returns their number. */
static int cut(struct tess_rng *rng, int extent, int most, struct tess_range *ranges)
{
    int n = tess_rng_int(rng, 1, tess_min_int(most, extent));
    int at = 0;
    for (int i = 0; i < n; i++) {
        int end = i + 1 == n ? extent : tess_rng_int(rng, at + 1, extent - (n - i - 1));
        ranges[i] = (struct tess_range){at, end};
        at = end;
    }
    return n;
}

static void set_costs(struct fake_work *fake, int stage, int64_t cost)
{
    const struct tess_part_map *map = &maps[writes[stage][0]];
    int64_t n_elements = (int64_t)map->h * map->w * map->c;
    for (int t = 0; t < fake->stages[stage].n_tiles; t++) {
        struct tess_work_tile *tile = &fake->tiles[fake->stages[stage].first_tile + t];
        const struct tess_part *part = &tile->outputs.at[0];
        tile->cost = tess_max_i64(
            cost * (tess_part_bytes(part) / part->element_bytes) / n_elements, 1);
    }
}

void fake_work_init(struct fake_work *fake, uint64_t seed, int64_t cost)
{
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    begin(fake);
    for (int s = 0; s < FAKE_STAGES; s++) {
        struct tess_range rows[4], cols[4], channels[4];
        const struct tess_part_map *map = &maps[writes[s][0]];
        int n_rows = cut(&rng, map->h, s == 2 ? 1 : 4, rows);
        int n_cols = cut(&rng, map->w, s == 2 ? 1 : 3, cols);
        int n_channels = cut(&rng, map->c, s == 2 ? 4 : 1, channels);
        fake->stages[s].first_tile = fake->work.n_tiles;
        for (int y = 0; y < n_rows; y++)
            for (int x = 0; x < n_cols; x++)
                for (int c = 0; c < n_channels; c++)
                    add_tile(fake, s, rows[y], cols[x], channels[c]);
        set_costs(fake, s, cost);
    }
}

void fake_work_plan(struct fake_work *fake, int n_nodes)
{
    for (int t = 0; t < fake->work.n_tiles; t++) {
        const struct tess_part *part = &fake->tiles[t].outputs.at[0];
        fake->tiles[t].planned =
            1 + part->rows.begin * n_nodes / fake->tensors[part->tensor].h;
    }
    tess_work_set_rests(&fake->work, fake->tiles);
}

void fake_work_init_untiled(struct fake_work *fake)
{
    begin(fake);
    for (int s = 0; s < FAKE_STAGES; s++) {
        const struct tess_part_map *map = &maps[writes[s][0]];
        fake->stages[s].first_tile = fake->work.n_tiles;
        add_tile(fake, s, whole(map->h), whole(map->w), whole(map->c));
        set_costs(fake, s, 1);
    }
}

void fake_work_init_even(struct fake_work *fake, int64_t cost)
{
    static const int grids[FAKE_STAGES][3] = {
        {8, 2, 1}, {8, 1, 1}, {1, 1, 12}, {8, 1, 1}};
    begin(fake);
    for (int s = 0; s < FAKE_STAGES; s++) {
        const struct tess_part_map *map = &maps[writes[s][0]];
        const int *n = grids[s];
        int h = map->h / n[0], w = map->w / n[1], c = map->c / n[2];
        fake->stages[s].first_tile = fake->work.n_tiles;
        for (int i = 0; i < n[0] * n[1] * n[2]; i++) {
            int y = i / n[2] / n[1], x = i / n[2] % n[1], k = i % n[2];
            add_tile(fake, s, (struct tess_range){y * h, y * h + h},
                     (struct tess_range){x * w, x * w + w},
                     (struct tess_range){k * c, k * c + c});
        }
        set_costs(fake, s, cost);
    }
}

int64_t fake_tensor_bytes(const struct fake_work *fake, int tensor)
{
    const struct tess_part_map *map = &fake->tensors[tensor];
    return (int64_t)map->h * map->w * map->c * map->element_bytes;
}

/* --- arithmetic --- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Hash of the 3x3 window of one packed input part around the place of (y, x) of `out`. */
static uint64_t look(const struct tess_part *part, const unsigned char *packed,
                     const struct tess_part_map *out, int y, int x, uint64_t hash)
{
    const struct tess_part_map *map = &maps[part->tensor];
    size_t pixel = (size_t)(tess_range_len(part->channels) * part->element_bytes);
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            int yy = y * map->h / out->h + dy, xx = x * map->w / out->w + dx;
            if (yy < 0 || yy >= map->h || xx < 0 || xx >= map->w)
                continue;
            assert(yy >= part->rows.begin && yy < part->rows.end);
            assert(xx >= part->cols.begin && xx < part->cols.end);
            size_t at =
                (size_t)(yy - part->rows.begin) * (size_t)tess_range_len(part->cols) +
                (size_t)(xx - part->cols.begin);
            for (size_t i = 0; i < pixel; i++)
                hash = mix(hash, packed[at * pixel + i]);
        }
    return hash;
}

static uint64_t element(const struct tess_work_tile *tile, const unsigned char *input,
                        const struct tess_part *out, int y, int x)
{
    uint64_t hash = (uint64_t)out->tensor;
    for (int i = 0; i < tile->inputs.n; i++) {
        hash = look(&tile->inputs.at[i], input, &maps[out->tensor], y, x, hash);
        input += tess_part_bytes(&tile->inputs.at[i]);
    }
    return hash;
}

void fake_run(const struct tess_work *work, int stage, int tile,
              const unsigned char *input, unsigned char *output)
{
    const struct tess_work_tile *of = tess_work_tile(work, stage, tile);
    for (int i = 0; i < of->outputs.n; i++) {
        const struct tess_part *out = &of->outputs.at[i];
        for (int y = out->rows.begin; y < out->rows.end; y++)
            for (int x = out->cols.begin; x < out->cols.end; x++) {
                uint64_t hash = element(of, input, out, y, x);
                for (int c = out->channels.begin; c < out->channels.end; c++) {
                    uint64_t value = mix(hash, (uint64_t)c);
                    memcpy(output, &value, (size_t)out->element_bytes);
                    output += out->element_bytes;
                }
            }
    }
}

void fake_input(const struct fake_work *fake, int64_t frame, unsigned char *tensor)
{
    struct tess_rng rng;
    tess_rng_init(&rng, (uint64_t)frame + 1);
    for (int64_t i = 0; i < fake_tensor_bytes(fake, 0); i++)
        tensor[i] = (unsigned char)tess_rng_next(&rng);
}
