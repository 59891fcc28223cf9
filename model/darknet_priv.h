/* What the importer of darknet cfgs shares among its files: one section at a time, typed
 * access to its options, and the descriptor each kind of section exports.
 *
 * Errors are sticky: a getter that finds a bad value records the first error and returns
 * its fallback, so that a section reads all its options in a row and asks once whether
 * that went well. Only model/darknet*.c include this header.
 */
#ifndef TESS_MODEL_DARKNET_PRIV_H
#define TESS_MODEL_DARKNET_PRIV_H

#include "base/text.h"
#include "model/cfg_text.h"
#include "model/graph_build.h"

enum { TESS_DARKNET_LIMIT_LIST = 1024 }; /* numbers in one list */

enum tess_key_role {
    TESS_KEY_USED,    /* a getter asks for it */
    TESS_KEY_IGNORED, /* matters in training only */
    TESS_KEY_REFUSED  /* would change the result, unless it has its neutral value */
};

struct tess_darknet_key {
    const char *name; /* NULL ends a list */
    enum tess_key_role role;
    const char *neutral; /* refused: the value that changes nothing, NULL if none does */
};

struct tess_darknet; /* the import in progress, below */

/* One kind of section. */
struct tess_darknet_section {
    const char *names[3]; /* as darknet spells it, NULL-terminated */
    const struct tess_darknet_key *keys;
    /* Adds the current section's ops and sets `output`. */
    enum tess_status (*build)(struct tess_darknet *d);
};

struct tess_darknet {
    const char *file_name;
    const struct tess_cfg *cfg;
    const struct tess_cfg_section *section; /* the current one */
    struct tess_graph_builder builder;
    int layer;  /* the current section's number */
    int input;  /* tensor of the layer before */
    int output; /* tensor of the current layer, set by build */
    int n_warnings;
    struct tess_text *warnings; /* may be NULL */
    struct tess_error *error;   /* never NULL */
};

extern const struct tess_darknet_section tess_darknet_net, tess_darknet_convolutional,
    tess_darknet_connected, tess_darknet_maxpool, tess_darknet_avgpool,
    tess_darknet_route, tess_darknet_shortcut, tess_darknet_upsample, tess_darknet_reorg,
    tess_darknet_crop, tess_darknet_dropout, tess_darknet_cost, tess_darknet_softmax,
    tess_darknet_region, tess_darknet_yolo;

/* --- darknet_option.c: options of the current section --- */

/* Whole number in [low, high]. */
int tess_darknet_int(struct tess_darknet *d, const char *key, int fallback, int low,
                     int high);
/* 0 or 1. */
bool tess_darknet_bool(struct tess_darknet *d, const char *key, bool fallback);
/* Any finite float. */
float tess_darknet_float(struct tess_darknet *d, const char *key, float fallback);
enum tess_activation tess_darknet_activation(struct tess_darknet *d,
                                             enum tess_activation fallback);

/* Reads a comma-separated list into values[0 .. at most `capacity`) and returns how many
 * there are, 0 if the option is missing. */
int tess_darknet_ints(struct tess_darknet *d, const char *key, int capacity,
                      int64_t *values);
int tess_darknet_floats(struct tess_darknet *d, const char *key, int capacity,
                        float *values);

/* Records an error at the value of `key`, or at the section if it has no such option.
 * Returns TESS_E_MODEL. */
enum tess_status tess_darknet_fail(struct tess_darknet *d, const char *key,
                                   const char *format, ...) TESS_PRINTF(3, 4);

/* Records an error at number `index` of the list `key`. */
enum tess_status tess_darknet_fail_item(struct tess_darknet *d, const char *key,
                                        int index, const char *format, ...)
    TESS_PRINTF(4, 5);

/* Has a getter failed? Then returns its status, else TESS_OK. */
enum tess_status tess_darknet_status(const struct tess_darknet *d);

/* Refuses or warns about options that `kind` does not use. */
enum tess_status tess_darknet_check_keys(struct tess_darknet *d,
                                         const struct tess_darknet_section *kind);

/* --- darknet.c --- */

const struct tess_tensor *tess_darknet_tensor(const struct tess_darknet *d, int tensor);

/* Turns a layer number as the cfg gives it (item `index` of the list `key`; negative:
 * counted back from the current layer) into that layer's tensor. */
enum tess_status tess_darknet_find_layer(struct tess_darknet *d, const char *key,
                                         int index, int64_t number, int *tensor_out);

/* Checks the shape and the op against the graph's limits and adds the op. */
enum tess_status tess_darknet_add_op(struct tess_darknet *d, const struct tess_op *op,
                                     struct tess_shape shape, int *tensor_out);

#endif
