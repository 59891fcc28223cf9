#include "cli/model_file.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arith.h"
#include "base/file.h"
#include "model/darknet.h"

/* Would the file, once in the page cache, take more than the whole process may? */
static bool is_over_budget(const struct tess_args *args, const char *path)
{
    struct stat info;
    return args->has_budget && stat(path, &info) == 0 &&
           info.st_size > args->memory_bytes;
}

static enum tess_status open_compiled(struct tess_model_file *model,
                                      const struct tess_args *args,
                                      struct tess_error *error)
{
    if (args->weights) {
        tess_error_set(error, TESS_E_USAGE, "%s is compiled: it carries its weights",
                       args->model);
        tess_error_hint(error, "leave out --weights, or give the cfg");
        return TESS_E_USAGE;
    }
    enum tess_status status = tess_compiled_open(
        args->model, is_over_budget(args, args->model), &model->compiled, error);
    if (status == TESS_OK)
        model->network = tess_compiled_graph(model->compiled);
    return status;
}

static enum tess_status cut(struct tess_model_file *model, const struct tess_args *args,
                            struct tess_error *error)
{
    int first, last;
    if (!tess_graph_find_layer(model->network, args->first_layer, &first) ||
        !tess_graph_find_layer(model->network, args->last_layer, &last) || first > last)
        return tess_error_set(error, TESS_E_USAGE, "--layers: %s has layers 0..%d",
                              args->model, model->network->n_layers - 1);
    enum tess_status status =
        tess_graph_cut(model->network, first, last, &model->part, error);
    model->graph = model->part;
    return status;
}

enum tess_status tess_model_file_init(struct tess_model_file *model,
                                      const struct tess_args *args,
                                      struct tess_text *warnings_out,
                                      struct tess_error *error)
{
    memset(model, 0, sizeof *model);
    enum tess_status status;
    if (tess_compiled_detect(args->model)) {
        status = open_compiled(model, args, error);
    } else {
        status = tess_darknet_load(args->model, &model->parsed, warnings_out, error);
        model->network = model->parsed;
    }
    if (status != TESS_OK)
        return status;
    model->graph = model->network;
    return args->has_layers ? cut(model, args, error) : TESS_OK;
}

void tess_model_file_release(struct tess_model_file *model)
{
    if (model->scratch)
        munmap(model->scratch, (size_t)model->scratch_bytes);
    tess_weights_destroy(model->weights);
    tess_graph_destroy(model->split);
    tess_graph_destroy(model->part);
    tess_graph_destroy(model->parsed);
    tess_compiled_destroy(model->compiled);
    memset(model, 0, sizeof *model);
}

void tess_model_file_set_split(struct tess_model_file *model, struct tess_graph *split)
{
    assert(!model->split && !model->scratch);
    tess_graph_destroy(model->part);
    tess_graph_destroy(model->parsed);
    if (model->compiled)
        tess_compiled_drop_graph(model->compiled);
    model->part = model->parsed = NULL;
    model->network = model->graph = model->split = split;
}

enum tess_status tess_model_file_open_weights(struct tess_model_file *model,
                                              const struct tess_args *args,
                                              struct tess_error *error)
{
    assert(model->network && !model->weights);
    if (model->compiled)
        return TESS_OK;
    if (args->weights) {
        enum tess_status status =
            tess_weights_open(model->network, args->weights, &model->weights, error);
        if (status == TESS_OK && is_over_budget(args, args->weights))
            tess_weights_leave_cache(model->weights);
        return status;
    }
    tess_error_set(error, TESS_E_USAGE, "%s needs --weights FILE",
                   tess_verb_name(args->verb));
    tess_error_hint(error, "tessera synth %s -o random.weights makes random ones",
                    args->model);
    return TESS_E_USAGE;
}

enum tess_status tess_model_file_cfg(const struct tess_model_file *model,
                                     const struct tess_args *args,
                                     struct tess_text *text_out, struct tess_error *error)
{
    enum { CFG_LIMIT_BYTES = 1 << 20 };
    return model->compiled
               ? tess_compiled_cfg(model->compiled, text_out, error)
               : tess_file_read(args->model, CFG_LIMIT_BYTES, text_out, error);
}

int64_t tess_model_file_source_bytes(const struct tess_model_file *model)
{
    return model->compiled ? TESS_PACKED_WINDOW_BYTES : TESS_WEIGHTS_WINDOW_BYTES;
}

static enum tess_status read_darknet(void *context, int op, int begin, int end,
                                     float *kernel, float *bias, struct tess_error *error)
{
    struct tess_model_file *model = context;
    return tess_weights_read(model->weights, model->graph, op, begin, end, kernel, bias,
                             error);
}

struct tess_filter_source tess_model_file_filters(struct tess_model_file *model)
{
    assert(model->compiled || model->weights);
    if (!model->compiled)
        return (struct tess_filter_source){read_darknet, model};
    model->compiled_blocks = (struct tess_packed_compiled){model->compiled, model->graph};
    return (struct tess_filter_source){tess_packed_read_filters, &model->compiled_blocks};
}

/* A mapping of its own: only what reads touch of it becomes resident. */
static enum tess_status map_scratch(struct tess_model_file *model,
                                    struct tess_error *error)
{
    int64_t bytes = tess_max_i64(tess_packed_scratch_bytes(model->graph), 1);
    void *scratch = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (scratch == MAP_FAILED)
        return tess_error_nomem(error);
    madvise(scratch, (size_t)bytes, MADV_NOHUGEPAGE);
    model->scratch = scratch;
    model->scratch_bytes = bytes;
    return TESS_OK;
}

enum tess_status tess_model_file_blocks(struct tess_model_file *model,
                                        struct tess_packed_source *blocks_out,
                                        struct tess_error *error)
{
    assert(model->compiled || model->weights);
    if (model->compiled) {
        model->compiled_blocks =
            (struct tess_packed_compiled){model->compiled, model->graph};
        *blocks_out = tess_packed_from_compiled(&model->compiled_blocks);
        return TESS_OK;
    }
    enum tess_status status = model->scratch ? TESS_OK : map_scratch(model, error);
    if (status != TESS_OK)
        return status;
    model->darknet_blocks = (struct tess_packed_darknet){
        model->weights, model->graph, model->scratch, model->scratch_bytes};
    *blocks_out = tess_packed_from_darknet(&model->darknet_blocks);
    return TESS_OK;
}

void tess_model_file_drop_scratch(struct tess_model_file *model)
{
    if (model->scratch)
        madvise(model->scratch, (size_t)model->scratch_bytes, MADV_DONTNEED);
}
