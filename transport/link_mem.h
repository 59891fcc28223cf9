/* Links between a coordinator and its workers in memory, under a virtual clock: for tests of
 * everything that a network does to messages.
 *
 * A link has two channels; each direction of each carries messages in order at a given
 * bandwidth, unless it is told to lose, delay, duplicate, reorder or damage them, or is
 * cut. Messages sent into a cut are lost, as with a connection that breaks. Not for products:
 * those use sockets.
 */
#ifndef TESS_TRANSPORT_LINK_MEM_H
#define TESS_TRANSPORT_LINK_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/message.h"

struct tess_link_mem;

/* Of a link; probabilities of each message in 1/10000. */
struct tess_link_weather {
    int64_t latency_us;
    double bytes_per_us; /* 0: not limited */
    int lose, duplicate, flip, reorder;
    int64_t
        jitter_us; /* a delayed, duplicated or reordered message comes up to so much later */
};

struct tess_link_packet {
    int link;
    enum tess_channel channel;
    bool is_to_coordinator;
    uint64_t generation;   /* of the link when it was sent */
    unsigned char *header; /* [header_bytes] */
    int64_t header_bytes;
    unsigned char *payload; /* [payload_bytes], NULL if none; from malloc */
    int64_t payload_bytes;
};

/* TESS_E_NOMEM. The seed decides about all weather. */
enum tess_status tess_link_mem_create(int n_links, uint64_t seed,
                                      struct tess_link_mem **links_out,
                                      struct tess_error *error);
void tess_link_mem_destroy(struct tess_link_mem *links); /* accepts NULL */

void tess_link_mem_set_weather(struct tess_link_mem *links, int link,
                               const struct tess_link_weather *weather);

/* Cuts or heals both directions and channels; what is under way when it is cut is lost. */
void tess_link_mem_cut(struct tess_link_mem *links, int link, bool is_cut);

/* Forgets what is under way and begins a new generation: one end is a new process. */
void tess_link_mem_reset(struct tess_link_mem *links, int link);
uint64_t tess_link_mem_generation(const struct tess_link_mem *links, int link);

/* Sends copies of header and payload. TESS_E_NOMEM; a lost message is no error. */
enum tess_status tess_link_mem_send(struct tess_link_mem *links, int64_t now_us,
                                    const struct tess_link_packet *packet);

/* When the next message arrives; INT64_MAX: none is under way. */
int64_t tess_link_mem_next_us(const struct tess_link_mem *links);

/* Takes the message that arrives next, if that is not after `now_us`. The caller releases
 * it. */
bool tess_link_mem_take(struct tess_link_mem *links, int64_t now_us,
                        struct tess_link_packet *packet_out);
void tess_link_packet_release(struct tess_link_packet *packet);

#endif
