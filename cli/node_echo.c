#include "cli/node_echo.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char label[] = "link test ";

enum { TILE_ROWS = 16, COLS = 256, CHANNELS = 64 }; /* of 4 bytes: TESS_ECHO_TILE_BYTES */

static struct tess_parts part_of(int tensor, int tile)
{
    struct tess_parts parts = {.n = 1};
    parts.at[0] = (struct tess_part){.tensor = tensor,
                                     .rows = {tile * TILE_ROWS, (tile + 1) * TILE_ROWS},
                                     .cols = {0, COLS},
                                     .channels = {0, CHANNELS},
                                     .element_bytes = 4};
    return parts;
}

enum tess_status tess_node_echo_init(struct tess_node_echo *echo, int n_tiles,
                                     struct tess_error *error)
{
    assert(n_tiles >= 1 && n_tiles <= TESS_ECHO_MOST_TILES);
    memset(echo, 0, sizeof *echo);
    echo->tiles = calloc((size_t)n_tiles, sizeof *echo->tiles);
    if (!echo->tiles)
        return tess_error_nomem(error);
    for (int i = 0; i < n_tiles; i++)
        echo->tiles[i] = (struct tess_work_tile){
            .inputs = part_of(0, i), .outputs = part_of(1, i), .cost = 1000000};
    echo->tensors[0] = echo->tensors[1] =
        (struct tess_part_map){n_tiles * TILE_ROWS, COLS, CHANNELS, 4};
    echo->stage = (struct tess_work_stage){0, n_tiles};
    echo->work = (struct tess_work){.n_tensors = 2,
                                    .tensors = echo->tensors,
                                    .n_stages = 1,
                                    .stages = &echo->stage,
                                    .n_tiles = n_tiles,
                                    .tiles = echo->tiles};
    return tess_work_check(&echo->work, error);
}

void tess_node_echo_release(struct tess_node_echo *echo)
{
    free(echo->tiles);
    memset(echo, 0, sizeof *echo);
}

void tess_node_echo_write(int n_tiles, struct tess_text *text_out)
{
    tess_text_printf(text_out, "%s%d", label, n_tiles);
}

bool tess_node_echo_read(const char *text, size_t n_bytes, int *n_tiles_out)
{
    char number[16];
    int64_t n_tiles;
    size_t len = sizeof label - 1;
    if (n_bytes <= len || n_bytes - len >= sizeof number || memcmp(text, label, len) != 0)
        return false;
    memcpy(number, text + len, n_bytes - len);
    number[n_bytes - len] = '\0';
    if (!tess_parse_i64(number, 1, TESS_ECHO_MOST_TILES, &n_tiles))
        return false;
    *n_tiles_out = (int)n_tiles;
    return true;
}

void tess_node_echo_run(const void *input, void *output)
{
    memcpy(output, input, TESS_ECHO_TILE_BYTES);
}
