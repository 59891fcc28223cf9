/* Parts: rectangles of tensors, some channels of them, as they travel in one payload.
 *
 * Integer geometry and copying. Which parts a tile reads and writes is said by
 * transport/work.h.
 */
#ifndef TESS_TRANSPORT_PART_H
#define TESS_TRANSPORT_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "partition/region.h"

enum {
    TESS_PARTS_MAX = 12,          /* what a tile reads, or the pieces of it that travel */
    TESS_PART_EXTENT_MAX = 65536, /* rows, columns or channels */
    TESS_PART_TENSORS_MAX = 1024
};

struct tess_part {
    int tensor;                             /* of the work */
    struct tess_range rows, cols, channels; /* half-open, never empty */
    int element_bytes;                      /* 1: uint8, 2: float16, 4: float32 */
};

struct tess_parts {
    int n;
    struct tess_part at[TESS_PARTS_MAX];
};

/* Does the part hold something, with numbers in their ranges? */
bool tess_part_is_valid(const struct tess_part *part);
bool tess_parts_are_equal(const struct tess_parts *a, const struct tess_parts *b);

/* Bytes of the part without gaps; -1 if that is no valid part or no int64_t. */
int64_t tess_part_bytes(const struct tess_part *part);

/* Bytes of all, one after the other; -1 as above. 0 for no parts. */
int64_t tess_parts_bytes(const struct tess_parts *parts);

/* Where both are, in *meet_out. False if nowhere. */
bool tess_part_meet(const struct tess_part *a, const struct tess_part *b,
                    struct tess_part *meet_out);

/* Is each of the pieces inside one of the parts? */
bool tess_parts_contain(const struct tess_parts *parts, const struct tess_parts *pieces);

/* Do they have an element in common? */
bool tess_parts_meet(const struct tess_parts *a, const struct tess_parts *b);

/* Takes what `minus`, with all its channels, covers out of the parts: each that it meets becomes
 * up to four pieces, in place. False, and the parts as they were, if that would be more than
 * TESS_PARTS_MAX. */
bool tess_parts_subtract(struct tess_parts *parts, const struct tess_part *minus);

/* Copies `region` from the bytes of one part, packed, to those of another. Both contain it. */
void tess_part_move(const struct tess_part *region, const struct tess_part *from_part,
                    const void *from, const struct tess_part *to_part, void *to);

/* Copies to the packed `parts` what of them the packed `from_parts` have. */
void tess_parts_pick(const struct tess_parts *from_parts, const void *from,
                     const struct tess_parts *parts, void *to);

/* A tensor [h,w,c] in memory without gaps. */
struct tess_part_map {
    int h, w, c;
    int element_bytes;
};

/* Copies what of `part` the packed parts have into the tensor `into`. `part` is inside. */
void tess_part_place(const struct tess_part *part, const struct tess_parts *have,
                     const void *packed, const struct tess_part_map *map, void *into);

/* Is the part inside the map, of its element type? */
bool tess_part_is_inside(const struct tess_part *part, const struct tess_part_map *map);

/* Is the part one run of bytes in the map (whole rows, all channels)? Then it need not be
 * packed: it begins at *offset_out bytes. `part` is inside. */
bool tess_part_is_contiguous(const struct tess_part *part,
                             const struct tess_part_map *map, int64_t *offset_out);

/* Copies the part out of the tensor `from` [h,w,c] to `packed` [rows,cols,channels]; the other
 * way it is tess_part_place. `part` is inside. Cost: one pass over the part's bytes. */
void tess_part_pack(const struct tess_part *part, const struct tess_part_map *map,
                    const void *from, void *packed);

#endif
