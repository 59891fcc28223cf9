#include "transport/kept.h"

#include <assert.h>
#include <string.h>

static bool is_of_frame(const struct tess_kept_tile *tile,
                        const struct tess_task_key *key)
{
    return tile->key.epoch == key->epoch && tile->key.frame == key->frame;
}

static bool is_there(const struct tess_kept *kept, const struct tess_task_key *key)
{
    for (int i = 0; i < kept->n; i++)
        if (is_of_frame(&kept->tiles[i], key) && kept->tiles[i].key.stage == key->stage &&
            kept->tiles[i].key.tile == key->tile)
            return true;
    return false;
}

static int free_slot(const struct tess_kept *kept)
{
    unsigned used = 0;
    int slot = 0;
    for (int i = 0; i < kept->n; i++)
        used |= 1u << kept->tiles[i].slot;
    while (used >> slot & 1)
        slot++;
    return slot;
}

static int drop_oldest(struct tess_kept *kept)
{
    int slot = kept->tiles[0].slot;
    kept->n_bytes -= kept->tiles[0].n_bytes;
    kept->n--;
    memmove(&kept->tiles[0], &kept->tiles[1], sizeof *kept->tiles * (size_t)kept->n);
    return slot;
}

bool tess_kept_add(struct tess_kept *kept, const struct tess_task_key *key,
                   int64_t n_bytes, int *slot_out, int *left_out, int *n_left_out)
{
    int n_left = 0;
    if (n_left_out)
        *n_left_out = 0;
    if (n_bytes > kept->limit_bytes || is_there(kept, key))
        return false;
    while (kept->n == TESS_KEPT_MAX || kept->n_bytes + n_bytes > kept->limit_bytes) {
        int slot = drop_oldest(kept);
        if (left_out)
            left_out[n_left] = slot;
        n_left++;
    }
    *slot_out = free_slot(kept);
    assert(*slot_out < TESS_KEPT_MAX);
    kept->tiles[kept->n++] = (struct tess_kept_tile){*key, n_bytes, *slot_out};
    kept->n_bytes += n_bytes;
    if (n_left_out)
        *n_left_out = n_left;
    return true;
}

void tess_kept_clear(struct tess_kept *kept)
{
    kept->n = 0;
    kept->n_bytes = 0;
}

void tess_kept_subtract(const struct tess_kept *kept, const struct tess_work *work,
                        const struct tess_task_key *key, struct tess_parts *parts)
{
    for (int i = 0; i < kept->n; i++) {
        const struct tess_kept_tile *tile = &kept->tiles[i];
        if (!is_of_frame(tile, key))
            continue;
        const struct tess_parts *outputs =
            &tess_work_tile(work, tile->key.stage, tile->key.tile)->outputs;
        for (int j = 0; j < outputs->n; j++)
            tess_parts_subtract(parts, &outputs->at[j]);
    }
}

bool tess_kept_completes(const struct tess_kept *kept, const struct tess_work *work,
                         const struct tess_task_key *key, const struct tess_parts *pieces)
{
    struct tess_parts left = tess_work_tile(work, key->stage, key->tile)->inputs;
    if (tess_parts_are_equal(&left, pieces))
        return true;
    tess_kept_subtract(kept, work, key, &left);
    for (int i = 0; i < pieces->n; i++)
        tess_parts_subtract(&left, &pieces->at[i]);
    return left.n == 0;
}

void tess_kept_assemble(const struct tess_kept *kept, const struct tess_work *work,
                        const struct tess_task_key *key,
                        const void *const outputs[TESS_KEPT_MAX],
                        const struct tess_parts *pieces, const void *payload, void *input)
{
    const struct tess_parts *parts = &tess_work_tile(work, key->stage, key->tile)->inputs;
    for (int i = 0; i < kept->n; i++) {
        const struct tess_kept_tile *tile = &kept->tiles[i];
        if (is_of_frame(tile, key))
            tess_parts_pick(
                &tess_work_tile(work, tile->key.stage, tile->key.tile)->outputs,
                outputs[tile->slot], parts, input);
    }
    tess_parts_pick(pieces, payload, parts, input);
}
