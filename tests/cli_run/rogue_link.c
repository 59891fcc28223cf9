/* A link between a worker and its coordinator that lies: passes everything on, both ways, and
 * spoils the messages that it is told to.
 *
 *   rogue_link PORT COORDINATOR_PORT
 *
 * Serves 127.0.0.1:PORT and the port above, for one worker. A line on standard input,
 *
 *   HOW WHICH COUNT
 *
 * spoils the next COUNT messages of that kind, W:RESULT for example: names and C: and W: are those
 * of docs/wire-protocol.md. Each is told on standard output. HOW:
 *
 *   flip       a bit of the payload, or of the header where there is none, under the old checksum
 *   outside    parts outside their map, checksums right
 *   other      the number of another tile, checksums right
 *   short      half of the payload is missing
 *   truncated  half of the header is missing
 *   garbage    no header at all
 *   bomb       a header of five bytes that claims 2^32 - 1 items
 *   long       a frame that claims 2^40 bytes
 *   version    another protocol version, checksum right
 *   early      instead of the message, one of each kind but HELLO, of a session that never was
 *   burst      thousands of bad messages, then the message as it is
 *   bulk       hundreds of bad messages of 256 KB, then the message as it is
 *
 * With keys everything is encrypted: W:? is then whatever the worker sends on data.
 *
 * Speaks the frames of ZMTP 3 (ZeroMQ RFC 37) itself, since libzmq would send nothing that is
 * wrong there. One thread; its writes block, which does no harm: both ends always read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "tests/support/sample_messages.h"
#include "transport/wire.h"

enum { GREETING_BYTES = 64, FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 };
enum {
    BURST_MESSAGES = 20000,
    BURST_BYTES = 200,
    BULK_MESSAGES = 800,
    BULK_BYTES = 256000,
    ROOM = 1 << 16
};

enum how {
    FLIP,
    OUTSIDE,
    OTHER,
    SHORT,
    TRUNCATED,
    GARBAGE,
    BOMB,
    LONG,
    VERSION,
    EARLY,
    BURST,
    BULK,
    N_HOWS
};
static const char *const hows[N_HOWS] = {"flip",      "outside", "other", "short",
                                         "truncated", "garbage", "bomb",  "long",
                                         "version",   "early",   "burst", "bulk"};

static const unsigned char bomb[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
static const char request[] = "GET / HTTP/1.1\r\n\r\n";

enum direction { TO_COORDINATOR, TO_WORKER };

/* One direction of a connection. */
struct stream {
    int from, to;
    enum direction direction;
    enum tess_channel channel;
    size_t greeted_bytes; /* of the greeting, which either end sends in pieces */
    bool is_broken;
    unsigned char *bytes; /* [capacity], what came and was not passed on yet */
    size_t n_bytes, capacity;
    bool has_header; /* of a message whose payload is still to come */
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
    size_t header_bytes;
};

/* What is asked for. */
static enum how how;
static enum direction of;
static int kind, n_left; /* kind 0: what cannot be read */

static int listeners[2];
static struct stream streams[2][2]; /* [channel][direction]; from 0: there is none */

static void complain(const char *what)
{
    fprintf(stderr, "rogue_link: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* --- frames --- */

static void put(struct stream *s, const void *bytes, size_t n_bytes)
{
    const unsigned char *at = bytes;
    while (n_bytes > 0 && !s->is_broken) {
        ssize_t n = send(s->to, at, n_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        s->is_broken = n <= 0;
        at += n > 0 ? n : 0;
        n_bytes -= n > 0 ? (size_t)n : 0;
    }
}

/* The beginning of a frame of `length`, whatever follows. */
static void put_length(struct stream *s, int flags, uint64_t length)
{
    unsigned char head[9] = {(unsigned char)(flags | FLAG_LONG)};
    for (int i = 0; i < 8; i++)
        head[1 + i] = (unsigned char)(length >> (56 - 8 * i));
    put(s, head, sizeof head);
}

static void put_frame(struct stream *s, int flags, const void *bytes, size_t n_bytes)
{
    unsigned char head[2] = {(unsigned char)flags, (unsigned char)n_bytes};
    if (n_bytes > 255)
        put_length(s, flags, n_bytes);
    else
        put(s, head, sizeof head);
    put(s, bytes, n_bytes);
}

static void put_message(struct stream *s, const void *header, size_t header_bytes,
                        const void *payload, size_t payload_bytes)
{
    put_frame(s, payload ? FLAG_MORE : 0, header, header_bytes);
    if (payload)
        put_frame(s, 0, payload, payload_bytes);
}

/* --- spoiling --- */

/* A message as it came: the header also as what it says, of kind 0 if that is not readable. */
struct letter {
    unsigned char *header, *payload; /* payload: or NULL */
    size_t header_bytes, payload_bytes;
    struct tess_message message;
};

static void put_early(enum tess_channel channel)
{
    struct stream *s = &streams[channel][TO_COORDINATOR];
    for (int i = 0; i < TESS_SAMPLE_KINDS && s->greeted_bytes == GREETING_BYTES; i++) {
        unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
        int64_t n_bytes;
        struct tess_message message = tess_sample_message(i, &n_bytes);
        if (message.kind == TESS_MESSAGE_HELLO ||
            tess_message_channel(message.kind) != channel)
            continue;
        tess_wire_seal(&message, tess_sample_payload(), n_bytes);
        put_message(s, header, tess_wire_write(&message, header),
                    n_bytes ? tess_sample_payload() : NULL, (size_t)n_bytes);
    }
}

static void put_burst(struct stream *s, int n, size_t payload_bytes)
{
    unsigned char *payload = calloc(1, payload_bytes);
    for (int i = 0; payload && i < n && !s->is_broken; i++)
        if (i % 2)
            put_message(s, bomb, sizeof bomb, payload, payload_bytes);
        else
            put_message(s, request, sizeof request, payload, payload_bytes);
    free(payload);
}

/* Another protocol version. The last four bytes are the checksum of all before their mark. */
static void change_version(struct letter *letter)
{
    unsigned char *crc_at = letter->header + letter->header_bytes - 4;
    letter->header[1] = TESS_WIRE_PROTOCOL + 1;
    uint32_t crc = tess_crc32c(0, letter->header, letter->header_bytes - 5);
    for (int i = 0; i < 4; i++)
        crc_at[i] = (unsigned char)(crc >> (24 - 8 * i));
}

/* Parts outside their maps, or another tile: right in all else. */
static void change_shape(struct letter *letter)
{
    struct tess_message *message = &letter->message;
    bool is_task = message->kind == TESS_MESSAGE_TASK;
    struct tess_parts *parts =
        is_task ? &message->as.task.parts : &message->as.result.parts;
    struct tess_task_key *key = is_task ? &message->as.task.key : &message->as.result.key;
    if (how == OTHER)
        key->tile ^= 1;
    for (int i = 0; how == OUTSIDE && i < parts->n; i++) {
        parts->at[i].rows.begin += 60000;
        parts->at[i].rows.end += 60000;
    }
    letter->header_bytes = tess_wire_write(message, letter->header);
}

/* Spoils the letter in place; false if it is not to be sent after all. */
static bool spoil(struct stream *s, struct letter *letter)
{
    unsigned char *flipped = letter->payload ? letter->payload : letter->header;
    size_t n = letter->payload ? letter->payload_bytes : letter->header_bytes;
    switch (how) {
    case FLIP: flipped[n / 2] ^= 0x10; break;
    case OUTSIDE:
    case OTHER: change_shape(letter); break;
    case SHORT: letter->payload_bytes /= 2; break;
    case TRUNCATED: letter->header_bytes /= 2; break;
    case GARBAGE:
        letter->header_bytes = sizeof request;
        memcpy(letter->header, request, sizeof request);
        break;
    case BOMB:
        letter->header_bytes = sizeof bomb;
        memcpy(letter->header, bomb, sizeof bomb);
        break;
    case LONG: put_length(s, 0, (uint64_t)1 << 40); break;
    case VERSION: change_version(letter); break;
    case EARLY:
        put_early(TESS_CHANNEL_CONTROL);
        put_early(TESS_CHANNEL_DATA);
        return false;
    case BURST: put_burst(s, BURST_MESSAGES, BURST_BYTES); break;
    case BULK: put_burst(s, BULK_MESSAGES, BULK_BYTES); break;
    case N_HOWS: break;
    }
    return true;
}

static bool is_meant(const struct stream *s, const struct letter *letter)
{
    return n_left > 0 && s->direction == of && (int)letter->message.kind == kind &&
           (kind != 0 || s->channel == TESS_CHANNEL_DATA);
}

static void pass_message(struct stream *s, unsigned char *payload, size_t payload_bytes)
{
    struct letter letter = {s->header,
                            payload,
                            s->header_bytes,
                            payload_bytes,
                            {.kind = (enum tess_message_kind)0}};
    tess_wire_read(s->header, s->header_bytes, (int64_t)payload_bytes, s->channel,
                   &letter.message, NULL);
    bool is_sent = true;
    if (is_meant(s, &letter)) {
        n_left--;
        is_sent = spoil(s, &letter);
        printf("%s\n", hows[how]);
    }
    if (is_sent)
        put_message(s, letter.header, letter.header_bytes, letter.payload,
                    letter.payload_bytes);
}

static void pass_frame(struct stream *s, int flags, unsigned char *bytes, size_t n_bytes)
{
    if (flags & FLAG_COMMAND || (!s->has_header && n_bytes > sizeof s->header)) {
        put_frame(s, flags, bytes, n_bytes);
    } else if (s->has_header) {
        s->has_header = false;
        pass_message(s, bytes, n_bytes);
    } else {
        memcpy(s->header, bytes, n_bytes);
        s->header_bytes = n_bytes;
        s->has_header = flags & FLAG_MORE;
        if (!s->has_header)
            pass_message(s, NULL, 0);
    }
}

/* Passes on what is whole of what came. Bytes of it, 0: none is. */
static size_t pass_next(struct stream *s, unsigned char *at, size_t n_bytes)
{
    if (s->greeted_bytes < GREETING_BYTES) {
        size_t left = GREETING_BYTES - s->greeted_bytes,
               n = n_bytes < left ? n_bytes : left;
        s->greeted_bytes += n;
        put(s, at, n);
        return n;
    }
    size_t head = n_bytes > 0 && at[0] & FLAG_LONG ? 9 : 2, length = 0;
    if (n_bytes < head)
        return 0;
    for (size_t i = 1; i < head; i++)
        length = length << 8 | at[i];
    if (n_bytes - head < length)
        return 0;
    pass_frame(s, at[0] & ~FLAG_LONG, at + head, length);
    return head + length;
}

static void pass(struct stream *s)
{
    if (s->capacity - s->n_bytes < ROOM) {
        s->capacity = 2 * s->capacity + ROOM;
        s->bytes = realloc(s->bytes, s->capacity);
        if (!s->bytes)
            complain("memory");
    }
    ssize_t n = recv(s->from, s->bytes + s->n_bytes, s->capacity - s->n_bytes, 0);
    if (n <= 0) {
        s->is_broken = n == 0 || errno != EINTR;
        return;
    }
    s->n_bytes += (size_t)n;
    size_t passed = 0, step;
    while (!s->is_broken &&
           (step = pass_next(s, s->bytes + passed, s->n_bytes - passed)) > 0)
        passed += step;
    memmove(s->bytes, s->bytes + passed, s->n_bytes - passed);
    s->n_bytes -= passed;
}

/* --- connections --- */

static struct sockaddr_in at_port(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void serve(int channel, int port)
{
    struct sockaddr_in address = at_port(port);
    int yes = 1;
    listeners[channel] = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listeners[channel], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listeners[channel], (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listeners[channel], 4) != 0)
        complain("cannot listen");
}

static void hang_up(int channel)
{
    struct stream *both = streams[channel];
    if (both[0].from) {
        close(both[0].from);
        close(both[0].to);
    }
    free(both[0].bytes);
    free(both[1].bytes);
    memset(both, 0, 2 * sizeof *both);
}

/* A worker's connection gets one to the coordinator; the one before is over. */
static void pick_up(int channel, int coordinator_port)
{
    struct sockaddr_in address = at_port(coordinator_port + channel);
    int yes = 1, worker = accept(listeners[channel], NULL, NULL);
    int coordinator = socket(AF_INET, SOCK_STREAM, 0);
    hang_up(channel);
    if (connect(coordinator, (struct sockaddr *)&address, sizeof address) != 0) {
        close(worker);
        close(coordinator);
        return;
    }
    setsockopt(worker, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(coordinator, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct stream up = {.from = worker,
                        .to = coordinator,
                        .direction = TO_COORDINATOR,
                        .channel = (enum tess_channel)channel};
    struct stream down = up;
    down.from = coordinator;
    down.to = worker;
    down.direction = TO_WORKER;
    streams[channel][TO_COORDINATOR] = up;
    streams[channel][TO_WORKER] = down;
}

/* Everything of the coordinator's is C:, of the worker's W:. */
static void take_order(void)
{
    char line[80], word[16], name[16], whose;
    int n_how = 0;
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    if (n <= 0 || sscanf(line, "%15s %c:%15s %d", word, &whose, name, &n_left) != 4)
        complain("no order");
    while (n_how < N_HOWS && strcmp(word, hows[n_how]) != 0)
        n_how++;
    kind = 0;
    while (kind <= TESS_MESSAGE_NACK &&
           strcmp(name, tess_message_name((enum tess_message_kind)kind)) != 0)
        kind++;
    if (n_how == N_HOWS || kind > TESS_MESSAGE_NACK)
        complain(line);
    how = (enum how)n_how;
    of = whose == 'C' ? TO_WORKER : TO_COORDINATOR;
}

static void step(int coordinator_port)
{
    struct pollfd fds[7] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (int i = 0; i < 2; i++)
        fds[1 + i] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
    for (int i = 0; i < 4; i++) {
        int from = streams[i / 2][i % 2].from;
        fds[3 + i] = (struct pollfd){.fd = from ? from : -1, .events = POLLIN};
    }
    if (poll(fds, 7, -1) < 0)
        complain("cannot wait");
    if (fds[0].revents)
        take_order();
    for (int i = 0; i < 4; i++) {
        struct stream *s = &streams[i / 2][i % 2];
        if (fds[3 + i].revents && s->from == fds[3 + i].fd)
            pass(s);
        if (s->is_broken)
            hang_up(i / 2);
    }
    for (int i = 0; i < 2; i++)
        if (fds[1 + i].revents)
            pick_up(i, coordinator_port);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: rogue_link PORT COORDINATOR_PORT\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    serve(0, atoi(argv[1]));
    serve(1, atoi(argv[1]) + 1);
    for (;;)
        step(atoi(argv[2]));
}
