/* How nodes lie over a map: columns of tiles, one below the other, edges as fractions of the map,
 * so that one spread fits the maps of all stages. What a node computed of one map is then most of
 * what it reads of it in the next stage.
 *
 * Says nothing about times or memory: planner/cluster_climb.h looks for good ones.
 */
#ifndef TESS_PLANNER_CLUSTER_SPREAD_H
#define TESS_PLANNER_CLUSTER_SPREAD_H

#include "plan/cluster.h"

enum { TESS_SPREAD_COLUMNS = 8, TESS_SPREAD_TILES = 4 * TESS_CLUSTER_MOST_NODES };

struct tess_spread_tile {
    double
        bottom; /* lower edge, in (0, 1]; the upper one is the tile's before in its column */
    int column, node;
};

/* Tiles by column, from the top. */
struct tess_spread {
    int n_columns, n_tiles;
    double right[TESS_SPREAD_COLUMNS]; /* right edges of columns, in (0, 1] */
    struct tess_spread_tile tiles[TESS_SPREAD_TILES];
};

/* The whole map on one node. */
void tess_spread_single(struct tess_spread *spread, int node);

/* `per_node` tiles for each of the nodes [first_node, n_nodes), in `n_columns` columns, areas as
 * their `shares`. Tiles of one node are neighbours. False if they are too many. */
bool tess_spread_even(struct tess_spread *spread, const double *shares, int first_node,
                      int n_nodes, int n_columns, int per_node);

/* Of tiles that lie so. False if they do not. `height`, `width` of the map. */
bool tess_spread_of(struct tess_spread *spread, const struct tess_cluster_tile *tiles,
                    int n_tiles, int height, int width);

/* The rectangles of the tiles: regions_out[n_tiles]. False if a tile has no row or no column. */
bool tess_spread_regions(const struct tess_spread *spread, int height, int width,
                         struct tess_region *regions_out);

/* Moves the lower edge of a tile that has one below it in its column, or the right edge of a
 * column that is not the last. False, and nothing changed, if it has none or passes another. */
bool tess_spread_move_bottom(struct tess_spread *spread, int tile, double by);
bool tess_spread_move_right(struct tess_spread *spread, int column, double by);

/* Halves a tile; joins it with the one below. False if it cannot. */
bool tess_spread_halve(struct tess_spread *spread, int tile);
bool tess_spread_join(struct tess_spread *spread, int tile);

/* A cheap copy: only tiles that there are. */
void tess_spread_copy(struct tess_spread *to, const struct tess_spread *from);

#endif
