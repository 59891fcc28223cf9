#include "tests/support/cluster_sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/rng.h"
#include "tests/support/cluster_sim_priv.h"

enum { PEERS_PER_LINK = 100000, PLAN_TEXT_BYTES = 20 };

static struct tess_link_packet last_result;

void *sim_alloc(int64_t n_bytes)
{
    void *block = calloc(1, (size_t)tess_max_i64(n_bytes, 1));
    if (!block)
        abort();
    return block;
}

/* Keeps the latest sentences. */
void sim_tell(struct sim *sim, const char *who, const char *text)
{
    size_t used = strlen(sim->told);
    if (used + strlen(text) + 40 > sizeof sim->told) {
        memmove(sim->told, sim->told + used / 2, used - used / 2 + 1);
        used = strlen(sim->told);
    }
    snprintf(sim->told + used, sizeof sim->told - used, "%s: %s\n", who, text);
}

const unsigned char *sim_blob(int index)
{
    static unsigned char blobs[SIM_BLOBS][SIM_BLOB_BYTES];
    static bool is_filled;
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    for (int i = 0; !is_filled && i < SIM_BLOBS * SIM_BLOB_BYTES; i++)
        (&blobs[0][0])[i] = (unsigned char)tess_rng_next(&rng);
    is_filled = true;
    return blobs[index];
}

struct tess_blob_entry sim_blob_entry(int index)
{
    static struct tess_blob_entry entries[SIM_BLOBS];
    if (entries[index].n_bytes == 0)
        entries[index] = (struct tess_blob_entry){
            tess_sha256_of(sim_blob(index), SIM_BLOB_BYTES), SIM_BLOB_BYTES};
    return entries[index];
}

/* --- sending --- */

void sim_send(struct sim *sim, int link, bool is_to_coordinator,
              enum tess_channel channel, struct tess_message *message,
              const void *payload, int64_t n_bytes)
{
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
    tess_wire_seal(message, payload, n_bytes);
    size_t header_bytes = tess_wire_write(message, header);
    assert(header_bytes > 0);
    sim->n_sent[message->kind]++;
    unsigned char *copy = n_bytes ? sim_alloc(n_bytes) : NULL;
    if (copy)
        memcpy(copy, payload, (size_t)n_bytes);
    struct tess_link_packet packet = {link, channel, is_to_coordinator,
                                      0,    header,  (int64_t)header_bytes,
                                      copy, n_bytes};
    if (tess_link_mem_send(sim->links, sim->now_us, &packet) != TESS_OK)
        abort();
    free(copy);
}

void sim_inject(struct sim *sim, int worker, enum tess_channel channel,
                const void *header, size_t header_bytes, const void *payload,
                int64_t payload_bytes)
{
    unsigned char *copy = sim_alloc((int64_t)header_bytes);
    unsigned char *payload_copy = payload ? sim_alloc(payload_bytes) : NULL;
    memcpy(copy, header, header_bytes);
    if (payload)
        memcpy(payload_copy, payload, (size_t)payload_bytes);
    struct tess_link_packet packet = {
        worker,       channel,      true, 0, copy, (int64_t)header_bytes,
        payload_copy, payload_bytes};
    if (tess_link_mem_send(sim->links, sim->now_us, &packet) != TESS_OK)
        abort();
    tess_link_packet_release(&packet);
}

/* Parts of a frame's tensors, packed. */
static unsigned char *pack(const struct sim *sim, const struct sim_frame *frame,
                           const struct tess_parts *parts, int64_t *n_bytes_out)
{
    int64_t n_bytes = tess_parts_bytes(parts), at = 0;
    unsigned char *packed = sim_alloc(n_bytes);
    for (int i = 0; i < parts->n; i++) {
        const struct tess_part *part = &parts->at[i];
        assert(frame->tensors[part->tensor]);
        tess_part_pack(part, &sim->fake.tensors[part->tensor],
                       frame->tensors[part->tensor], packed + at);
        at += tess_part_bytes(part);
    }
    *n_bytes_out = n_bytes;
    return packed;
}

static unsigned char *pack_input(const struct sim *sim, const struct sim_frame *frame,
                                 const struct tess_task_key *key, int64_t *n_bytes_out)
{
    return pack(sim, frame,
                &tess_work_tile(&sim->fake.work, key->stage, key->tile)->inputs,
                n_bytes_out);
}

static struct sim_frame *find_frame(struct sim *sim, int64_t number)
{
    for (int i = 0; i < sim->options.max_frames; i++)
        if (sim->frames[i].is_open && sim->frames[i].number == number)
            return &sim->frames[i];
    return NULL;
}

static void send(struct sim *sim, const struct tess_coordinator_action *action)
{
    struct tess_message message = action->message;
    int link = (int)(action->peer / PEERS_PER_LINK);
    unsigned char *payload = NULL;
    int64_t n_bytes = 0;
    if (action->peer % PEERS_PER_LINK != tess_link_mem_generation(sim->links, link))
        return; /* that process is gone */
    if (message.kind == TESS_MESSAGE_TASK) {
        struct sim_frame *frame = find_frame(sim, message.as.task.key.frame);
        payload = pack(sim, frame, &message.as.task.parts, &n_bytes);
        sim->n_left_out +=
            n_bytes <
            tess_parts_bytes(&tess_work_tile(&sim->fake.work, message.as.task.key.stage,
                                             message.as.task.key.tile)
                                  ->inputs);
    } else if (message.kind == TESS_MESSAGE_PLAN) {
        n_bytes = SIM_BLOBS * TESS_WIRE_BLOB_ENTRY_BYTES + PLAN_TEXT_BYTES;
        payload = sim_alloc(n_bytes);
        for (int i = 0; i < SIM_BLOBS; i++) {
            struct tess_blob_entry entry = sim_blob_entry(i);
            tess_wire_put_blob_entry(&entry, payload + i * TESS_WIRE_BLOB_ENTRY_BYTES);
        }
    } else if (message.kind == TESS_MESSAGE_BLOB) {
        for (int i = 0; i < SIM_BLOBS; i++) {
            struct tess_blob_entry entry = sim_blob_entry(i);
            if (!tess_sha256_is_equal(&entry.hash, &message.as.blob.hash))
                continue;
            n_bytes = message.payload_bytes;
            payload = sim_alloc(n_bytes);
            memcpy(payload, sim_blob(i) + message.as.blob.offset, (size_t)n_bytes);
        }
    }
    sim_send(sim, link, false, action->channel, &message, payload, n_bytes);
    free(payload);
}

/* --- frames --- */

static void close_frame(struct sim_frame *frame)
{
    for (int i = 0; i < FAKE_TENSORS; i++) {
        free(frame->tensors[i]);
        frame->tensors[i] = NULL;
    }
    frame->is_open = false;
}

static void store(struct sim *sim, const struct tess_coordinator_action *action,
                  const unsigned char *packed)
{
    struct sim_frame *frame = find_frame(sim, action->key.frame);
    assert(frame && (packed || action->stored.n == 0));
    for (int i = 0; i < action->stored.n; i++) {
        const struct tess_part *part = &action->stored.at[i];
        tess_part_place(part, &action->came, packed, &sim->fake.tensors[part->tensor],
                        frame->tensors[part->tensor]);
    }
    sim->n_in_two +=
        action->is_first &&
        !tess_parts_are_equal(
            &action->stored,
            &tess_work_tile(&sim->fake.work, action->key.stage, action->key.tile)
                 ->outputs);
}

static void unpack_output(struct sim *sim, struct sim_frame *frame,
                          const struct tess_task_key *key, const unsigned char *packed)
{
    const struct tess_parts *parts =
        &tess_work_tile(&sim->fake.work, key->stage, key->tile)->outputs;
    for (int i = 0; i < parts->n; i++) {
        int tensor = parts->at[i].tensor;
        tess_part_place(&parts->at[i], parts, packed, &sim->fake.tensors[tensor],
                        frame->tensors[tensor]);
    }
}

/* Tensors that nobody reads any more are spoiled; the last one is the result. */
static void end_stage(struct sim *sim, const struct tess_task_key *key)
{
    struct sim_frame *frame = find_frame(sim, key->frame);
    for (int i = 0; i + 1 < FAKE_TENSORS; i++)
        if (tess_work_last_reader(&sim->fake.work, i) == key->stage)
            memset(frame->tensors[i], 0xdd, (size_t)fake_tensor_bytes(&sim->fake, i));
}

static void check_frame(struct sim *sim, const struct sim_frame *frame)
{
    struct sim_frame whole = {.number = frame->number};
    for (int i = 0; i < FAKE_TENSORS; i++)
        whole.tensors[i] = sim_alloc(fake_tensor_bytes(&sim->fake, i));
    fake_input(&sim->fake, frame->number, whole.tensors[0]);
    for (int s = 0; s < FAKE_STAGES; s++) {
        struct sim untiled = {.fake = sim->untiled};
        struct tess_task_key key = {.stage = s};
        const struct tess_work_tile *tile = tess_work_tile(&sim->untiled.work, s, 0);
        int64_t n_bytes;
        untiled.fake.work = sim->untiled.work;
        unsigned char *input = pack_input(&untiled, &whole, &key, &n_bytes);
        unsigned char *output = sim_alloc(tess_parts_bytes(&tile->outputs));
        fake_run(&sim->untiled.work, s, 0, input, output);
        unpack_output(&untiled, &whole, &key, output);
        free(input);
        free(output);
    }
    int result = FAKE_TENSORS - 1;
    if (memcmp(whole.tensors[result], frame->tensors[result],
               (size_t)fake_tensor_bytes(&sim->fake, result)) != 0) {
        fprintf(stderr, "frame %lld differs (seed %llu)\n", (long long)frame->number,
                (unsigned long long)sim->options.seed);
        abort();
    }
    close_frame(&whole);
}

static void end_frame(struct sim *sim, const struct tess_coordinator_action *action)
{
    struct sim_frame *frame = find_frame(sim, action->key.frame);
    assert(frame && tess_accounts_are_closed(&action->accounts));
    check_frame(sim, frame);
    close_frame(frame);
    sim->n_done++;
    sim->total.issued += action->accounts.issued;
    for (int i = 0; i < TESS_ATTEMPT_ENDS; i++)
        sim->total.ended[i] += action->accounts.ended[i];
}

static void compute_own(struct sim *sim, const struct tess_task_key *key)
{
    const struct tess_work_tile *tile =
        tess_work_tile(&sim->fake.work, key->stage, key->tile);
    int64_t n_bytes;
    assert(!sim->own->is_running);
    sim->own->is_running = true;
    sim->own->begun_us = sim->now_us;
    sim->own->due_us = sim->now_us + tile->cost / SIM_MACS_PER_US + 1;
    sim->own->key = *key;
    sim->own->input = pack_input(sim, find_frame(sim, key->frame), key, &n_bytes);
    sim->own->output = sim_alloc(tess_parts_bytes(&tile->outputs));
}

/* --- the coordinator's actions --- */

static void act(struct sim *sim, const struct tess_link_packet *packet)
{
    struct tess_coordinator_action action;
    while (tess_coordinator_next(sim->coordinator, &action)) {
        if (action.verb == TESS_DO_SEND)
            send(sim, &action);
        else if (action.verb == TESS_DO_COMPUTE)
            compute_own(sim, &action.key);
        else if (action.verb == TESS_DO_STORE)
            store(sim, &action, action.is_own ? sim->own->output : packet->payload);
        else if (action.verb == TESS_DO_STAGE_DONE)
            end_stage(sim, &action.key);
        else if (action.verb == TESS_DO_FRAME_DONE)
            end_frame(sim, &action);
        else if (action.verb == TESS_DO_TELL)
            sim_tell(sim, "c", action.text);
        else if (action.verb == TESS_DO_FRAME_FAILED) {
            strcpy(sim->failure, action.text);
            close_frame(find_frame(sim, action.key.frame));
            sim->n_failed++;
        }
    }
    tess_coordinator_assert_valid(sim->coordinator);
}

static void end_own_task(struct sim *sim)
{
    struct sim_task done = *sim->own;
    fake_run(&sim->fake.work, done.key.stage, done.key.tile, done.input, done.output);
    sim->own->is_running = false;
    tess_coordinator_computed(sim->coordinator, sim->now_us, &done.key, 0, "",
                              sim->now_us - done.begun_us);
    /* STORE comes before the next COMPUTE, which replaces the buffers. */
    act(sim, NULL);
    free(done.input);
    free(done.output);
    if (!sim->own->is_running)
        memset(sim->own, 0, sizeof *sim->own);
}

static void keep_result(const struct tess_link_packet *packet)
{
    tess_link_packet_release(&last_result);
    last_result = *packet;
    last_result.header = sim_alloc(packet->header_bytes);
    last_result.payload = sim_alloc(packet->payload_bytes);
    memcpy(last_result.header, packet->header, (size_t)packet->header_bytes);
    if (packet->payload_bytes > 0)
        memcpy(last_result.payload, packet->payload, (size_t)packet->payload_bytes);
}

struct tess_link_packet *sim_last_result(struct sim *sim)
{
    (void)sim;
    return &last_result;
}

static void coordinator_arrival(struct sim *sim, const struct tess_link_packet *packet)
{
    struct tess_message message;
    uint32_t peer =
        (uint32_t)packet->link * PEERS_PER_LINK + (uint32_t)packet->generation;
    enum tess_wire_fault fault =
        tess_wire_read(packet->header, (size_t)packet->header_bytes,
                       packet->payload_bytes, packet->channel, &message, NULL);
    if (fault != TESS_WIRE_OK) {
        sim->n_refused++;
        tess_coordinator_garbage(sim->coordinator, sim->now_us, packet->channel, peer, "",
                                 fault);
        act(sim, NULL);
        return;
    }
    if (message.kind == TESS_MESSAGE_RESULT)
        keep_result(packet);
    struct tess_arrival arrival = {packet->channel, peer, "", &message,
                                   tess_wire_check_payload(&message, packet->payload) ==
                                       TESS_WIRE_OK};
    tess_coordinator_message(sim->coordinator, sim->now_us, &arrival);
    act(sim, packet);
}

/* --- the clock --- */

static int64_t next_us(const struct sim *sim)
{
    int64_t next = tess_min_i64(tess_link_mem_next_us(sim->links),
                                tess_coordinator_wake_us(sim->coordinator));
    if (sim->own->is_running)
        next = tess_min_i64(next, sim->own->due_us);
    for (int i = 0; i < sim->options.n_workers; i++)
        next = tess_min_i64(next, sim_worker_wake_us(sim, i));
    return tess_max_i64(next, sim->now_us);
}

static void step(struct sim *sim)
{
    struct tess_link_packet packet;
    if (sim->own->is_running && sim->own->due_us <= sim->now_us)
        end_own_task(sim);
    for (int i = 0; i < sim->options.n_workers; i++)
        sim_worker_wake(sim, i);
    while (tess_link_mem_take(sim->links, sim->now_us, &packet)) {
        if (packet.is_to_coordinator)
            coordinator_arrival(sim, &packet);
        else
            sim_worker_arrival(sim, packet.link, &packet);
        tess_link_packet_release(&packet);
    }
    if (tess_coordinator_wake_us(sim->coordinator) <= sim->now_us) {
        tess_coordinator_tick(sim->coordinator, sim->now_us);
        act(sim, NULL);
    }
}

void sim_run(struct sim *sim, int64_t until_us)
{
    for (int64_t next = next_us(sim); next < until_us; next = next_us(sim)) {
        sim->now_us = next;
        step(sim);
    }
    sim->now_us = tess_max_i64(sim->now_us, until_us);
}

static int n_ready(const struct sim *sim)
{
    int n = 0;
    for (int i = 1; i < tess_coordinator_n_nodes(sim->coordinator); i++) {
        struct tess_node_report report;
        tess_coordinator_report(sim->coordinator, i, &report);
        n += report.state == TESS_NODE_READY;
    }
    return n;
}

bool sim_run_until_ready(struct sim *sim, int wanted, int64_t until_us)
{
    while (n_ready(sim) < wanted && sim->now_us < until_us)
        sim_run(sim, sim->now_us + 1000);
    sim_run(sim, sim->now_us + 100000); /* credits arrive, links are measured */
    return n_ready(sim) >= wanted;
}

bool sim_submit(struct sim *sim)
{
    int64_t number;
    if (tess_coordinator_n_frames(sim->coordinator) == sim->options.max_frames)
        return false;
    for (int i = 0; i < sim->options.max_frames; i++) {
        struct sim_frame *frame = &sim->frames[i];
        if (frame->is_open)
            continue;
        frame->is_open = true;
        /* The coordinator numbers frames from 0 in each epoch. */
        frame->number = -1;
        for (int t = 0; t < FAKE_TENSORS; t++) {
            frame->tensors[t] = sim_alloc(fake_tensor_bytes(&sim->fake, t));
            memset(frame->tensors[t], 0xee, (size_t)fake_tensor_bytes(&sim->fake, t));
        }
        if (tess_coordinator_submit(sim->coordinator, sim->now_us, &number) != TESS_OK)
            abort();
        frame->number = number;
        fake_input(&sim->fake, number, frame->tensors[0]);
        sim->n_submitted++;
        act(sim, NULL);
        return true;
    }
    abort();
}

bool sim_run_frames(struct sim *sim, int n_frames, int64_t limit_us)
{
    int64_t end_us = sim->now_us + limit_us, last = sim->n_submitted + n_frames;
    while (sim->n_submitted < last || tess_coordinator_n_frames(sim->coordinator) > 0) {
        while (sim->n_submitted < last && sim_submit(sim))
            ;
        int64_t next = next_us(sim);
        if (next > end_us)
            return false;
        sim->now_us = next;
        step(sim);
    }
    return true;
}

/* --- life --- */

static const struct tess_node_guess guesses[SIM_WORKERS_MAX] = {
    {.name = "w1"}, {.name = "w2"}, {.name = "w3"},
    {.name = "w4"}, {.name = "w5"}, {.name = "w6"}};

static void create_coordinator(struct sim *sim)
{
    struct tess_blob_entry blobs[SIM_BLOBS];
    struct tess_coordinator_config config;
    static struct tess_blob_entry kept[SIM_BLOBS];
    for (int i = 0; i < SIM_BLOBS; i++)
        blobs[i] = sim_blob_entry(i);
    memcpy(kept, blobs, sizeof blobs);
    tess_coordinator_config_init(&config);
    config.work = &sim->fake.work;
    config.epoch = ++sim->epoch;
    strcpy(config.kernels, "fake");
    config.blobs = kept;
    config.n_blobs = SIM_BLOBS;
    config.plan_text_bytes = PLAN_TEXT_BYTES;
    config.max_frames = sim->options.max_frames;
    config.is_computing = !sim->options.has_idle_coordinator;
    config.own_cost_per_s = (int64_t)SIM_MACS_PER_US * 1000000;
    config.guesses = guesses;
    config.n_guesses = SIM_WORKERS_MAX;
    if (tess_coordinator_create(&config, &sim->coordinator, NULL) != TESS_OK)
        abort();
}

void sim_init(struct sim *sim, const struct sim_options *options)
{
    memset(sim, 0, sizeof *sim);
    sim->options = *options;
    assert(options->n_workers <= SIM_WORKERS_MAX);
    if (options->has_equal_tiles)
        fake_work_init_even(&sim->fake, options->stage_cost);
    else
        fake_work_init(&sim->fake, options->seed, options->stage_cost);
    if (options->has_plan)
        fake_work_plan(&sim->fake, options->n_workers + 1);
    fake_work_init_untiled(&sim->untiled);
    sim->now_us = 1000;
    sim->workers = sim_alloc(SIM_WORKERS_MAX * (int64_t)sizeof *sim->workers);
    sim->frames = sim_alloc(options->max_frames * (int64_t)sizeof *sim->frames);
    sim->own = sim_alloc(sizeof *sim->own);
    create_coordinator(sim);
    if (tess_link_mem_create(tess_max_int(options->n_workers, 1), options->seed,
                             &sim->links, NULL) != TESS_OK)
        abort();
    for (int i = 0; i < options->n_workers; i++) {
        tess_link_mem_set_weather(sim->links, i, &options->weather);
        sim_worker_init(sim, i);
    }
}

void sim_tell_gone(struct sim *sim, int link)
{
    uint32_t peer = (uint32_t)link * PEERS_PER_LINK +
                    (uint32_t)tess_link_mem_generation(sim->links, link);
    for (int channel = 0; channel < 2; channel++) {
        tess_coordinator_gone(sim->coordinator, sim->now_us, (enum tess_channel)channel,
                              peer);
        act(sim, NULL);
    }
}

static void drop_frames(struct sim *sim)
{
    for (int i = 0; i < sim->options.max_frames; i++)
        close_frame(&sim->frames[i]);
    free(sim->own->input);
    free(sim->own->output);
    memset(sim->own, 0, sizeof *sim->own);
}

void sim_release(struct sim *sim)
{
    for (int i = 0; i < sim->options.n_workers; i++)
        sim_worker_release(sim, i);
    drop_frames(sim);
    tess_link_mem_destroy(sim->links);
    tess_coordinator_destroy(sim->coordinator);
    tess_link_packet_release(&last_result);
    free(sim->workers);
    free(sim->frames);
    free(sim->own);
}

void sim_restart_coordinator(struct sim *sim)
{
    drop_frames(sim);
    tess_coordinator_destroy(sim->coordinator);
    for (int i = 0; i < sim->options.n_workers; i++)
        tess_link_mem_reset(sim->links, i);
    create_coordinator(sim);
}
