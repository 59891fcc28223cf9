/* The work of one frame as the nodes share it: stages one after the other, each cut into tiles
 * that are independent of each other.
 *
 * Tensors lie whole at the coordinator between stages; a tile reads parts of them and writes
 * parts of others. Who computes a tile, and with what, is not said here: coordinator and
 * worker both hold the same work and name tiles by stage and number.
 */
#ifndef TESS_TRANSPORT_WORK_H
#define TESS_TRANSPORT_WORK_H

#include <stdint.h>

#include "base/error.h"
#include "transport/part.h"

enum {
    TESS_WORK_STAGES_MAX = 64,
    TESS_WORK_TILES_MAX = 1024 /* of a stage */
};

struct tess_work_tile {
    struct tess_parts inputs, outputs;
    struct tess_parts
        rest;     /* of the outputs: what no other node needs, as planned. It may come
                               later than the others; none: the outputs come as one */
    int64_t cost; /* MACs, and what else takes time expressed in them; >= 1 */
    int planned; /* number of the node that it is planned for, the coordinator being 1; 0: none */
};

struct tess_work_stage {
    int first_tile, n_tiles; /* the costliest first: it is given away first */
};

struct tess_work {
    int n_tensors;
    const struct tess_part_map *tensors; /* without a writer: given with each frame */
    int n_stages;
    const struct tess_work_stage *stages;
    int n_tiles; /* of all stages */
    const struct tess_work_tile *tiles;
};

/* Tile number `tile` of stage `stage`; NULL if there is none. */
const struct tess_work_tile *tess_work_tile(const struct tess_work *work, int stage,
                                            int tile);

/* The outputs without the rest: what comes first. May be nothing at all. */
struct tess_parts tess_work_early(const struct tess_work_tile *tile);

/* Sets the rests of the work's tiles, which are `tiles`: of each output the largest rectangle or so
 * that no tile planned for another node reads. Outputs that nobody reads, those of tiles that are
 * planned for no node, and those of the coordinator have none. Cost: the square of the tiles. */
void tess_work_set_rests(const struct tess_work *work, struct tess_work_tile *tiles);

/* Bytes of the largest payload of a tile, in or out. */
int64_t tess_work_largest_payload(const struct tess_work *work);

/* Stage that writes the tensor, -1 for a given one; last stage that reads it, -1 for none. */
int tess_work_writer(const struct tess_work *work, int tensor);
int tess_work_last_reader(const struct tess_work *work, int tensor);

/* Can it be run? Stages list their tiles one after the other; parts are inside their
 * tensors; what is read was given or written by an earlier stage; the tiles of one stage
 * write each of its tensors completely and no element twice. TESS_E_CONFIG. Cost: the
 * square of the tiles of a stage. */
enum tess_status tess_work_check(const struct tess_work *work, struct tess_error *error);

#endif
