/* How many megabits per second of payload a TCP connection carries from one host to another: what
 * bench/cluster.sh checks its emulated links with.
 *
 *     link_speed receive PORT              takes one connection, prints the rate, ends
 *     link_speed send ADDRESS PORT MS      sends for so long; ADDRESS is numeric IPv4
 *
 * The rate is that of the receiver, from WARM_UP_MS after the first byte to the last byte, so that
 * neither the start of TCP nor the first burst of a shaper counts.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { PIECE_BYTES = 1 << 16, WARM_UP_MS = 200, PATIENCE_S = 10, ATTEMPTS = 50 };

static char piece[PIECE_BYTES];

static int die(const char *what)
{
    fprintf(stderr, "link_speed: %s: %s\n", what, strerror(errno));
    return 1;
}

/* A TCP socket whose waits end, since an emulated link may be cut. */
static int open_socket(void)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    }
    return fd;
}

static int receive(uint16_t port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = open_socket();
    if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof here) != 0 ||
        listen(listener, 1) != 0)
        return die("cannot listen");
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return die("nobody connected");
    double first_us = 0, last_us = 0;
    int64_t n_bytes = 0;
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n < 0)
            return die("cannot receive");
        if (n == 0)
            break;
        last_us = tess_clock_us();
        if (first_us <= 0)
            first_us = last_us + WARM_UP_MS * 1e3;
        else if (last_us > first_us)
            n_bytes += n;
    }
    if (n_bytes == 0) {
        fprintf(stderr, "link_speed: the connection ended too early\n");
        return 1;
    }
    printf("%.2f\n", (double)n_bytes * 8 / (last_us - first_us));
    return 0;
}

static int connect_patiently(const struct sockaddr_in *there)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        int fd = open_socket();
        if (fd < 0 || connect(fd, (const struct sockaddr *)there, sizeof *there) == 0)
            return fd;
        close(fd);
        usleep(20000);
    }
    return -1;
}

static int send_for(const char *address, uint16_t port, double ms)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &there.sin_addr) != 1) {
        fprintf(stderr, "link_speed: %s is no IPv4 address\n", address);
        return 2;
    }
    int fd = connect_patiently(&there);
    if (fd < 0)
        return die("cannot connect");
    double end_us = tess_clock_us() + ms * 1e3;
    while (tess_clock_us() < end_us)
        if (send(fd, piece, sizeof piece, MSG_NOSIGNAL) < 0)
            return die("cannot send");
    return close(fd) == 0 ? 0 : die("cannot send");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "receive") == 0)
        return receive((uint16_t)strtoul(argv[2], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        return send_for(argv[2], (uint16_t)strtoul(argv[3], NULL, 10),
                        strtod(argv[4], NULL));
    fprintf(stderr, "usage: link_speed receive PORT | send ADDRESS PORT MS\n");
    return 2;
}
