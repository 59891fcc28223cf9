#include "tests/support/network_maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float *new_map(const struct tess_tensor *tensor)
{
    float *map = malloc((size_t)tess_tensor_bytes(tensor));
    assert_non_null(map);
    memset(map, 0x7f, (size_t)tess_tensor_bytes(tensor)); /* no number anybody computes */
    return map;
}

struct tess_network_maps tess_network_maps_create(const struct tess_graph *graph)
{
    struct tess_network_maps all = {graph, NULL};
    all.maps = malloc(sizeof *all.maps * (size_t)graph->n_tensors);
    assert_non_null(all.maps);
    for (int i = 0; i < graph->n_tensors; i++)
        all.maps[i] = new_map(&graph->tensors[i]);
    return all;
}

void tess_network_maps_destroy(struct tess_network_maps *all)
{
    for (int i = 0; i < all->graph->n_tensors; i++)
        free(all->maps[i]);
    free(all->maps);
}

void tess_network_maps_draw_input(struct tess_network_maps *all, struct tess_rng *rng)
{
    const struct tess_tensor *input = &all->graph->tensors[TESS_GRAPH_INPUT];
    for (int64_t i = 0; i < (int64_t)input->h * input->w * input->c; i++)
        all->maps[TESS_GRAPH_INPUT][i] = tess_rng_float(rng) - 0.5f;
}

static enum tess_status read_dense(void *context, const struct tess_plane *rows,
                                   struct tess_error *error)
{
    const float *map = context;
    size_t row_elems = (size_t)rows->n_cols * (size_t)rows->channels;
    (void)error;
    for (int y = 0; y < rows->n_rows; y++)
        for (int x = 0; x < rows->n_cols; x++)
            memcpy(rows->data + (size_t)y * rows->row_stride +
                       (size_t)x * rows->pixel_stride,
                   map + (size_t)(rows->row + y) * row_elems +
                       (size_t)x * (size_t)rows->channels,
                   sizeof(float) * (size_t)rows->channels);
    return TESS_OK;
}

struct tess_row_source tess_network_maps_input(struct tess_network_maps *all)
{
    return (struct tess_row_source){read_dense, all->maps[TESS_GRAPH_INPUT]};
}

static enum tess_status keep_tile(void *context, int op, const struct tess_plane *tile,
                                  struct tess_error *error)
{
    struct tess_network_maps *all = context;
    int output = all->graph->ops[op].output;
    const struct tess_tensor *out = &all->graph->tensors[output];
    (void)error;
    for (int y = 0; y < tile->n_rows; y++)
        for (int x = 0; x < tile->n_cols; x++)
            memcpy(all->maps[output] + ((size_t)(tile->row + y) * (size_t)out->w +
                                        (size_t)(tile->col + x)) *
                                           (size_t)out->c,
                   tile->data + (size_t)y * tile->row_stride +
                       (size_t)x * tile->pixel_stride,
                   sizeof(float) * (size_t)out->c);
    return TESS_OK;
}

struct tess_observer tess_network_maps_observer(struct tess_network_maps *all)
{
    return (struct tess_observer){keep_tile, all};
}
