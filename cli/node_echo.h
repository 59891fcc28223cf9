/* A job that tests links: tiles are sent and come back as they are. It needs no network and no
 * weights, so that it says something about boards before anything else works.
 */
#ifndef TESS_CLI_NODE_ECHO_H
#define TESS_CLI_NODE_ECHO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "transport/work.h"

enum { TESS_ECHO_TILE_BYTES = 1 << 20, TESS_ECHO_MOST_TILES = 256 };

struct tess_node_echo {
    struct tess_part_map tensors[2]; /* given, and got back */
    struct tess_work_stage stage;
    struct tess_work_tile *tiles;
    struct tess_work work;
};

/* `n_tiles` tiles. TESS_E_NOMEM. Release after success or failure. */
enum tess_status tess_node_echo_init(struct tess_node_echo *echo, int n_tiles,
                                     struct tess_error *error);
void tess_node_echo_release(struct tess_node_echo *echo); /* accepts zeroed memory */

/* The job's text, and whether a text is one: then *n_tiles_out is set. */
void tess_node_echo_write(int n_tiles, struct tess_text *text_out);
bool tess_node_echo_read(const char *text, size_t n_bytes, int *n_tiles_out);

/* A tile's output. */
void tess_node_echo_run(const void *input, void *output);

#endif
