#include "planner/cluster_chain.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum tess_status tess_chain_init(struct tess_chain *chain, const struct tess_graph *graph)
{
    *chain = (struct tess_chain){.us = INFINITY};
    chain->stages = calloc((size_t)graph->n_ops, sizeof *chain->stages);
    return chain->stages ? TESS_OK : TESS_E_NOMEM;
}

void tess_chain_release(struct tess_chain *chain)
{
    free(chain->stages);
    memset(chain, 0, sizeof *chain);
}

void tess_chain_copy(struct tess_chain *to, const struct tess_chain *from)
{
    to->n_stages = from->n_stages;
    to->us = from->us;
    for (int i = 0; i < from->n_stages; i++) {
        to->stages[i].end = from->stages[i].end;
        tess_spread_copy(&to->stages[i].spread, &from->stages[i].spread);
    }
}

int tess_chain_begin(const struct tess_chain *chain, int stage)
{
    return stage > 0 ? chain->stages[stage - 1].end : 0;
}

void tess_chain_merge(struct tess_chain *chain, int stage, bool takes_second)
{
    assert(stage + 1 < chain->n_stages);
    if (takes_second)
        tess_spread_copy(&chain->stages[stage].spread, &chain->stages[stage + 1].spread);
    chain->stages[stage].end = chain->stages[stage + 1].end;
    for (int i = stage + 1; i + 1 < chain->n_stages; i++) {
        chain->stages[i].end = chain->stages[i + 1].end;
        tess_spread_copy(&chain->stages[i].spread, &chain->stages[i + 1].spread);
    }
    chain->n_stages--;
}

void tess_chain_split(struct tess_chain *chain, int stage, int end)
{
    assert(end > tess_chain_begin(chain, stage) && end < chain->stages[stage].end);
    for (int i = chain->n_stages; i > stage; i--) {
        chain->stages[i].end = chain->stages[i - 1].end;
        tess_spread_copy(&chain->stages[i].spread, &chain->stages[i - 1].spread);
    }
    chain->stages[stage].end = end;
    chain->n_stages++;
}

void tess_chain_swap(struct tess_chain *chain, int stage, int a, int b)
{
    int begin = stage >= 0 ? stage : 0, end = stage >= 0 ? stage + 1 : chain->n_stages;
    for (int i = begin; i < end; i++)
        for (int tile = 0; tile < chain->stages[i].spread.n_tiles; tile++) {
            int *node = &chain->stages[i].spread.tiles[tile].node;
            *node = *node == a ? b : *node == b ? a : *node;
        }
}
