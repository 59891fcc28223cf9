#include "transport/part.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

static bool is_range_valid(struct tess_range range)
{
    return range.begin >= 0 && range.begin < range.end &&
           range.end <= TESS_PART_EXTENT_MAX;
}

bool tess_part_is_valid(const struct tess_part *part)
{
    return part->tensor >= 0 && part->tensor < TESS_PART_TENSORS_MAX &&
           is_range_valid(part->rows) && is_range_valid(part->cols) &&
           is_range_valid(part->channels) &&
           (part->element_bytes == 1 || part->element_bytes == 2 ||
            part->element_bytes == 4);
}

static bool is_part_equal(const struct tess_part *a, const struct tess_part *b)
{
    return a->tensor == b->tensor && tess_range_is_equal(a->rows, b->rows) &&
           tess_range_is_equal(a->cols, b->cols) &&
           tess_range_is_equal(a->channels, b->channels) &&
           a->element_bytes == b->element_bytes;
}

bool tess_parts_are_equal(const struct tess_parts *a, const struct tess_parts *b)
{
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++)
        if (!is_part_equal(&a->at[i], &b->at[i]))
            return false;
    return true;
}

int64_t tess_part_bytes(const struct tess_part *part)
{
    int64_t bytes;
    if (!tess_part_is_valid(part) ||
        !tess_mul_i64(tess_range_len(part->rows), tess_range_len(part->cols), &bytes) ||
        !tess_mul_i64(bytes, tess_range_len(part->channels), &bytes) ||
        !tess_mul_i64(bytes, part->element_bytes, &bytes))
        return -1;
    return bytes;
}

int64_t tess_parts_bytes(const struct tess_parts *parts)
{
    int64_t sum = 0;
    if (parts->n < 0 || parts->n > TESS_PARTS_MAX)
        return -1;
    for (int i = 0; i < parts->n; i++) {
        int64_t bytes = tess_part_bytes(&parts->at[i]);
        if (bytes < 0 || !tess_add_i64(sum, bytes, &sum))
            return -1;
    }
    return sum;
}

bool tess_part_is_inside(const struct tess_part *part, const struct tess_part_map *map)
{
    return tess_part_is_valid(part) && part->rows.end <= map->h &&
           part->cols.end <= map->w && part->channels.end <= map->c &&
           part->element_bytes == map->element_bytes;
}

static int64_t offset_of(const struct tess_part *part, const struct tess_part_map *map,
                         int row, int col)
{
    return (((int64_t)row * map->w + col) * map->c + part->channels.begin) *
           map->element_bytes;
}

bool tess_part_is_contiguous(const struct tess_part *part,
                             const struct tess_part_map *map, int64_t *offset_out)
{
    assert(tess_part_is_inside(part, map));
    bool is_one_row = tess_range_len(part->rows) == 1;
    bool is_one_pixel = is_one_row && tess_range_len(part->cols) == 1;
    if ((!is_one_pixel && tess_range_len(part->channels) != map->c) ||
        (!is_one_row && tess_range_len(part->cols) != map->w))
        return false;
    *offset_out = offset_of(part, map, part->rows.begin, part->cols.begin);
    return true;
}

/* A run of bytes is one in the map as well: a row's columns if all channels are there, else a
 * pixel. */
void tess_part_pack(const struct tess_part *part, const struct tess_part_map *map,
                    const void *from, void *packed)
{
    assert(tess_part_is_inside(part, map));
    bool has_all = tess_range_len(part->channels) == map->c;
    int step = has_all ? tess_range_len(part->cols) : 1;
    size_t run =
        (size_t)step * (size_t)(tess_range_len(part->channels) * part->element_bytes);
    unsigned char *at = packed;
    for (int row = part->rows.begin; row < part->rows.end; row++)
        for (int col = part->cols.begin; col < part->cols.end; col += step, at += run)
            memcpy(at, (const unsigned char *)from + offset_of(part, map, row, col), run);
}

static struct tess_range range_meet(struct tess_range a, struct tess_range b)
{
    return (struct tess_range){tess_max_int(a.begin, b.begin),
                               tess_min_int(a.end, b.end)};
}

bool tess_part_meet(const struct tess_part *a, const struct tess_part *b,
                    struct tess_part *meet_out)
{
    struct tess_part meet = {.tensor = a->tensor,
                             .rows = range_meet(a->rows, b->rows),
                             .cols = range_meet(a->cols, b->cols),
                             .channels = range_meet(a->channels, b->channels),
                             .element_bytes = a->element_bytes};
    if (a->tensor != b->tensor || a->element_bytes != b->element_bytes ||
        !tess_part_is_valid(&meet))
        return false;
    *meet_out = meet;
    return true;
}

static bool is_inside(const struct tess_part *piece, const struct tess_parts *parts)
{
    for (int i = 0; i < parts->n; i++) {
        struct tess_part meet;
        if (tess_part_meet(piece, &parts->at[i], &meet) && is_part_equal(&meet, piece))
            return true;
    }
    return false;
}

bool tess_parts_contain(const struct tess_parts *parts, const struct tess_parts *pieces)
{
    for (int i = 0; i < pieces->n; i++)
        if (!is_inside(&pieces->at[i], parts))
            return false;
    return true;
}

bool tess_parts_meet(const struct tess_parts *a, const struct tess_parts *b)
{
    struct tess_part meet;
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++)
            if (tess_part_meet(&a->at[i], &b->at[j], &meet))
                return true;
    return false;
}

/* Adds the piece of `part` with these rows and columns, if there is one. False: no room. */
static bool add_piece(struct tess_parts *parts, const struct tess_part *part,
                      struct tess_range rows, struct tess_range cols)
{
    struct tess_part piece = *part;
    piece.rows = rows;
    piece.cols = cols;
    if (!tess_part_is_valid(&piece))
        return true;
    if (parts->n == TESS_PARTS_MAX)
        return false;
    parts->at[parts->n++] = piece;
    return true;
}

bool tess_parts_subtract(struct tess_parts *parts, const struct tess_part *minus)
{
    struct tess_parts left = {0};
    bool fits = true;
    for (int i = 0; i < parts->n; i++) {
        const struct tess_part *part = &parts->at[i];
        struct tess_part gone;
        if (!tess_part_meet(part, minus, &gone) ||
            !tess_range_is_equal(gone.channels, part->channels)) {
            fits = fits && add_piece(&left, part, part->rows, part->cols);
            continue;
        }
        struct tess_range above = {part->rows.begin, gone.rows.begin};
        struct tess_range below = {gone.rows.end, part->rows.end};
        struct tess_range before = {part->cols.begin, gone.cols.begin};
        struct tess_range after = {gone.cols.end, part->cols.end};
        fits = fits && add_piece(&left, part, above, part->cols) &&
               add_piece(&left, part, gone.rows, before) &&
               add_piece(&left, part, gone.rows, after) &&
               add_piece(&left, part, below, part->cols);
    }
    if (fits)
        *parts = left;
    return fits;
}

static size_t packed_offset(const struct tess_part *part, int row, int col, int channel)
{
    size_t n_cols = (size_t)tess_range_len(part->cols);
    size_t n_channels = (size_t)tess_range_len(part->channels);
    size_t pixel =
        (size_t)(row - part->rows.begin) * n_cols + (size_t)(col - part->cols.begin);
    return (pixel * n_channels + (size_t)(channel - part->channels.begin)) *
           (size_t)part->element_bytes;
}

void tess_part_move(const struct tess_part *region, const struct tess_part *from_part,
                    const void *from, const struct tess_part *to_part, void *to)
{
    bool has_all = tess_range_is_equal(region->channels, from_part->channels) &&
                   tess_range_is_equal(region->channels, to_part->channels);
    int step = has_all ? tess_range_len(region->cols) : 1, first = region->channels.begin;
    size_t run = (size_t)step * (size_t)tess_range_len(region->channels) *
                 (size_t)region->element_bytes;
    for (int row = region->rows.begin; row < region->rows.end; row++)
        for (int col = region->cols.begin; col < region->cols.end; col += step)
            memcpy((char *)to + packed_offset(to_part, row, col, first),
                   (const char *)from + packed_offset(from_part, row, col, first), run);
}

/* What of `part` the packed parts have, to where `to_part` lies packed. */
static void take(const struct tess_part *part, const struct tess_parts *have,
                 const unsigned char *packed, const struct tess_part *to_part, void *to)
{
    for (int i = 0; i < have->n; i++) {
        struct tess_part meet;
        if (tess_part_meet(part, &have->at[i], &meet))
            tess_part_move(&meet, &have->at[i], packed, to_part, to);
        packed += tess_part_bytes(&have->at[i]);
    }
}

void tess_parts_pick(const struct tess_parts *from_parts, const void *from,
                     const struct tess_parts *parts, void *to)
{
    unsigned char *at = to;
    for (int i = 0; i < parts->n; i++) {
        take(&parts->at[i], from_parts, from, &parts->at[i], at);
        at += tess_part_bytes(&parts->at[i]);
    }
}

void tess_part_place(const struct tess_part *part, const struct tess_parts *have,
                     const void *packed, const struct tess_part_map *map, void *into)
{
    struct tess_part whole = {
        part->tensor, {0, map->h}, {0, map->w}, {0, map->c}, map->element_bytes};
    assert(tess_part_is_inside(part, map));
    take(part, have, packed, &whole, into);
}
