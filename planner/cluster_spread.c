#include "planner/cluster_spread.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"

void tess_spread_single(struct tess_spread *spread, int node)
{
    spread->n_columns = spread->n_tiles = 1;
    spread->right[0] = 1;
    spread->tiles[0] = (struct tess_spread_tile){.bottom = 1, .node = node};
}

/* Nodes [begin, end) of column `column`. */
static void put_column(struct tess_spread *spread, const double *shares, int begin,
                       int end, int column, int per_node)
{
    double total = 0, sum = 0;
    for (int node = begin; node < end; node++)
        total += shares[node];
    for (int node = begin; node < end; node++)
        for (int i = 0; i < per_node; i++) {
            sum += shares[node] / per_node;
            bool is_last = node == end - 1 && i == per_node - 1;
            spread->tiles[spread->n_tiles++] = (struct tess_spread_tile){
                .bottom = is_last ? 1 : sum / total, .column = column, .node = node};
        }
}

bool tess_spread_even(struct tess_spread *spread, const double *shares, int first_node,
                      int n_nodes, int n_columns, int per_node)
{
    int n = n_nodes - first_node;
    double total = 0, sum = 0;
    if (n_columns > n || n_columns > TESS_SPREAD_COLUMNS || per_node < 1 ||
        per_node * n > TESS_SPREAD_TILES)
        return false;
    for (int node = first_node; node < n_nodes; node++)
        total += shares[node];
    spread->n_columns = n_columns;
    spread->n_tiles = 0;
    for (int column = 0; column < n_columns; column++) {
        int begin = first_node + n * column / n_columns;
        int end = first_node + n * (column + 1) / n_columns;
        for (int node = begin; node < end; node++)
            sum += shares[node];
        spread->right[column] = column == n_columns - 1 ? 1 : sum / total;
        put_column(spread, shares, begin, end, column, per_node);
    }
    return true;
}

static bool is_before(const struct tess_cluster_tile *a,
                      const struct tess_cluster_tile *b)
{
    int by_column = a->output.axis[TESS_COLS].begin - b->output.axis[TESS_COLS].begin;
    int by_row = a->output.axis[TESS_ROWS].begin - b->output.axis[TESS_ROWS].begin;
    return by_column != 0 ? by_column < 0 : by_row < 0;
}

bool tess_spread_of(struct tess_spread *spread, const struct tess_cluster_tile *tiles,
                    int n_tiles, int height, int width)
{
    int order[TESS_SPREAD_TILES], begin = 0, bottom = 0;
    if (n_tiles > TESS_SPREAD_TILES)
        return false;
    for (int i = 0; i < n_tiles; i++) {
        int at = i;
        for (; at > 0 && is_before(&tiles[i], &tiles[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    spread->n_columns = spread->n_tiles = 0;
    for (int i = 0; i < n_tiles; i++) {
        const struct tess_region *output = &tiles[order[i]].output;
        const struct tess_range *cols = &output->axis[TESS_COLS];
        const struct tess_range *rows = &output->axis[TESS_ROWS];
        if (spread->n_columns == 0 || cols->begin != begin) {
            bool is_first = spread->n_columns == 0;
            if (spread->n_columns == TESS_SPREAD_COLUMNS ||
                (is_first ? cols->begin != 0 : bottom != height) ||
                (!is_first &&
                 cols->begin !=
                     (int)(spread->right[spread->n_columns - 1] * width + 0.5)))
                return false;
            spread->right[spread->n_columns++] = (double)cols->end / width;
            begin = cols->begin;
            bottom = 0;
        }
        if (rows->begin != bottom ||
            (double)cols->end / width != spread->right[spread->n_columns - 1])
            return false;
        bottom = rows->end;
        spread->tiles[spread->n_tiles++] =
            (struct tess_spread_tile){.bottom = (double)bottom / height,
                                      .column = spread->n_columns - 1,
                                      .node = tiles[order[i]].node};
    }
    return bottom == height && spread->right[spread->n_columns - 1] == 1;
}

bool tess_spread_regions(const struct tess_spread *spread, int height, int width,
                         struct tess_region *regions_out)
{
    int column = -1, left = 0, right = 0, top = 0;
    for (int i = 0; i < spread->n_tiles; i++) {
        const struct tess_spread_tile *tile = &spread->tiles[i];
        if (tile->column != column) {
            column = tile->column;
            left = right;
            right = (int)(spread->right[column] * width + 0.5);
            top = 0;
        }
        int bottom = (int)(tile->bottom * height + 0.5);
        regions_out[i] = (struct tess_region){{{top, bottom}, {left, right}}};
        if (bottom <= top || right <= left)
            return false;
        top = bottom;
    }
    return true;
}

static bool has_below(const struct tess_spread *spread, int tile)
{
    return tile + 1 < spread->n_tiles &&
           spread->tiles[tile + 1].column == spread->tiles[tile].column;
}

static double top_of(const struct tess_spread *spread, int tile)
{
    return tile > 0 && has_below(spread, tile - 1) ? spread->tiles[tile - 1].bottom : 0;
}

bool tess_spread_move_bottom(struct tess_spread *spread, int tile, double by)
{
    double bottom = spread->tiles[tile].bottom + by;
    if (!has_below(spread, tile) || bottom <= top_of(spread, tile) ||
        bottom >= spread->tiles[tile + 1].bottom)
        return false;
    spread->tiles[tile].bottom = bottom;
    return true;
}

bool tess_spread_move_right(struct tess_spread *spread, int column, double by)
{
    double right = spread->right[column] + by;
    if (column + 1 >= spread->n_columns || right >= spread->right[column + 1] ||
        right <= (column > 0 ? spread->right[column - 1] : 0))
        return false;
    spread->right[column] = right;
    return true;
}

bool tess_spread_halve(struct tess_spread *spread, int tile)
{
    if (spread->n_tiles == TESS_SPREAD_TILES)
        return false;
    struct tess_spread_tile half = spread->tiles[tile];
    half.bottom = (top_of(spread, tile) + half.bottom) / 2;
    memmove(&spread->tiles[tile + 1], &spread->tiles[tile],
            sizeof half * (size_t)(spread->n_tiles - tile));
    spread->tiles[tile] = half;
    spread->n_tiles++;
    return true;
}

bool tess_spread_join(struct tess_spread *spread, int tile)
{
    if (!has_below(spread, tile))
        return false;
    spread->tiles[tile].bottom = spread->tiles[tile + 1].bottom;
    spread->n_tiles--;
    memmove(&spread->tiles[tile + 1], &spread->tiles[tile + 2],
            sizeof *spread->tiles * (size_t)(spread->n_tiles - tile - 1));
    return true;
}

void tess_spread_copy(struct tess_spread *to, const struct tess_spread *from)
{
    to->n_columns = from->n_columns;
    to->n_tiles = from->n_tiles;
    memcpy(to->right, from->right, sizeof to->right);
    memcpy(to->tiles, from->tiles, sizeof *to->tiles * (size_t)from->n_tiles);
}
