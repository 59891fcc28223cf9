#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "tests/support/cluster_sim_priv.h"

enum { LINGER_US = 100000 }; /* what a leaving process waits for its messages to go */

static void free_task(struct sim_task *task)
{
    free(task->input);
    free(task->output);
    memset(task, 0, sizeof *task);
}

/* --- answers to actions --- */

/* What comparing hashes finds out, faster. */
static bool is_blob_right(const struct sim_worker *worker, int index)
{
    return memcmp(worker->disk + (size_t)index * SIM_BLOB_BYTES, sim_blob(index),
                  SIM_BLOB_BYTES) == 0;
}

/* The machine is told at once, or when the time has passed that it takes. */
static void tell_answer(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    struct sim_answer answer = worker->answer;
    worker->answer.is_under_way = false;
    if (answer.verb == TESS_WORKER_OPEN) {
        worker->is_open = answer.opened.status == TESS_OK;
        tess_worker_opened(worker->machine, sim->now_us, &answer.opened);
    } else {
        tess_worker_blob(worker->machine, sim->now_us, answer.index, answer.here_bytes,
                         TESS_OK, NULL);
    }
}

static void begin_answer(struct sim *sim, int number, const struct sim_answer *answer)
{
    struct sim_worker *worker = &sim->workers[number];
    assert(!worker->answer.is_under_way && !worker->is_open);
    assert(!worker->task.is_running);
    worker->answer = *answer;
    worker->answer.is_under_way = true;
    worker->answer.due_us = sim->now_us + worker->faults.answer_us;
    if (worker->faults.answer_us == 0)
        tell_answer(sim, number);
}

static void find_blob(struct sim *sim, int number,
                      const struct tess_worker_action *action)
{
    struct sim_worker *worker = &sim->workers[number];
    int64_t here = worker->on_disk[action->index];
    assert(action->blob.n_bytes == SIM_BLOB_BYTES);
    if (here == SIM_BLOB_BYTES && !is_blob_right(worker, action->index))
        here = worker->on_disk[action->index] = 0;
    begin_answer(sim, number,
                 &(struct sim_answer){.verb = TESS_WORKER_FIND,
                                      .index = action->index,
                                      .here_bytes = here});
}

static void put_blob(struct sim *sim, int number, const struct tess_worker_action *action,
                     const struct tess_link_packet *packet)
{
    struct sim_worker *worker = &sim->workers[number];
    unsigned char *blob = worker->disk + (size_t)action->index * SIM_BLOB_BYTES;
    int64_t end = action->offset + packet->payload_bytes;
    assert(packet && packet->payload && end <= SIM_BLOB_BYTES);
    if (worker->faults.has_full_disk) {
        tess_worker_blob(worker->machine, sim->now_us, action->index, 0, TESS_E_IO,
                         "cannot write the cache: no space left on device");
        return;
    }
    memcpy(blob + action->offset, packet->payload, (size_t)packet->payload_bytes);
    if (end < SIM_BLOB_BYTES) {
        worker->on_disk[action->index] = end;
        tess_worker_blob(worker->machine, sim->now_us, action->index, end, TESS_OK, NULL);
        return;
    }
    if (!is_blob_right(worker, action->index))
        end = 0;
    worker->on_disk[action->index] = end;
    begin_answer(sim, number,
                 &(struct sim_answer){
                     .verb = TESS_WORKER_PUT, .index = action->index, .here_bytes = end});
}

static void open_plan(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    struct tess_worker_opened opened = {
        .work = &sim->fake.work,
        .peak_bytes = 10 << 20,
        .credit = {2, 1 << 20, sim->options.keeps_nothing ? 0 : SIM_KEPT_BYTES}};
    assert(worker->has_plan);
    for (int i = 0; i < SIM_BLOBS; i++)
        assert(memcmp(worker->disk + (size_t)i * SIM_BLOB_BYTES, sim_blob(i),
                      SIM_BLOB_BYTES) == 0);
    if (worker->faults.has_no_memory_at_open) {
        opened.status = TESS_E_BUDGET;
        opened.text = "the plan takes 60 MiB, the limit is 48 MiB";
    }
    begin_answer(sim, number,
                 &(struct sim_answer){.verb = TESS_WORKER_OPEN, .opened = opened});
}

static void compute(struct sim *sim, int number, const struct tess_worker_action *action)
{
    struct sim_worker *worker = &sim->workers[number];
    const struct tess_work_tile *tile =
        tess_work_tile(&sim->fake.work, action->key.stage, action->key.tile);
    double us = (double)tile->cost / SIM_MACS_PER_US * worker->faults.slowness;
    assert(!worker->task.is_running && worker->is_open && worker->slots[action->slot]);
    worker->computing_slot = action->slot;
    worker->is_released = false;
    worker->task = (struct sim_task){.is_running = true,
                                     .begun_us = sim->now_us,
                                     .due_us = sim->now_us + (int64_t)us + 1,
                                     .key = action->key};
}

static void keep(struct sim_worker *worker, int kept_slot, int64_t n_bytes)
{
    assert(!worker->kept[kept_slot]);
    worker->kept[kept_slot] = sim_alloc(n_bytes);
    memcpy(worker->kept[kept_slot], worker->task.output, (size_t)n_bytes);
}

static void send(struct sim *sim, int number, const struct tess_worker_action *action)
{
    struct sim_worker *worker = &sim->workers[number];
    struct tess_message message = action->message;
    unsigned char *payload = NULL;
    int64_t n_bytes = 0;
    if (message.kind == TESS_MESSAGE_RESULT) {
        struct tess_result *result = &message.as.result;
        const struct tess_parts *whole =
            &tess_work_tile(&sim->fake.work, result->key.stage, result->key.tile)
                 ->outputs;
        n_bytes = tess_parts_bytes(&result->parts);
        payload = sim_alloc(n_bytes + 4096);
        tess_parts_pick(whole, worker->task.output, &result->parts, payload);
        if (action->kept_slot >= 0)
            keep(worker, action->kept_slot, tess_parts_bytes(whole));
        if (worker->faults.sends_wrong_shape && result->parts.n > 0) {
            result->parts.at[0].tensor ^= 1;
            n_bytes = tess_parts_bytes(&result->parts);
        }
    }
    sim_send(sim, number, true, action->channel, &message, payload, n_bytes);
    free(payload);
}

static void release_slot(struct sim_worker *worker, int slot)
{
    if (worker->task.is_running && worker->computing_slot == slot) {
        worker->is_released = true;
        return;
    }
    free(worker->slots[slot]);
    worker->slots[slot] = NULL;
}

static void forget(struct sim_worker *worker, int kept_slot)
{
    free(worker->kept[kept_slot]);
    worker->kept[kept_slot] = NULL;
}

static void hold(struct sim *sim, struct sim_worker *worker,
                 const struct tess_worker_action *action,
                 const struct tess_link_packet *packet)
{
    struct tess_message message;
    assert(!worker->slots[action->slot] && packet);
    if (tess_wire_read(packet->header, (size_t)packet->header_bytes,
                       packet->payload_bytes, packet->channel, &message,
                       NULL) != TESS_WIRE_OK)
        abort();
    worker->slots[action->slot] = sim_alloc(tess_parts_bytes(
        &tess_work_tile(&sim->fake.work, action->key.stage, action->key.tile)->inputs));
    tess_kept_assemble(tess_worker_kept(worker->machine), &sim->fake.work, &action->key,
                       (const void *const *)worker->kept, &message.as.task.parts,
                       packet->payload, worker->slots[action->slot]);
}

/* Carries out all actions; `packet`: the message just told, if it was one. */
static void act(struct sim *sim, int number, struct tess_link_packet *packet)
{
    struct sim_worker *worker = &sim->workers[number];
    struct tess_worker_action action;
    char name[16];
    snprintf(name, sizeof name, "w%d", number + 1);
    while (worker->machine && tess_worker_next(worker->machine, &action)) {
        if (action.verb == TESS_WORKER_SEND) {
            send(sim, number, &action);
        } else if (action.verb == TESS_WORKER_PLAN) {
            assert(!worker->answer.is_under_way);
            worker->has_plan = true;
        } else if (action.verb == TESS_WORKER_FIND) {
            find_blob(sim, number, &action);
        } else if (action.verb == TESS_WORKER_PUT) {
            put_blob(sim, number, &action, packet);
        } else if (action.verb == TESS_WORKER_OPEN) {
            open_plan(sim, number);
        } else if (action.verb == TESS_WORKER_CLOSE) {
            assert(worker->is_open && !worker->task.is_running);
            assert(!worker->answer.is_under_way);
            worker->is_open = false;
        } else if (action.verb == TESS_WORKER_HOLD) {
            hold(sim, worker, &action, packet);
        } else if (action.verb == TESS_WORKER_FORGET) {
            forget(worker, action.slot);
        } else if (action.verb == TESS_WORKER_COMPUTE) {
            compute(sim, number, &action);
        } else if (action.verb == TESS_WORKER_RELEASE) {
            release_slot(worker, action.slot);
        } else if (action.verb == TESS_WORKER_LEAVE) {
            worker->is_leaving = true;
            worker->leave_us = sim->now_us + LINGER_US;
        } else if (action.verb == TESS_WORKER_TELL) {
            sim_tell(sim, name, action.text);
        }
    }
    if (worker->machine)
        tess_worker_assert_valid(worker->machine);
}

/* --- what happens to a worker --- */

static void end_task(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    struct sim_task *task = &worker->task;
    const struct tess_work_tile *tile =
        tess_work_tile(&sim->fake.work, task->key.stage, task->key.tile);
    int code = worker->faults.has_no_memory_at_tiles ? TESS_NACK_NOMEM : 0;
    int slot = worker->computing_slot;
    task->output = sim_alloc(tess_parts_bytes(&tile->outputs) + 4096);
    fake_run(&sim->fake.work, task->key.stage, task->key.tile, worker->slots[slot],
             task->output);
    task->is_running = false;
    struct sim_task done = *task;
    tess_worker_computed(worker->machine, sim->now_us, slot, code, "out of memory",
                         sim->now_us - done.begun_us);
    if (worker->is_released)
        release_slot(worker, slot);
    /* The next COMPUTE overwrites the task: the output lives until all was sent. */
    act(sim, number, NULL);
    if (worker->task.output == done.output)
        worker->task.output = NULL;
    free(done.output);
}

void sim_worker_arrival(struct sim *sim, int number, struct tess_link_packet *packet)
{
    struct sim_worker *worker = &sim->workers[number];
    struct tess_message message;
    if (!worker->is_running)
        return;
    if (worker->is_paused) {
        if (worker->n_inbox < SIM_INBOX) {
            worker->inbox[worker->n_inbox++] = *packet;
            packet->header = packet->payload = NULL;
        }
        return;
    }
    enum tess_wire_fault fault =
        tess_wire_read(packet->header, (size_t)packet->header_bytes,
                       packet->payload_bytes, packet->channel, &message, NULL);
    if (fault != TESS_WIRE_OK) {
        sim->n_refused++;
        return;
    }
    bool is_good = tess_wire_check_payload(&message, packet->payload) == TESS_WIRE_OK;
    tess_worker_message(worker->machine, sim->now_us, &message, packet->payload, is_good);
    act(sim, number, packet);
}

int64_t sim_worker_wake_us(const struct sim *sim, int number)
{
    const struct sim_worker *worker = &sim->workers[number];
    if (!worker->is_running || worker->is_paused)
        return INT64_MAX;
    int64_t wake_us =
        worker->is_leaving ? worker->leave_us : tess_worker_wake_us(worker->machine);
    if (worker->task.is_running)
        wake_us = tess_min_i64(wake_us, worker->task.due_us);
    if (worker->answer.is_under_way)
        wake_us = tess_min_i64(wake_us, worker->answer.due_us);
    return wake_us;
}

void sim_worker_wake(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    if (!worker->is_running || worker->is_paused)
        return;
    if (worker->task.is_running && worker->task.due_us <= sim->now_us)
        end_task(sim, number);
    if (worker->answer.is_under_way && worker->answer.due_us <= sim->now_us) {
        tell_answer(sim, number);
        act(sim, number, NULL);
    }
    if (worker->machine && tess_worker_wake_us(worker->machine) <= sim->now_us) {
        tess_worker_tick(worker->machine, sim->now_us);
        act(sim, number, NULL);
    }
    if (worker->is_leaving && worker->leave_us <= sim->now_us)
        sim_kill(sim, number);
}

/* --- life and faults --- */

void sim_worker_init(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    memset(worker, 0, sizeof *worker);
    worker->disk = sim_alloc((int64_t)SIM_BLOBS * SIM_BLOB_BYTES);
    worker->faults.slowness = 1;
    sim_start(sim, number);
}

static void clear_inbox(struct sim_worker *worker)
{
    for (int i = 0; i < worker->n_inbox; i++)
        tess_link_packet_release(&worker->inbox[i]);
    worker->n_inbox = 0;
}

static void end_process(struct sim_worker *worker)
{
    clear_inbox(worker);
    free_task(&worker->task);
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        free(worker->slots[i]);
        worker->slots[i] = NULL;
    }
    for (int i = 0; i < TESS_KEPT_MAX; i++)
        forget(worker, i);
    tess_worker_destroy(worker->machine);
    worker->machine = NULL;
    worker->is_running = worker->is_paused = worker->is_leaving = false;
    worker->has_plan = worker->is_open = worker->answer.is_under_way = false;
}

void sim_worker_release(struct sim *sim, int number)
{
    end_process(&sim->workers[number]);
    free(sim->workers[number].disk);
}

void sim_start(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    struct tess_hello hello = {.cores = 1, .memory_bytes = 48 << 20};
    assert(!worker->is_running);
    if (worker->faults.name)
        snprintf(hello.name, sizeof hello.name, "%s", worker->faults.name);
    else
        snprintf(hello.name, sizeof hello.name, "w%d", number + 1);
    strcpy(hello.build, "test");
    strcpy(hello.kernels, worker->faults.kernels ? worker->faults.kernels : "fake");
    hello.incarnation = (uint64_t)number << 32 | ++worker->incarnation;
    hello.macs_per_s = (int64_t)SIM_MACS_PER_US * 1000000;
    if (tess_worker_create(&hello, &worker->machine, NULL) != TESS_OK)
        abort();
    worker->is_running = true;
    sim_worker_wake(sim, number);
}

void sim_kill(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    if (!worker->is_running)
        return;
    end_process(worker);
    if (!worker->is_cut)
        sim_tell_gone(sim, number);
    tess_link_mem_reset(sim->links, number);
}

void sim_cut(struct sim *sim, int number, bool is_cut)
{
    sim->workers[number].is_cut = is_cut;
    tess_link_mem_cut(sim->links, number, is_cut);
}

void sim_pause(struct sim *sim, int number, bool is_paused)
{
    struct sim_worker *worker = &sim->workers[number];
    if (!worker->is_running || worker->is_paused == is_paused)
        return;
    worker->is_paused = is_paused;
    if (is_paused)
        return;
    int n_inbox = worker->n_inbox;
    worker->n_inbox = 0;
    for (int i = 0; i < n_inbox; i++) {
        struct tess_link_packet packet = worker->inbox[i];
        sim_worker_arrival(sim, number, &packet);
        tess_link_packet_release(&packet);
    }
}

void sim_set_faults(struct sim *sim, int number, const struct sim_worker_faults *faults)
{
    sim->workers[number].faults = *faults;
}

void sim_spoil_cache(struct sim *sim, int number)
{
    struct sim_worker *worker = &sim->workers[number];
    for (int i = 0; i < SIM_BLOBS; i++)
        worker->disk[(size_t)i * SIM_BLOB_BYTES + 5000] ^= 1;
}

void sim_drain(struct sim *sim, int number)
{
    tess_worker_drain(sim->workers[number].machine, sim->now_us);
    act(sim, number, NULL);
}

bool sim_is_running(const struct sim *sim, int number)
{
    return sim->workers[number].is_running;
}

bool sim_is_paused(const struct sim *sim, int number)
{
    return sim->workers[number].is_paused;
}

bool sim_is_computing(const struct sim *sim, int number)
{
    return sim->workers[number].task.is_running;
}
