/* A second opinion: darknet networks by plain loops in double precision.
 *
 * Reads a cfg and its weights and computes every layer whole, channel by channel. Shares
 * no code with the product, not even its cfg parser; knows only the layers that small
 * detectors use. Trusts its files: any surprise ends the program with a message.
 */
#ifndef TESTS_REFERENCE_NAIVE_NET_H
#define TESTS_REFERENCE_NAIVE_NET_H

#include <stdnoreturn.h>

enum { NAIVE_MAX_LAYERS = 300, NAIVE_MAX_OPTIONS = 40 };

struct naive_option {
    char key[32];
    char value[256];
};

struct naive_layer {
    char kind[32]; /* name of the section */
    int n_options;
    struct naive_option options[NAIVE_MAX_OPTIONS];
    int c, h, w;
    double *out; /* [C,H,W] */
};

/* layers[0] is [net] and its output the network's input; layer i of the cfg is layers[i +
 * 1]. */
struct naive_net {
    int n_layers;
    struct naive_layer *layers; /* [NAIVE_MAX_LAYERS] */
};

/* Reads the cfg. The caller releases. */
void naive_net_init(struct naive_net *net, const char *cfg_path);
void naive_net_release(struct naive_net *net);

/* Computes all layers from layers[0].out, which the caller has filled ([net] has its
 * shape since naive_net_init). Fails unless the weights file is used up to its end. */
void naive_net_run(struct naive_net *net, const char *weights_path);

/* An option of a layer: a number, a text, the n-th number of a list. */
double naive_number(const struct naive_layer *layer, const char *key, double fallback);
const char *naive_text(const struct naive_layer *layer, const char *key,
                       const char *fallback);
/* False behind the end of the list. */
int naive_item(const struct naive_layer *layer, const char *key, int n,
               double *value_out);

noreturn void naive_die(const char *what, const char *name);
void *naive_alloc(double n_items, double item_bytes); /* zeroed */

#endif
