#include "executor/bundle_maps.h"

#include <assert.h>
#include <string.h>

/* One row of one map, side by side with those of the other maps. */
struct strip {
    float *map, *rect; /* their first pixels */
    size_t map_stride, rect_stride;
    size_t n_pixels;
};

static struct strip strip_of(const struct tess_tensor *tensor, float *map,
                             const struct tess_bundle *bundle, float *rect,
                             const struct tess_region *region, int row)
{
    struct tess_range rows = region->axis[TESS_ROWS], cols = region->axis[TESS_COLS];
    size_t n_cols = (size_t)tess_range_len(cols);
    assert(rows.begin <= row && row < rows.end && rows.begin >= 0 &&
           rows.end <= tensor->h);
    assert(cols.begin >= 0 && cols.end <= tensor->w);
    return (struct strip){
        .map = map +
               ((size_t)row * (size_t)tensor->w + (size_t)cols.begin) * (size_t)tensor->c,
        .rect = rect + (size_t)(row - rows.begin) * n_cols * (size_t)bundle->c,
        .map_stride = (size_t)tensor->c,
        .rect_stride = (size_t)bundle->c,
        .n_pixels = n_cols,
    };
}

static void copy_strip(const struct strip *strip, bool is_gather)
{
    size_t bytes = sizeof(float) * strip->map_stride;
    if (strip->map_stride == strip->rect_stride) {
        memcpy(is_gather ? strip->rect : strip->map, is_gather ? strip->map : strip->rect,
               bytes * strip->n_pixels);
        return;
    }
    for (size_t x = 0; x < strip->n_pixels; x++) {
        float *map = strip->map + x * strip->map_stride;
        float *rect = strip->rect + x * strip->rect_stride;
        memcpy(is_gather ? rect : map, is_gather ? map : rect, bytes);
    }
}

static void copy_bundle(const struct tess_graph *graph, const struct tess_bundle *bundle,
                        float *const *maps, float *rect, const struct tess_region *region,
                        bool is_gather)
{
    for (int i = 0; i < bundle->n_tensors; i++) {
        const struct tess_tensor *tensor = &graph->tensors[bundle->tensors[i]];
        struct tess_range rows = region->axis[TESS_ROWS];
        for (int row = rows.begin; row < rows.end; row++) {
            struct strip strip =
                strip_of(tensor, maps[bundle->tensors[i]], bundle, rect, region, row);
            copy_strip(&strip, is_gather);
        }
        rect += tensor->c;
    }
}

void tess_bundle_gather(const struct tess_graph *graph, const struct tess_bundle *bundle,
                        float *const *maps, const struct tess_region *region,
                        float *rect_out)
{
    copy_bundle(graph, bundle, maps, rect_out, region, true);
}

void tess_bundle_scatter(const struct tess_graph *graph, const struct tess_bundle *bundle,
                         const float *rect, const struct tess_region *region,
                         float *const *maps)
{
    /* Only read: the copy goes the other way. */
    union {
        const float *from;
        float *to;
    } both = {.from = rect};
    copy_bundle(graph, bundle, maps, both.to, region, false);
}
