/* The model a command was given: a compiled file, or a cfg and its darknet weights. What it
 * is shows in the file's first bytes, never in its name.
 */
#ifndef TESS_CLI_MODEL_FILE_H
#define TESS_CLI_MODEL_FILE_H

#include "base/error.h"
#include "base/text.h"
#include "cli/args.h"
#include "executor/kernel.h"
#include "model/compiled.h"
#include "model/packed_source.h"
#include "model/weights.h"

struct tess_model_file {
    const struct tess_graph *network; /* the whole one */
    const struct tess_graph
        *graph; /* the one to run: the layers asked for, or all; split,
                                         once that is so */
    struct tess_compiled *compiled; /* NULL for a cfg */
    struct tess_weights *weights;   /* of a cfg, once they are opened */
    struct tess_graph *parsed, *part,
        *split; /* what `network` and `graph` may point to */
    struct tess_packed_compiled compiled_blocks; /* what sources of weights refer to */
    struct tess_packed_darknet darknet_blocks;
    float *scratch; /* for packing one block of `weights`; NULL until it is needed */
    int64_t scratch_bytes;
};

/* Reads the network of args->model and cuts it to the layers asked for. `warnings_out` (may
 * be NULL) gets the importer's, for a cfg. A compiled file larger than the budget will be
 * read without leaving it in the system's page cache. TESS_E_USAGE for layers that are not
 * there, or --weights beside a compiled model; TESS_E_MODEL, TESS_E_IO, TESS_E_NOMEM.
 * Release after success or failure. */
enum tess_status tess_model_file_init(struct tess_model_file *model,
                                      const struct tess_args *args,
                                      struct tess_text *warnings_out,
                                      struct tess_error *error);

void tess_model_file_release(struct tess_model_file *model); /* accepts zeroed memory */

/* From now on `graph` and `network` are this one, split from what `graph` was
 * (model/graph_split.h). Takes it and gives the others back. Once, when the weights are open and
 * before sources of them are asked for. */
void tess_model_file_set_split(struct tess_model_file *model, struct tess_graph *split);

/* Opens args->weights and checks that they belong to the cfg; a compiled model has its own.
 * TESS_E_USAGE if there are none. */
enum tess_status tess_model_file_open_weights(struct tess_model_file *model,
                                              const struct tess_args *args,
                                              struct tess_error *error);

/* Appends the text of the cfg that the network was read from. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_model_file_cfg(const struct tess_model_file *model,
                                     const struct tess_args *args,
                                     struct tess_text *text_out,
                                     struct tess_error *error);

/* Memory that reading the weights holds, whenever that is. */
int64_t tess_model_file_source_bytes(const struct tess_model_file *model);

/* The weights for kernels of model->graph, once they are opened: filter by filter, and in
 * packed blocks. Both borrow the model. Packing takes scratch memory, mapped by the first
 * call: TESS_E_NOMEM. */
struct tess_filter_source tess_model_file_filters(struct tess_model_file *model);
enum tess_status tess_model_file_blocks(struct tess_model_file *model,
                                        struct tess_packed_source *blocks_out,
                                        struct tess_error *error);

/* Gives back what the scratch memory holds, so that later reads take only what they need.
 * Not during a read. */
void tess_model_file_drop_scratch(struct tess_model_file *model);

#endif
