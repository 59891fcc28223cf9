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

/* Calls for each run of bytes that is one in the map as well: a row's columns if all channels
 * are there, else a pixel. */
static void copy(const struct tess_part *part, const struct tess_part_map *map,
                 const unsigned char *packed_from, unsigned char *packed_to,
                 const unsigned char *map_from, unsigned char *map_to)
{
    assert(tess_part_is_inside(part, map));
    bool has_all = tess_range_len(part->channels) == map->c;
    int step = has_all ? tess_range_len(part->cols) : 1;
    size_t run =
        (size_t)step * (size_t)(tess_range_len(part->channels) * part->element_bytes);
    size_t at = 0;
    for (int row = part->rows.begin; row < part->rows.end; row++)
        for (int col = part->cols.begin; col < part->cols.end; col += step) {
            int64_t offset = offset_of(part, map, row, col);
            if (map_to)
                memcpy(map_to + offset, packed_from + at, run);
            else
                memcpy(packed_to + at, map_from + offset, run);
            at += run;
        }
}

void tess_part_pack(const struct tess_part *part, const struct tess_part_map *map,
                    const void *from, void *packed)
{
    copy(part, map, NULL, packed, from, NULL);
}

void tess_part_unpack(const struct tess_part *part, const struct tess_part_map *map,
                      const void *packed, void *into)
{
    copy(part, map, packed, NULL, NULL, into);
}
