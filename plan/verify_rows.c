/* Problem: remember which pixels lie where in an arena that is written, overwritten and
 * moved row by row, with the channels of several tensors interleaved where concats are
 * views.
 *
 * Method: one record per row of pixels, in an array sorted by address. The hulls of
 * records may interleave, their floats never do. A record that covers an address begins
 * at most `longest` before it, so a search looks at few records. Writing cuts the new
 * row's pixels out of the records it overlaps, keeping the rest where both have one
 * stride.
 *
 * Invariant: what the map says memory holds, it holds. The converse may fail: where
 * geometries differ, records are forgotten rather than cut.
 *
 * Cost: O(log n + records within `longest`) to look up; writing adds a move of the
 * array's end, of length zero in the usual case that one row replaces another.
 *
 * Worked example, stride 4: A has 3 pixels of 2 channels at 0: floats 0,1 4,5 8,9.
 *   write B, 2 pixels of 2 channels at 2: floats 2,3 6,7. Phase 2 of 4: no float in
 * common. write C, 1 pixel of 4 channels at 4: floats 4..7. Covers pixel 1 of A: A
 * becomes pixels 0 and 2 in two records; covers pixel 1 of B: B keeps pixel 0. array:
 * A(0) B(2) C(4) A(8).
 *
 * Not done: merging neighbours; grids leave one record per tile column.
 */
#include "plan/verify_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

void tess_row_map_init(struct tess_row_map *map)
{
    memset(map, 0, sizeof *map);
}

void tess_row_map_release(struct tess_row_map *map)
{
    if (!map)
        return;
    free(map->rows);
    free(map->scratch);
    memset(map, 0, sizeof *map);
}

static int64_t end_of(const struct tess_held_row *row)
{
    return row->begin + (row->n_cols - 1) * row->stride + row->channels;
}

/* Index of the first record that begins at `begin` or later. */
static int first_from(const struct tess_row_map *map, int64_t begin)
{
    int low = 0, high = map->n_rows;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (map->rows[middle].begin < begin)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The record that holds the float at `at`, or NULL. */
static const struct tess_held_row *find(const struct tess_row_map *map, int64_t at)
{
    for (int i = first_from(map, at + 1) - 1; i >= 0; i--) {
        const struct tess_held_row *row = &map->rows[i];
        int64_t into = at - row->begin;
        if (into >= map->longest)
            return NULL;
        if (into / row->stride < row->n_cols && into % row->stride < row->channels)
            return row;
    }
    return NULL;
}

/* ---- asking ---- */

static bool is_contiguous(const struct tess_held_row *row)
{
    return row->n_cols == 1 || row->channels == row->stride;
}

/* How many pixels of `wanted` from its column `col` on are in `row`, looking at channels
 * from `channel` on; *n_channels is lowered to those that the row has. 0: not the pixel
 * wanted. */
static int64_t match(const struct tess_held_row *row, const struct tess_held_row *wanted,
                     int col, int channel, int *n_channels)
{
    int64_t at = wanted->begin + col * wanted->stride + channel;
    int64_t pixel = (at - row->begin) / row->stride;
    int64_t into = (at - row->begin) % row->stride;
    if (row->tensor != wanted->tensor)
        return 0;
    if (row->tensor == TESS_HELD_ZEROS && is_contiguous(row)) {
        int64_t n_left = end_of(row) - at;
        *n_channels = (int)tess_min_i64(*n_channels, n_left);
        return (n_left - *n_channels) / wanted->stride + 1;
    }
    if (row->tensor != TESS_HELD_ZEROS &&
        (row->row != wanted->row || row->col + pixel != wanted->col + col ||
         row->channel + into != wanted->channel + channel))
        return 0;
    *n_channels = (int)tess_min_i64(*n_channels, row->channels - into);
    return row->stride == wanted->stride ? row->n_cols - pixel : 1;
}

bool tess_row_map_holds(const struct tess_row_map *map,
                        const struct tess_held_row *wanted, int *col_out,
                        struct tess_held_row *found_out)
{
    assert(wanted->n_cols > 0 && wanted->channels > 0 &&
           wanted->stride >= wanted->channels);
    for (int channel = 0, n_channels; channel < wanted->channels; channel += n_channels) {
        n_channels = wanted->channels - channel;
        for (int col = 0; col < wanted->n_cols;) {
            const struct tess_held_row *row =
                find(map, wanted->begin + col * wanted->stride + channel);
            int64_t n_cols = row ? match(row, wanted, col, channel, &n_channels) : 0;
            if (n_cols == 0) {
                *col_out = col;
                *found_out = row ? *row : (struct tess_held_row){.n_cols = 0};
                return false;
            }
            assert(n_channels > 0);
            col = (int)tess_min_i64(col + n_cols, wanted->n_cols);
        }
    }
    return true;
}

/* ---- writing ---- */

static bool grow(struct tess_held_row **rows, int *capacity, int n_wanted)
{
    if (n_wanted <= *capacity)
        return true;
    int bigger = tess_max_int(2 * *capacity, n_wanted + 64);
    struct tess_held_row *grown = realloc(*rows, sizeof *grown * (size_t)bigger);
    if (!grown)
        return false;
    *rows = grown;
    *capacity = bigger;
    return true;
}

/* Replaces records [first, last) by the scratch list. */
static bool splice(struct tess_row_map *map, int first, int last)
{
    int n_after = map->n_rows - last, n_rows = first + map->n_scratch + n_after;
    assert(first <= last && n_after >= 0);
    if (!grow(&map->rows, &map->capacity, n_rows))
        return false;
    if (n_after > 0 && first + map->n_scratch != last)
        memmove(map->rows + first + map->n_scratch, map->rows + last,
                sizeof *map->rows * (size_t)n_after);
    if (map->n_scratch > 0)
        memcpy(map->rows + first, map->scratch,
               sizeof *map->rows * (size_t)map->n_scratch);
    map->n_rows = n_rows;
    return true;
}

static bool push(struct tess_row_map *map, const struct tess_held_row *row)
{
    if (!grow(&map->scratch, &map->scratch_capacity, map->n_scratch + 1))
        return false;
    int at = map->n_scratch++; /* sorted: pieces may begin after later records */
    for (; at > 0 && map->scratch[at - 1].begin > row->begin; at--)
        map->scratch[at] = map->scratch[at - 1];
    map->scratch[at] = *row;
    return true;
}

static bool push_pixels(struct tess_row_map *map, const struct tess_held_row *row,
                        int64_t first, int64_t last)
{
    if (first >= last)
        return true;
    struct tess_held_row piece = *row;
    piece.begin += first * row->stride;
    piece.n_cols = (int)(last - first);
    if (row->tensor != TESS_HELD_ZEROS)
        piece.col += (int)first;
    return push(map, &piece);
}

/* Do hulls [a, a_end) and that of `row` have anything in common? */
static bool is_near(const struct tess_held_row *row, int64_t begin, int64_t end)
{
    return row->begin < end && begin < end_of(row);
}

/* Pushes what is left of `old` after `row` was written. */
static bool push_rest(struct tess_row_map *map, const struct tess_held_row *old,
                      const struct tess_held_row *row)
{
    if (!is_near(old, row->begin, end_of(row)))
        return push(map, old);
    if (old->stride != row->stride)
        return true;
    /* Pixel 0 of `old` lies in pixel `pixel` of `row`, `phase` floats from its begin. */
    int64_t pixel = tess_div_floor(old->begin - row->begin, row->stride);
    int64_t phase = old->begin - row->begin - pixel * row->stride;
    assert(phase >= 0 && phase < row->stride);
    if (phase >= row->channels && phase + old->channels <= row->stride)
        return push(map, old); /* interleaved, nothing in common */
    if (phase + old->channels > row->channels)
        return true; /* some channels of it: forgotten */
    int64_t first = tess_max_i64(0, tess_min_i64(-pixel, old->n_cols));
    int64_t last = tess_max_i64(first, tess_min_i64(row->n_cols - pixel, old->n_cols));
    return push_pixels(map, old, 0, first) && push_pixels(map, old, last, old->n_cols);
}

/* First record whose hull may reach beyond `begin`. */
static int first_near(const struct tess_row_map *map, int64_t begin)
{
    int first = first_from(map, begin - map->longest + 1);
    while (first < map->n_rows && map->rows[first].begin < begin &&
           end_of(&map->rows[first]) <= begin)
        first++;
    return first;
}

bool tess_row_map_write(struct tess_row_map *map, const struct tess_held_row *row)
{
    assert(row->n_cols > 0 && row->channels > 0 && row->stride >= row->channels);
    int first = first_near(map, row->begin), last = first;
    map->longest = tess_max_i64(map->longest, end_of(row) - row->begin);
    map->n_scratch = 0;
    if (!push(map, row))
        return false;
    for (; last < map->n_rows && map->rows[last].begin < end_of(row); last++)
        if (!push_rest(map, &map->rows[last], row))
            return false;
    /* What is left of a record may begin after records that the row did not reach. */
    for (; last < map->n_rows &&
           map->rows[last].begin < map->scratch[map->n_scratch - 1].begin;
         last++)
        if (!push(map, &map->rows[last]))
            return false;
    return splice(map, first, last);
}

/* Forgets all that touches [begin, end). */
static bool forget(struct tess_row_map *map, int64_t begin, int64_t end)
{
    int first = first_near(map, begin), last = first;
    map->n_scratch = 0;
    for (; last < map->n_rows && map->rows[last].begin < end; last++)
        if (!is_near(&map->rows[last], begin, end) && !push(map, &map->rows[last]))
            return false;
    return splice(map, first, last);
}

bool tess_row_map_move(struct tess_row_map *map, int64_t from, int64_t to, int64_t n)
{
    assert(n > 0);
    int n_arriving = 0;
    struct tess_held_row *arriving = NULL;
    int first = first_from(map, from), last = first_from(map, from + n);
    if (first < last) {
        arriving = malloc(sizeof *arriving * (size_t)(last - first));
        if (!arriving)
            return false;
    }
    for (int i = first; i < last; i++) {
        if (end_of(&map->rows[i]) > from + n)
            continue;
        arriving[n_arriving] = map->rows[i];
        arriving[n_arriving++].begin += to - from;
    }
    bool is_done = forget(map, to, to + n);
    map->n_scratch = 0;
    for (int i = 0; i < n_arriving && is_done; i++)
        is_done = push(map, &arriving[i]);
    int at = first_from(map, to);
    is_done = is_done && splice(map, at, at);
    free(arriving);
    return is_done;
}

void tess_row_map_assert_valid(const struct tess_row_map *map)
{
    for (int i = 0; i < map->n_rows; i++) {
        const struct tess_held_row *a = &map->rows[i];
        assert(a->n_cols > 0 && a->channels > 0 && a->stride >= a->channels);
        assert(i == 0 || map->rows[i - 1].begin < a->begin);
        assert(end_of(a) - a->begin <= map->longest);
        for (int pixel = 0; pixel < a->n_cols; pixel++)
            for (int channel = 0; channel < a->channels; channel++)
                assert(find(map, a->begin + pixel * a->stride + channel) == a);
        (void)a;
    }
}
