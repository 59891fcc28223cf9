#include "cli/measure_weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/paged_file.h"
#include "model/compiled.h"
#include "model/darknet.h"
#include "model/packed.h"
#include "model/packed_source.h"
#include "model/synth.h"
#include "model/weights.h"

/* A slice of some blocks, as plans have them; the best of some rounds is what the machine can
 * do while nobody else wants it. */
enum { SLICE_BLOCKS = 4, N_ROUNDS = 7 };

static const char network[] = "[net]\nheight=4\nwidth=4\nchannels=512\n"
                              "[conv]\nbatch_normalize=1\nfilters=1024\nsize=3\npad=1\n"
                              "activation=leaky\n";

struct files {
    char folder[64], weights[96], compiled[96];
};

/* Everything that is measured with. */
struct subject {
    struct tess_graph *graph;
    struct tess_weights *weights;
    struct tess_compiled *compiled;
    void *slot, *scratch; /* a slice, a block */
};

static enum tess_status make_folder(struct files *files, struct tess_error *error)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(files->folder, sizeof files->folder, "%.40s/tessera-XXXXXX",
             temporary ? temporary : "/tmp");
    if (!mkdtemp(files->folder))
        return tess_error_at(error, TESS_E_IO, files->folder, 0, 0, "cannot create: %s",
                             strerror(errno));
    snprintf(files->weights, sizeof files->weights, "%s/weights", files->folder);
    snprintf(files->compiled, sizeof files->compiled, "%s/compiled", files->folder);
    return TESS_OK;
}

static void remove_files(const struct files *files)
{
    unlink(files->weights);
    unlink(files->compiled);
    rmdir(files->folder);
}

static struct tess_packed_darknet from_darknet(const struct subject *subject)
{
    return (struct tess_packed_darknet){.weights = subject->weights,
                                        .graph = subject->graph,
                                        .scratch = subject->scratch,
                                        .scratch_bytes =
                                            tess_packed_scratch_bytes(subject->graph)};
}

static enum tess_status prepare(struct subject *subject, const struct files *files,
                                struct tess_error *error)
{
    enum tess_status status = tess_darknet_parse(
        network, sizeof network - 1, "measurement", &subject->graph, NULL, error);
    if (status != TESS_OK)
        return status;
    size_t block_bytes = (size_t)tess_packed_block_bytes(subject->graph, 0);
    subject->slot = aligned_alloc(64, SLICE_BLOCKS * block_bytes);
    subject->scratch = aligned_alloc(64, block_bytes);
    if (!subject->slot || !subject->scratch)
        return tess_error_nomem(error);
    status = tess_synth_write(subject->graph, 1, files->weights, error);
    if (status == TESS_OK)
        status =
            tess_weights_open(subject->graph, files->weights, &subject->weights, error);
    if (status != TESS_OK)
        return status;
    struct tess_packed_darknet darknet = from_darknet(subject);
    struct tess_compiled_job job = {.cfg = network,
                                    .n_cfg_bytes = sizeof network - 1,
                                    .graph = subject->graph,
                                    .blocks = tess_packed_from_darknet(&darknet)};
    status = tess_compiled_write(&job, files->compiled, error);
    return status == TESS_OK
               ? tess_compiled_open(files->compiled, false, &subject->compiled, error)
               : status;
}

static void release(struct subject *subject)
{
    tess_compiled_destroy(subject->compiled);
    tess_weights_destroy(subject->weights);
    tess_graph_destroy(subject->graph);
    free(subject->slot);
    free(subject->scratch);
}

/* Reads all blocks some times over, slice by slice. */
static enum tess_status time_reading(const struct subject *subject,
                                     const struct tess_packed_source *blocks,
                                     double *bytes_per_us_out, struct tess_error *error)
{
    int n_blocks = tess_packed_n_blocks(subject->graph, 0);
    double bytes = (double)n_blocks * (double)tess_packed_block_bytes(subject->graph, 0);
    double best_us = 0;
    for (int round = 0; round < N_ROUNDS; round++) {
        double start_us = tess_clock_us();
        for (int first = 0; first < n_blocks; first += SLICE_BLOCKS) {
            int n = tess_min_int(SLICE_BLOCKS, n_blocks - first);
            enum tess_status status =
                blocks->read(blocks->context, 0, first, n, subject->slot, error);
            if (status != TESS_OK)
                return status;
        }
        double us = tess_clock_us() - start_us;
        if (round == 0 || us < best_us)
            best_us = us;
    }
    *bytes_per_us_out = bytes / (best_us > 1 ? best_us : 1);
    return TESS_OK;
}

/* Leaves nothing of it in the system's cache, if the system is willing. */
static void drop(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

/* Reads the compiled weights past the system's cache, as a worker does that cannot hold them. */
static enum tess_status time_disk(const struct subject *subject, const char *path,
                                  struct tess_profile *profile, struct tess_error *error)
{
    struct tess_paged_file *file = NULL;
    int64_t slice_bytes = SLICE_BLOCKS * tess_packed_block_bytes(subject->graph, 0);
    drop(path);
    enum tess_status status = tess_paged_file_open(path, &file, error);
    if (status != TESS_OK)
        return status;
    int64_t n_bytes = tess_paged_file_bytes(file);
    int64_t cached_bytes = tess_paged_file_best_bytes(file);
    tess_paged_file_stream(file, true);
    bool is_direct = tess_paged_file_best_bytes(file) > cached_bytes;
    double start_us = tess_clock_us();
    for (int64_t at = 0, n; is_direct && at < n_bytes && status == TESS_OK; at += n) {
        n = tess_min_i64(slice_bytes, n_bytes - at);
        status = tess_paged_file_read(file, at, n, subject->slot, error);
    }
    double us = tess_clock_us() - start_us;
    if (is_direct && status == TESS_OK)
        profile->disk_bytes_per_us = (double)n_bytes / (us > 1 ? us : 1);
    tess_paged_file_destroy(file);
    return status;
}

static enum tess_status measure(const struct subject *subject, const struct files *files,
                                struct tess_profile *profile, struct tess_error *error)
{
    struct tess_packed_compiled compiled = {subject->compiled, subject->graph};
    struct tess_packed_darknet darknet = from_darknet(subject);
    struct tess_packed_source streamed = tess_packed_from_compiled(&compiled);
    struct tess_packed_source packed = tess_packed_from_darknet(&darknet);
    enum tess_status status =
        time_reading(subject, &streamed, &profile->stream_bytes_per_us, error);
    if (status == TESS_OK)
        status = time_reading(subject, &packed, &profile->pack_bytes_per_us, error);
    return status == TESS_OK ? time_disk(subject, files->compiled, profile, error)
                             : status;
}

enum tess_status tess_measure_weights(struct tess_profile *profile,
                                      struct tess_error *error)
{
    struct files files;
    struct subject subject = {.graph = NULL};
    enum tess_status status = make_folder(&files, error);
    if (status != TESS_OK)
        return status;
    status = prepare(&subject, &files, error);
    if (status == TESS_OK)
        status = measure(&subject, &files, profile, error);
    release(&subject);
    remove_files(&files);
    return status;
}
