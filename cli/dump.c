#include "cli/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum tess_status open_dump(struct tess_dump *dump,
                                  const struct tess_dump_request *request,
                                  const struct tess_graph *graph,
                                  struct tess_error *error)
{
    int layer;
    if (!tess_graph_find_layer(graph, request->layer, &layer)) {
        tess_error_set(error, TESS_E_USAGE, "--dump: there is no layer %lld",
                       (long long)request->layer);
        tess_error_hint(error, "layers are 0..%d, or -1.. from the end",
                        graph->n_layers - 1);
        return TESS_E_USAGE;
    }
    dump->tensor = graph->layers[layer].tensor;
    if (dump->tensor < 0 || graph->tensors[dump->tensor].producer < 0)
        return tess_error_set(error, TESS_E_USAGE,
                              "--dump: layer %d is not among those run", layer);
    dump->path = request->path;
    dump->row = malloc(sizeof(float) * (size_t)graph->tensors[dump->tensor].w);
    if (!dump->row)
        return tess_error_nomem(error);
    dump->fd = open(dump->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (dump->fd < 0)
        return tess_error_at(error, TESS_E_IO, dump->path, 0, 0, "cannot create: %s",
                             strerror(errno));
    return TESS_OK;
}

enum tess_status tess_dumps_init(struct tess_dumps *dumps, const struct tess_args *args,
                                 const struct tess_graph *graph, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    memset(dumps, 0, sizeof *dumps);
    dumps->graph = graph;
    for (int i = 0; i < args->n_dumps && status == TESS_OK; i++) {
        dumps->dumps[i].fd = -1;
        dumps->n_dumps++;
        status = open_dump(&dumps->dumps[i], &args->dumps[i], graph, error);
    }
    if (status != TESS_OK)
        tess_dumps_close(dumps, NULL);
    return status;
}

enum tess_status tess_dumps_set_graph(struct tess_dumps *dumps,
                                      const struct tess_args *args,
                                      const struct tess_graph *graph,
                                      struct tess_error *error)
{
    for (int i = 0; i < dumps->n_dumps; i++) {
        int layer, tensor = -1;
        if (tess_graph_find_layer(graph, args->dumps[i].layer, &layer))
            tensor = graph->layers[layer].tensor;
        if (tensor < 0) {
            tess_error_set(error, TESS_E_USAGE,
                           "--dump: layer %d never exists where this plan splits those "
                           "that read it",
                           layer);
            tess_error_hint(error, "leave out --rewrite, or use another plan");
            return TESS_E_USAGE;
        }
        dumps->dumps[i].tensor = tensor;
    }
    dumps->graph = graph;
    return TESS_OK;
}

enum tess_status tess_dumps_close(struct tess_dumps *dumps, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int i = 0; i < dumps->n_dumps; i++) {
        struct tess_dump *dump = &dumps->dumps[i];
        if (dump->fd >= 0 && close(dump->fd) != 0)
            status = tess_error_at(error, TESS_E_IO, dump->path, 0, 0, "cannot write: %s",
                                   strerror(errno));
        free(dump->row);
    }
    dumps->n_dumps = 0;
    return status;
}

static bool write_at(int fd, const void *bytes, size_t n_bytes, off_t offset)
{
    const char *at = bytes;
    while (n_bytes > 0) {
        ssize_t n = pwrite(fd, at, n_bytes, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static enum tess_status take(const struct tess_dump *dump,
                             const struct tess_tensor *tensor,
                             const struct tess_plane *tile, struct tess_error *error)
{
    for (int c = 0; c < tile->channels; c++) {
        for (int y = 0; y < tile->n_rows; y++) {
            const float *from = tile->data + (size_t)y * tile->row_stride + c;
            for (int x = 0; x < tile->n_cols; x++)
                dump->row[x] = from[(size_t)x * tile->pixel_stride];
            off_t at =
                (((off_t)c * tensor->h + tile->row + y) * tensor->w + tile->col) * 4;
            if (!write_at(dump->fd, dump->row, sizeof(float) * (size_t)tile->n_cols, at))
                return tess_error_at(error, TESS_E_IO, dump->path, 0, 0,
                                     "cannot write: %s", strerror(errno));
        }
    }
    return TESS_OK;
}

enum tess_status tess_dumps_take(void *context, int op, const struct tess_plane *tile,
                                 struct tess_error *error)
{
    struct tess_dumps *dumps = context;
    int tensor = dumps->graph->ops[op].output;
    for (int i = 0; i < dumps->n_dumps; i++) {
        if (dumps->dumps[i].tensor != tensor)
            continue;
        enum tess_status status =
            take(&dumps->dumps[i], &dumps->graph->tensors[tensor], tile, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}
