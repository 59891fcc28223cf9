/* A cfg, a zero byte and a weights file. The file is tried as it is and, because a fuzzer
 * rarely meets the exact size, cut or filled up to what the network needs. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arith.h"
#include "model/darknet.h"
#include "model/weights.h"
#include "tests/fuzz/fuzz_target.h"

enum { LIMIT_FLOATS = 1 << 18 };

static void read_op(struct tess_weights *weights, const struct tess_graph *graph, int op)
{
    int n_filters = graph->tensors[graph->ops[op].output].c;
    int64_t n_kernel = tess_op_n_kernel(graph, &graph->ops[op]);
    float *kernel = calloc((size_t)(n_kernel + n_filters), sizeof *kernel);
    struct tess_error error;
    tess_error_init(&error);
    if (!kernel)
        abort();
    int middle = n_filters / 2;
    enum tess_status status = TESS_OK;
    if (middle > 0)
        status = tess_weights_read(weights, graph, op, 0, middle, kernel,
                                   kernel + n_kernel, &error);
    if (status == TESS_OK)
        status = tess_weights_read(weights, graph, op, middle, n_filters,
                                   kernel + n_kernel / n_filters * middle,
                                   kernel + n_kernel + middle, &error);
    assert(status == TESS_OK || (status == TESS_E_MODEL && error.message[0]));
    for (int64_t i = 0; i < n_kernel + n_filters && status == TESS_OK; i++)
        assert(isfinite(kernel[i]));
    free(kernel);
}

static void try_file(const struct tess_graph *graph, int fd)
{
    struct tess_weights *weights = NULL;
    struct tess_error error;
    char path[32];
    tess_error_init(&error);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum tess_status status = tess_weights_open(graph, path, &weights, &error);
    assert((status == TESS_OK) == (weights != NULL));
    assert(status == TESS_OK || error.message[0]);
    for (int op = 0; weights && op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            read_op(weights, graph, op);
    tess_weights_destroy(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    struct tess_graph *graph = NULL;
    if (!end || tess_darknet_parse((const char *)data, (size_t)(end - data), "fuzz.cfg",
                                   &graph, NULL, NULL) != TESS_OK)
        return 0;
    int fd = graph->n_weights <= LIMIT_FLOATS ? memfd_create("weights", MFD_CLOEXEC) : -1;
    size_t n_bytes = size - (size_t)(end + 1 - data);
    if (fd >= 0 && write(fd, end + 1, n_bytes) == (ssize_t)n_bytes) {
        try_file(graph, fd);
        for (int header_bytes = 16; header_bytes <= 20; header_bytes += 4)
            if (ftruncate(fd, header_bytes + 4 * graph->n_weights) == 0)
                try_file(graph, fd);
    }
    if (fd >= 0)
        close(fd);
    tess_graph_destroy(graph);
    return 0;
}
