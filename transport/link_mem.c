#include "transport/link_mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/rng.h"

enum { N_LANES = 4 }; /* two channels, two directions */

struct flight {
    int64_t due_us;
    uint64_t order; /* equal times: as sent */
    struct tess_link_packet packet;
};

struct link {
    struct tess_link_weather weather;
    bool is_cut;
    uint64_t generation;
    double free_us[2];       /* of each direction: channels share the wire */
    int64_t due_us[N_LANES]; /* of the last message in order */
};

struct tess_link_mem {
    struct tess_rng rng;
    int n_links;
    struct link *links;
    struct flight *flights; /* [n_flights], unordered */
    int n_flights, capacity;
    uint64_t n_sent;
};

enum tess_status tess_link_mem_create(int n_links, uint64_t seed,
                                      struct tess_link_mem **links_out,
                                      struct tess_error *error)
{
    struct tess_link_mem *mem = calloc(1, sizeof *mem);
    assert(n_links > 0);
    if (!mem)
        return tess_error_nomem(error);
    mem->links = calloc((size_t)n_links, sizeof *mem->links);
    if (!mem->links) {
        free(mem);
        return tess_error_nomem(error);
    }
    mem->n_links = n_links;
    tess_rng_init(&mem->rng, seed);
    *links_out = mem;
    return TESS_OK;
}

void tess_link_packet_release(struct tess_link_packet *packet)
{
    free(packet->header);
    free(packet->payload);
    packet->header = NULL;
    packet->payload = NULL;
}

static void remove_flight(struct tess_link_mem *mem, int index)
{
    mem->flights[index] = mem->flights[--mem->n_flights];
}

static void forget(struct tess_link_mem *mem, int link)
{
    for (int i = mem->n_flights - 1; i >= 0; i--)
        if (mem->flights[i].packet.link == link) {
            tess_link_packet_release(&mem->flights[i].packet);
            remove_flight(mem, i);
        }
}

void tess_link_mem_destroy(struct tess_link_mem *mem)
{
    if (!mem)
        return;
    for (int i = 0; i < mem->n_links; i++)
        forget(mem, i);
    free(mem->links);
    free(mem->flights);
    free(mem);
}

void tess_link_mem_set_weather(struct tess_link_mem *mem, int link,
                               const struct tess_link_weather *weather)
{
    mem->links[link].weather = *weather;
}

void tess_link_mem_cut(struct tess_link_mem *mem, int link, bool is_cut)
{
    mem->links[link].is_cut = is_cut;
    if (is_cut)
        forget(mem, link);
}

void tess_link_mem_reset(struct tess_link_mem *mem, int link)
{
    forget(mem, link);
    mem->links[link].generation++;
    mem->links[link].free_us[0] = mem->links[link].free_us[1] = 0;
}

uint64_t tess_link_mem_generation(const struct tess_link_mem *mem, int link)
{
    return mem->links[link].generation;
}

static bool happens(struct tess_link_mem *mem, int probability)
{
    return tess_rng_int(&mem->rng, 0, 9999) < probability;
}

static int64_t jitter(struct tess_link_mem *mem, const struct link *link)
{
    int64_t most_us = tess_min_i64(link->weather.jitter_us, 100000000);
    return tess_rng_int(&mem->rng, 0, (int)most_us);
}

static unsigned char *copy_bytes(const unsigned char *bytes, int64_t n_bytes)
{
    unsigned char *copy = malloc((size_t)tess_max_i64(n_bytes, 1));
    if (copy && n_bytes > 0)
        memcpy(copy, bytes, (size_t)n_bytes);
    return copy;
}

/* One bit of header or payload, each bit with the same probability. */
static void flip_bit(struct tess_link_mem *mem, struct tess_link_packet *packet)
{
    uint64_t n_bits = 8 * (uint64_t)(packet->header_bytes + packet->payload_bytes);
    uint64_t bit = tess_rng_next(&mem->rng) % n_bits;
    uint64_t byte = bit / 8;
    unsigned char *at = byte < (uint64_t)packet->header_bytes
                            ? packet->header + byte
                            : packet->payload + byte - (uint64_t)packet->header_bytes;
    *at ^= (unsigned char)(1u << bit % 8);
}

static enum tess_status add_flight(struct tess_link_mem *mem, int64_t due_us,
                                   const struct tess_link_packet *packet, bool is_damaged)
{
    if (mem->n_flights == mem->capacity) {
        int capacity = mem->capacity ? 2 * mem->capacity : 64;
        struct flight *flights =
            realloc(mem->flights, sizeof *flights * (size_t)capacity);
        if (!flights)
            return TESS_E_NOMEM;
        mem->flights = flights;
        mem->capacity = capacity;
    }
    struct tess_link_packet copy = *packet;
    copy.header = copy_bytes(packet->header, packet->header_bytes);
    copy.payload =
        packet->payload_bytes ? copy_bytes(packet->payload, packet->payload_bytes) : NULL;
    copy.generation = mem->links[packet->link].generation;
    if (!copy.header || (packet->payload_bytes && !copy.payload)) {
        tess_link_packet_release(&copy);
        return TESS_E_NOMEM;
    }
    if (is_damaged)
        flip_bit(mem, &copy);
    mem->flights[mem->n_flights++] = (struct flight){due_us, mem->n_sent++, copy};
    return TESS_OK;
}

/* When the message has passed the wire of its direction. */
static int64_t transmit(struct link *link, int64_t now_us,
                        const struct tess_link_packet *packet)
{
    double *free_us = &link->free_us[packet->is_to_coordinator];
    if (link->weather.bytes_per_us <= 0)
        return now_us + link->weather.latency_us;
    if (*free_us < (double)now_us)
        *free_us = (double)now_us;
    *free_us += (double)(packet->header_bytes + packet->payload_bytes) /
                link->weather.bytes_per_us;
    return (int64_t)*free_us + link->weather.latency_us;
}

enum tess_status tess_link_mem_send(struct tess_link_mem *mem, int64_t now_us,
                                    const struct tess_link_packet *packet)
{
    struct link *link = &mem->links[packet->link];
    const struct tess_link_weather *weather = &link->weather;
    int64_t *lane_us =
        &link->due_us[2 * (int)packet->channel + (packet->is_to_coordinator ? 1 : 0)];
    enum tess_status status = TESS_OK;
    if (link->is_cut || happens(mem, weather->lose))
        return TESS_OK;
    int64_t due_us = transmit(link, now_us, packet);
    if (happens(mem, weather->duplicate))
        status = add_flight(mem, due_us + jitter(mem, link), packet, false);
    if (happens(mem, weather->reorder)) {
        due_us += jitter(mem, link);
    } else {
        due_us = tess_max_i64(due_us, *lane_us);
        *lane_us = due_us;
    }
    if (status == TESS_OK)
        status = add_flight(mem, due_us, packet, happens(mem, weather->flip));
    return status;
}

static int first_flight(const struct tess_link_mem *mem)
{
    int first = -1;
    for (int i = 0; i < mem->n_flights; i++) {
        const struct flight *flight = &mem->flights[i];
        if (first < 0 || flight->due_us < mem->flights[first].due_us ||
            (flight->due_us == mem->flights[first].due_us &&
             flight->order < mem->flights[first].order))
            first = i;
    }
    return first;
}

int64_t tess_link_mem_next_us(const struct tess_link_mem *mem)
{
    int first = first_flight(mem);
    return first < 0 ? INT64_MAX : mem->flights[first].due_us;
}

bool tess_link_mem_take(struct tess_link_mem *mem, int64_t now_us,
                        struct tess_link_packet *packet_out)
{
    int first = first_flight(mem);
    if (first < 0 || mem->flights[first].due_us > now_us)
        return false;
    *packet_out = mem->flights[first].packet;
    remove_flight(mem, first);
    return true;
}
