/* A cluster in one process under a virtual clock: the real coordinator and workers, real bytes
 * on in-memory links, fake arithmetic, and faults on demand.
 *
 * Every frame that completes is compared with the untiled result, its accounts are checked,
 * and tensors are spoiled as soon as they are said not to be needed. A difference aborts.
 */
#ifndef TESS_TESTS_SUPPORT_CLUSTER_SIM_H
#define TESS_TESTS_SUPPORT_CLUSTER_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/fake_tiles.h"
#include "transport/coordinator.h"
#include "transport/link_mem.h"
#include "transport/worker.h"

enum {
    SIM_WORKERS_MAX = 6,
    SIM_BLOBS = 3,
    SIM_BLOB_BYTES = 300000,
    SIM_KEPT_BYTES = 60000
};

struct sim_options {
    int n_workers;
    uint64_t seed;
    int max_frames;
    bool has_idle_coordinator; /* it computes nothing itself */
    bool has_equal_tiles; /* stage 0 in 16 equal tiles, the rest whole: for timings */
    bool keeps_nothing;   /* workers offer no memory for that */
    bool has_plan;        /* tiles are planned for nodes, by where they are */
    int64_t stage_cost;   /* of every stage; speeds are 1000 MACs a us */
    struct tess_link_weather weather;
};

/* What is wrong with a worker, beside what links do. */
struct sim_worker_faults {
    double slowness;   /* 1: none */
    int64_t answer_us; /* what opening a plan and verifying a blob take */
    bool has_no_memory_at_open, has_no_memory_at_tiles;
    bool has_full_disk;
    bool sends_wrong_shape;
    const char *kernels; /* NULL: the right ones */
    const char *name;    /* NULL: its own */
};

struct sim {
    struct sim_options options;
    struct fake_work fake, untiled;
    int64_t now_us;
    struct tess_coordinator *coordinator;
    struct tess_link_mem *links;
    struct sim_worker *workers; /* [n_workers] */
    struct sim_frame *frames;   /* [max_frames] */
    struct sim_task *own;       /* what the coordinator computes */
    uint64_t epoch;
    int64_t n_submitted, n_done, n_failed;
    struct tess_accounts total;            /* of all frames done */
    int64_t n_sent[TESS_MESSAGE_NACK + 1]; /* messages from either side by kind */
    int64_t n_refused;                     /* by tess_wire_read */
    int64_t n_in_two;   /* tiles of which something was stored before the rest */
    int64_t n_left_out; /* tasks without all of their inputs */
    char told[4096];    /* sentences to the user, a line each, the latest that fit */
    char failure[TESS_WIRE_TEXT];
};

void sim_init(struct sim *sim, const struct sim_options *options);
void sim_release(struct sim *sim);

/* Runs until `until_us` of the virtual clock. */
void sim_run(struct sim *sim, int64_t until_us);

/* Runs until as many workers are ready; false if that is not so at `until_us`. */
bool sim_run_until_ready(struct sim *sim, int n_ready, int64_t until_us);

/* Submits one frame: false if no more fit. */
bool sim_submit(struct sim *sim);

/* Submits frames, keeps as many in flight as fit, and runs until all are over; false if they
 * are not within `limit_us` from now. */
bool sim_run_frames(struct sim *sim, int n_frames, int64_t limit_us);

/* Faults. A killed worker's connections close; a new process begins where it was, with what
 * its disk holds. A paused worker does nothing until it is continued. */
void sim_kill(struct sim *sim, int worker);
void sim_start(struct sim *sim, int worker);
void sim_pause(struct sim *sim, int worker, bool is_paused);
void sim_cut(struct sim *sim, int worker, bool is_cut);
void sim_set_faults(struct sim *sim, int worker, const struct sim_worker_faults *faults);
void sim_spoil_cache(struct sim *sim, int worker);
void sim_drain(struct sim *sim, int worker);
bool sim_is_running(const struct sim *sim, int worker);
bool sim_is_paused(const struct sim *sim, int worker);
bool sim_is_computing(const struct sim *sim, int worker);

/* The coordinator is killed, all frames with it, and starts anew in another epoch. */
void sim_restart_coordinator(struct sim *sim);

/* Bytes from a worker's place to the coordinator, as they are. */
void sim_inject(struct sim *sim, int worker, enum tess_channel channel,
                const void *header, size_t header_bytes, const void *payload,
                int64_t payload_bytes);

/* The last RESULT that the coordinator got; for repeating it. */
struct tess_link_packet *sim_last_result(struct sim *sim);

#endif
