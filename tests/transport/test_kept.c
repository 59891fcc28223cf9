#include "transport/kept.h"

#include "base/rng.h"
#include "tests/support/fake_tiles.h"
#include "tests/support/random_net.h"
#include "tests/transport/transport_testing.h"

enum { EPOCH = 5, FRAMES = 2 };

static struct tess_task_key key_of(int64_t frame, int stage, int tile)
{
    return (struct tess_task_key){EPOCH, frame, stage, tile, 0};
}

/* Adds tile `tile` of stage 0; how many left is checked. Returns its slot. */
static int add(struct tess_kept *kept, int tile, int64_t n_bytes, int n_left)
{
    struct tess_task_key key = key_of(0, 0, tile);
    int slot = -1, n = -1;
    assert_true(tess_kept_add(kept, &key, n_bytes, &slot, NULL, &n));
    assert_int_equal(n, n_left);
    return slot;
}

static void test_oldest_leave_until_the_bytes_fit(void **state)
{
    (void)state;
    struct tess_kept kept = {.limit_bytes = 100};
    struct tess_task_key key = key_of(0, 0, 9);
    int slots[3], left[TESS_KEPT_MAX], n_left, slot;
    for (int tile = 0; tile < 3; tile++)
        slots[tile] = add(&kept, tile, tile == 2 ? 20 : 40, 0); /* all of the limit */
    assert_int_equal(kept.n_bytes, 100);
    assert_true(tess_kept_add(&kept, &key, 41, &slot, left, &n_left));
    assert_int_equal(n_left, 2);
    assert_int_equal(left[0], slots[0]);
    assert_int_equal(left[1], slots[1]);
    assert_int_equal(kept.n, 2);
    assert_int_equal(kept.tiles[0].key.tile, 2);
    assert_int_equal(kept.tiles[1].key.tile, 9);
    assert_int_equal(kept.n_bytes, 61);
    add(&kept, 3, 100, 2);
    assert_int_equal(kept.n, 1);
}

static void test_no_more_are_kept_than_there_are_slots(void **state)
{
    (void)state;
    struct tess_kept kept = {.limit_bytes = 1000};
    unsigned slots = 0;
    for (int tile = 0; tile < TESS_KEPT_MAX; tile++)
        slots |= 1u << add(&kept, tile, 1, 0);
    assert_int_equal(slots, (1u << TESS_KEPT_MAX) - 1);
    int first = kept.tiles[0].slot;
    assert_int_equal(add(&kept, TESS_KEPT_MAX, 1, 1), first);
    assert_int_equal(kept.n, TESS_KEPT_MAX);
    assert_int_equal(kept.tiles[0].key.tile, 1);
    assert_int_equal(kept.n_bytes, TESS_KEPT_MAX);
}

static void test_what_is_larger_than_the_limit_makes_nobody_leave(void **state)
{
    (void)state;
    struct tess_kept kept = {.limit_bytes = 100};
    struct tess_task_key key = key_of(0, 0, 1);
    int slot = -1, left[TESS_KEPT_MAX], n_left = 7;
    add(&kept, 0, 60, 0);
    assert_false(tess_kept_add(&kept, &key, 101, &slot, left, &n_left));
    assert_int_equal(n_left, 0);
    assert_int_equal(slot, -1);
    assert_int_equal(kept.n, 1);
    tess_kept_clear(&kept);
    assert_int_equal(kept.n + kept.n_bytes, 0);
    assert_int_equal(kept.limit_bytes, 100);
    kept.limit_bytes = 0;
    assert_false(tess_kept_add(&kept, &key, 1, &slot, left, &n_left));
}

static void test_a_tile_is_kept_once_whatever_its_attempt(void **state)
{
    (void)state;
    struct tess_kept kept = {.limit_bytes = 100};
    struct tess_task_key key = key_of(0, 0, 0);
    int slot;
    add(&kept, 0, 10, 0);
    key.attempt = 3;
    assert_false(tess_kept_add(&kept, &key, 10, &slot, NULL, NULL));
    for (int i = 0; i < 4; i++) { /* these are others */
        struct tess_task_key other = key;
        other.epoch += i == 0;
        other.frame += i == 1;
        other.stage += i == 2;
        other.tile += i == 3;
        assert_true(tess_kept_add(&kept, &other, 10, &slot, NULL, NULL));
    }
    assert_int_equal(kept.n, 5);
}

/* --- bytes: each element of a frame's tensors has a value of its own --- */

static uint16_t value_of(const struct tess_task_key *key, int tensor, int row, int col,
                         int channel)
{
    uint64_t hash = key->epoch * 31 + (uint64_t)key->frame;
    const int at[4] = {tensor, row, col, channel};
    for (int i = 0; i < 4; i++)
        hash = (hash ^ (uint64_t)at[i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    return (uint16_t)(hash >> 40);
}

/* The packed parts, element by element: new. */
static unsigned char *pack(const struct tess_task_key *key,
                           const struct tess_parts *parts)
{
    unsigned char *packed = calloc(1, (size_t)tess_parts_bytes(parts) + 1), *at = packed;
    assert_non_null(packed);
    for (int i = 0; i < parts->n; i++) {
        const struct tess_part *part = &parts->at[i];
        for (int y = part->rows.begin; y < part->rows.end; y++)
            for (int x = part->cols.begin; x < part->cols.end; x++)
                for (int c = part->channels.begin; c < part->channels.end; c++) {
                    uint16_t value = value_of(key, part->tensor, y, x, c);
                    memcpy(at, &value, part->element_bytes == 1 ? 1 : 2);
                    at += part->element_bytes;
                }
    }
    return packed;
}

static bool has(const struct tess_part *part, int tensor, int row, int col, int channel)
{
    return part->tensor == tensor && row >= part->rows.begin && row < part->rows.end &&
           col >= part->cols.begin && col < part->cols.end &&
           channel >= part->channels.begin && channel < part->channels.end;
}

static int n_having(const struct tess_parts *parts, int tensor, int row, int col,
                    int channel)
{
    int n = 0;
    for (int i = 0; i < parts->n; i++)
        n += has(&parts->at[i], tensor, row, col, channel);
    return n;
}

/* --- against a list that is kept by hand --- */

enum { MODEL_MOST = 4096 };

struct model {
    struct fake_work fake;
    struct tess_rng rng;
    struct tess_kept kept;
    void *outputs[TESS_KEPT_MAX];
    /* All that ever came; those from `first` on are kept. */
    struct tess_task_key keys[MODEL_MOST];
    int64_t n_bytes[MODEL_MOST];
    int slots[MODEL_MOST];
    int first, n;
    /* What happened. */
    int n_refused, n_left, n_assembled, n_incomplete;
    int64_t sent_bytes, whole_bytes;
};

static struct tess_task_key draw_key(struct model *model)
{
    int stage = tess_rng_int(&model->rng, 0, FAKE_STAGES - 1);
    int tile = tess_rng_int(&model->rng, 0, model->fake.stages[stage].n_tiles - 1);
    struct tess_task_key key =
        key_of(tess_rng_int(&model->rng, 0, FRAMES - 1), stage, tile);
    key.attempt = tess_rng_int(&model->rng, 0, 3);
    key.epoch += tess_rng_int(&model->rng, 0, 9) == 0;
    return key;
}

static const struct tess_work_tile *tile_of(const struct model *model,
                                            const struct tess_task_key *key)
{
    return tess_work_tile(&model->fake.work, key->stage, key->tile);
}

static bool is_same_frame(const struct tess_task_key *a, const struct tess_task_key *b)
{
    return a->epoch == b->epoch && a->frame == b->frame;
}

static int64_t model_bytes(const struct model *model)
{
    int64_t bytes = 0;
    for (int i = model->first; i < model->n; i++)
        bytes += model->n_bytes[i];
    return bytes;
}

static bool model_has(const struct model *model, const struct tess_task_key *key)
{
    for (int i = model->first; i < model->n; i++)
        if (is_same_frame(&model->keys[i], key) && model->keys[i].stage == key->stage &&
            model->keys[i].tile == key->tile)
            return true;
    return false;
}

static void forget(struct model *model, int slot)
{
    assert_non_null(model->outputs[slot]);
    free(model->outputs[slot]);
    model->outputs[slot] = NULL;
}

static void check_list(const struct model *model)
{
    assert_int_equal(model->kept.n, model->n - model->first);
    assert_int_equal(model->kept.n_bytes, model_bytes(model));
    for (int i = 0; i < model->kept.n; i++) {
        const struct tess_kept_tile *tile = &model->kept.tiles[i];
        assert_true(tess_task_key_is_equal(&tile->key, &model->keys[model->first + i]));
        assert_int_equal(tile->slot, model->slots[model->first + i]);
        assert_int_equal(tile->n_bytes, model->n_bytes[model->first + i]);
    }
}

static void add_some_tile(struct model *model)
{
    struct tess_task_key key = draw_key(model);
    const struct tess_parts *outputs = &tile_of(model, &key)->outputs;
    int64_t n_bytes = tess_parts_bytes(outputs);
    int slot = -1, left[TESS_KEPT_MAX], n_left = -1, n = 0;
    bool is_wanted = n_bytes <= model->kept.limit_bytes && !model_has(model, &key);
    assert_int_equal(tess_kept_add(&model->kept, &key, n_bytes, &slot, left, &n_left),
                     is_wanted);
    while (is_wanted && (model->n - model->first == TESS_KEPT_MAX ||
                         model_bytes(model) + n_bytes > model->kept.limit_bytes)) {
        assert_true(n < n_left);
        assert_int_equal(left[n++], model->slots[model->first]);
        forget(model, model->slots[model->first++]);
    }
    assert_int_equal(n, n_left);
    model->n_left += n;
    model->n_refused += !is_wanted;
    if (!is_wanted)
        return;
    assert_in_range(slot, 0, TESS_KEPT_MAX - 1);
    assert_null(model->outputs[slot]);
    model->outputs[slot] = pack(&key, outputs);
    assert_true(model->n < MODEL_MOST);
    model->keys[model->n] = key;
    model->n_bytes[model->n] = n_bytes;
    model->slots[model->n++] = slot;
}

/* Is the element kept with its frame? */
static bool is_kept(const struct model *model, const struct tess_task_key *key,
                    int tensor, int row, int col, int channel)
{
    for (int i = model->first; i < model->n; i++)
        if (is_same_frame(&model->keys[i], key) &&
            n_having(&tile_of(model, &model->keys[i])->outputs, tensor, row, col,
                     channel))
            return true;
    return false;
}

/* Are all elements of the tile's inputs in the pieces or kept? Those that are not kept come once at
 * most. */
static bool is_covered(const struct model *model, const struct tess_task_key *key,
                       const struct tess_parts *pieces)
{
    const struct tess_parts *inputs = &tile_of(model, key)->inputs;
    bool covers = true;
    for (int i = 0; i < inputs->n; i++) {
        const struct tess_part *part = &inputs->at[i];
        for (int y = part->rows.begin; y < part->rows.end; y++)
            for (int x = part->cols.begin; x < part->cols.end; x++)
                for (int c = part->channels.begin; c < part->channels.end; c++) {
                    int n = n_having(pieces, part->tensor, y, x, c);
                    assert_true(n <= 1);
                    covers =
                        covers && (n == 1 || is_kept(model, key, part->tensor, y, x, c));
                }
    }
    return covers;
}

static void check_assembled(const struct model *model, const struct tess_task_key *key,
                            const struct tess_parts *pieces)
{
    const struct tess_parts *inputs = &tile_of(model, key)->inputs;
    size_t n_bytes = (size_t)tess_parts_bytes(inputs);
    unsigned char *payload = pack(key, pieces), *wanted = pack(key, inputs);
    unsigned char *input = calloc(1, n_bytes);
    const void *outputs[TESS_KEPT_MAX];
    assert_non_null(input);
    for (int i = 0; i < TESS_KEPT_MAX; i++)
        outputs[i] = model->outputs[i];
    memset(input, 0xaa, n_bytes);
    tess_kept_assemble(&model->kept, &model->fake.work, key, outputs, pieces, payload,
                       input);
    assert_memory_equal(input, wanted, n_bytes);
    free(payload);
    free(wanted);
    free(input);
}

static void send_some_tile(struct model *model)
{
    const struct tess_work *work = &model->fake.work;
    struct tess_task_key key = draw_key(model);
    const struct tess_parts *inputs = &tile_of(model, &key)->inputs;
    struct tess_parts pieces = *inputs;
    if (tess_rng_int(&model->rng, 0, 9) > 0) /* else all of it is sent */
        tess_kept_subtract(&model->kept, work, &key, &pieces);
    assert_true(tess_parts_contain(inputs, &pieces));
    assert_true(is_covered(model, &key, &pieces));
    assert_true(tess_kept_completes(&model->kept, work, &key, &pieces));
    check_assembled(model, &key, &pieces);
    model->n_assembled++;
    model->sent_bytes += tess_parts_bytes(&pieces);
    model->whole_bytes += tess_parts_bytes(inputs);
    if (pieces.n == 0)
        return;
    pieces.n--; /* the last one got lost */
    if (tess_kept_completes(&model->kept, work, &key, &pieces))
        assert_true(is_covered(model, &key, &pieces));
    else
        model->n_incomplete++;
}

static void run(struct model *model, uint64_t seed)
{
    enum { STEPS = 400 };
    memset(model, 0, sizeof *model);
    tess_rng_init(&model->rng, seed);
    fake_work_init(&model->fake, seed, 1000);
    model->kept.limit_bytes = 100 << tess_rng_int(&model->rng, 2, 8);
    for (int i = 0; i < STEPS; i++) {
        int what = tess_rng_int(&model->rng, 0, 99);
        if (what == 0) {
            tess_kept_clear(&model->kept);
            while (model->first < model->n)
                forget(model, model->slots[model->first++]);
        } else if (what < 50) {
            add_some_tile(model);
        } else {
            send_some_tile(model);
        }
        check_list(model);
    }
    while (model->first < model->n)
        forget(model, model->slots[model->first++]);
}

static void test_list_and_inputs_are_those_of_a_list_kept_by_hand(void **state)
{
    (void)state;
    static struct model model;
    int n_cases = 40, n_refused = 0, n_left = 0, n_assembled = 0, n_incomplete = 0;
    int64_t sent_bytes = 0, whole_bytes = 0;
    uint64_t seed = tess_random_seed(3101, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        print_message("seed %llu\n", (unsigned long long)(seed + (uint64_t)i));
        run(&model, seed + (uint64_t)i);
        n_refused += model.n_refused;
        n_left += model.n_left;
        n_assembled += model.n_assembled;
        n_incomplete += model.n_incomplete;
        sent_bytes += model.sent_bytes;
        whole_bytes += model.whole_bytes;
    }
    print_message("%d refused, %d left, %d assembled, %d incomplete, %lld of %lld bytes "
                  "sent\n",
                  n_refused, n_left, n_assembled, n_incomplete, (long long)sent_bytes,
                  (long long)whole_bytes);
    if (n_cases < 40)
        return;
    assert_true(n_refused > 100 && n_left > 100);
    assert_true(n_incomplete > n_assembled / 4);
    assert_true(sent_bytes < whole_bytes * 19 / 20);
}

/* Written out: a tile of stage 1 whose input the kept tiles of stage 0 have in part. */
static void test_kept_pieces_are_not_sent_and_complete_the_input(void **state)
{
    (void)state;
    static struct model model;
    memset(&model, 0, sizeof model);
    fake_work_init_even(&model.fake, 1000);
    model.kept.limit_bytes = 1 << 20;
    const struct tess_work *work = &model.fake.work;
    struct tess_task_key reader = key_of(1, 1, 0), writer = key_of(1, 0, 0);
    const struct tess_work_tile *from = tess_work_tile(work, 0, 0);
    struct tess_parts whole = tess_work_tile(work, 1, 0)->inputs, pieces = whole;
    struct tess_part gone;
    assert_true(tess_part_meet(&from->outputs.at[0], &whole.at[0], &gone));
    for (int frame = 0; frame < FRAMES; frame++) { /* first that of another frame */
        int slot;
        writer.frame = frame;
        assert_true(tess_kept_add(&model.kept, &writer, tess_parts_bytes(&from->outputs),
                                  &slot, NULL, NULL));
        model.outputs[slot] = pack(&writer, &from->outputs);
        tess_kept_subtract(&model.kept, work, &reader, &pieces);
        assert_int_equal(tess_parts_bytes(&pieces),
                         tess_parts_bytes(&whole) -
                             (frame == 1 ? tess_part_bytes(&gone) : 0));
    }
    assert_true(tess_kept_completes(&model.kept, work, &reader, &pieces));
    check_assembled(&model, &reader, &pieces);
    reader.frame = 2;
    assert_false(tess_kept_completes(&model.kept, work, &reader, &pieces));
    assert_true(tess_kept_completes(&model.kept, work, &reader, &whole));
    for (int i = 0; i < TESS_KEPT_MAX; i++)
        free(model.outputs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oldest_leave_until_the_bytes_fit),
        cmocka_unit_test(test_no_more_are_kept_than_there_are_slots),
        cmocka_unit_test(test_what_is_larger_than_the_limit_makes_nobody_leave),
        cmocka_unit_test(test_a_tile_is_kept_once_whatever_its_attempt),
        cmocka_unit_test(test_kept_pieces_are_not_sent_and_complete_the_input),
        cmocka_unit_test(test_list_and_inputs_are_those_of_a_list_kept_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
