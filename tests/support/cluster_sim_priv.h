/* What the files of the simulated cluster share: cluster_sim.c (clock, coordinator) and
 * cluster_sim_worker.c (workers).
 */
#ifndef TESS_TESTS_SUPPORT_CLUSTER_SIM_PRIV_H
#define TESS_TESTS_SUPPORT_CLUSTER_SIM_PRIV_H

#include "tests/support/cluster_sim.h"

enum { SIM_INBOX = 256, SIM_MACS_PER_US = 1000 };

struct sim_task {
    bool is_running;
    int64_t due_us, begun_us;
    struct tess_task_key key;
    unsigned char *input;  /* malloc */
    unsigned char *output; /* malloc */
};

/* What a worker finds out when it has verified a blob or opened a plan. */
struct sim_answer {
    bool is_under_way;
    int64_t due_us;
    enum tess_worker_verb verb;
    int index;
    int64_t here_bytes;
    struct tess_worker_opened opened;
};

struct sim_worker {
    bool is_running, is_paused, is_cut, is_leaving;
    int64_t leave_us;
    struct sim_worker_faults faults;
    struct tess_worker *machine;
    uint64_t incarnation;
    unsigned char *slots[TESS_WORKER_SLOTS]; /* malloc: inputs held */
    unsigned char *kept[TESS_KEPT_MAX];      /* malloc: outputs kept */
    int computing_slot;
    bool is_released; /* the slot being computed was released before its end */
    struct sim_task task;
    struct sim_answer answer;
    bool has_plan, is_open;
    unsigned char *disk; /* [SIM_BLOBS][SIM_BLOB_BYTES] */
    int64_t on_disk[SIM_BLOBS];
    struct tess_link_packet inbox[SIM_INBOX]; /* while paused */
    int n_inbox;
};

struct sim_frame {
    bool is_open;
    int64_t number;
    unsigned char *tensors[FAKE_TENSORS];
};

void *sim_alloc(int64_t n_bytes); /* never fails */
void sim_tell(struct sim *sim, const char *who, const char *text);
void sim_send(struct sim *sim, int link, bool is_to_coordinator,
              enum tess_channel channel, struct tess_message *message,
              const void *payload, int64_t n_bytes);
const unsigned char *sim_blob(int index); /* its content [SIM_BLOB_BYTES] */
struct tess_blob_entry sim_blob_entry(int index);

void sim_tell_gone(struct sim *sim,
                   int link); /* the coordinator sees connections close */

void sim_worker_init(struct sim *sim, int number);
void sim_worker_release(struct sim *sim, int number);
void sim_worker_arrival(struct sim *sim, int number, struct tess_link_packet *packet);
int64_t sim_worker_wake_us(const struct sim *sim, int number);
void sim_worker_wake(struct sim *sim, int number);

#endif
