#include "cli/verbs.h"

#include <stdio.h>

#include "base/arith.h"
#include "base/file.h"
#include "cli/json_out.h"
#include "cli/session.h"

/* What all ops of one layer come to; a layer without ops passes a tensor on. */
struct layer_facts {
    const struct tess_tensor *out;
    int64_t macs, n_weights, live_bytes;
};

static struct layer_facts facts_of(const struct tess_graph *graph, int layer)
{
    int tensor = graph->layers[layer].tensor;
    struct layer_facts facts = {.out = tensor < 0 ? NULL : &graph->tensors[tensor]};
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        if (op->layer != layer)
            continue;
        int64_t live = tess_tensor_bytes(&graph->tensors[op->output]);
        for (int in = 0; in < op->n_inputs; in++)
            live += tess_tensor_bytes(&graph->tensors[op->inputs[in]]);
        facts.macs += tess_op_macs(graph, op);
        facts.n_weights += tess_op_n_weights(graph, op);
        facts.live_bytes = tess_max_i64(facts.live_bytes, live);
    }
    return facts;
}

static void table(const struct tess_graph *graph, struct tess_text *text)
{
    char out[24], live[24], weights[24];
    struct layer_facts total = {0};
    int largest = 0;
    tess_text_printf(text, "%5s %-14s %-16s %10s %10s %10s %9s\n", "layer", "kind",
                     "output", "output", "in+out", "weights", "Mmacs");
    for (int layer = 0; layer < graph->n_layers; layer++) {
        struct layer_facts facts = facts_of(graph, layer);
        char shape[40];
        if (!facts.out)
            continue;
        snprintf(shape, sizeof shape, "%dx%dx%d", facts.out->h, facts.out->w,
                 facts.out->c);
        tess_text_printf(text, "%5d %-14s %-16s %10s %10s %10s %9.1f\n", layer,
                         graph->layers[layer].name, shape,
                         tess_format_bytes(tess_tensor_bytes(facts.out), out, sizeof out),
                         tess_format_bytes(facts.live_bytes, live, sizeof live),
                         tess_format_bytes(4 * facts.n_weights, weights, sizeof weights),
                         (double)facts.macs / 1e6);
        total.macs += facts.macs;
        total.n_weights += facts.n_weights;
        if (facts.live_bytes > total.live_bytes) {
            total.live_bytes = facts.live_bytes;
            largest = layer;
        }
    }
    tess_text_printf(text,
                     "\n%s: %d layers, %.2f billion multiply-adds, weights %s\n"
                     "most activation memory untiled: %s at layer %d\n",
                     graph->name, graph->n_layers, (double)total.macs / 1e9,
                     tess_format_bytes(4 * total.n_weights, weights, sizeof weights),
                     tess_format_bytes(total.live_bytes, live, sizeof live), largest);
}

static void json_document(const struct tess_graph *graph, struct tess_text *text)
{
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "model", graph->name);
    tess_json_key(&json, "layers");
    tess_json_begin(&json, TESS_JSON_ARRAY);
    for (int layer = 0; layer < graph->n_layers; layer++) {
        struct layer_facts facts = facts_of(graph, layer);
        if (!facts.out)
            continue;
        tess_json_begin(&json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_int(&json, "layer", layer);
        tess_json_put_string(&json, "kind", graph->layers[layer].name);
        tess_json_put_int(&json, "h", facts.out->h);
        tess_json_put_int(&json, "w", facts.out->w);
        tess_json_put_int(&json, "c", facts.out->c);
        tess_json_put_int(&json, "output_bytes", tess_tensor_bytes(facts.out));
        tess_json_put_int(&json, "live_bytes", facts.live_bytes);
        tess_json_put_int(&json, "weights_bytes", 4 * facts.n_weights);
        tess_json_put_int(&json, "macs", facts.macs);
        tess_json_end(&json);
    }
    tess_json_end(&json);
    tess_json_end(&json);
}

enum tess_status tess_verb_info(const struct tess_args *args, struct tess_error *error)
{
    struct tess_session session = {0};
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_session_init(&session, args, error);
    if (status == TESS_OK && args->weights) /* says whether they belong to the network */
        status = tess_model_file_open_weights(&session.model, args, error);
    if (status == TESS_OK) {
        if (args->json)
            json_document(session.graph, &text);
        else
            table(session.graph, &text);
        status = tess_file_write_text(args->json ? args->json : "-", &text, error);
    }
    tess_text_release(&text);
    tess_session_release(&session);
    return status;
}
