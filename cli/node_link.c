#include "cli/node_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "transport/auth.h"

enum { BIG_MESSAGE_BYTES = 1 << 30 }; /* no tile of any plan needs more */

enum tess_status tess_node_link_address(struct tess_node_link *link, const char *endpoint,
                                        const char *option, struct tess_error *error)
{
    const char *colon = strrchr(endpoint, ':');
    int64_t port;
    bool is_right = strncmp(endpoint, "tcp://", 6) == 0 && colon > endpoint + 6 &&
                    tess_parse_i64(colon + 1, 1, 65534, &port) &&
                    strlen(endpoint) + 8 < sizeof link->control;
    if (!is_right) {
        tess_error_set(error, TESS_E_USAGE, "%s %s: expected tcp://HOST:PORT", option,
                       endpoint);
        tess_error_hint(error, "for example tcp://192.168.1.10:%d", TESS_NODE_PORT);
        return TESS_E_USAGE;
    }
    snprintf(link->control, sizeof link->control, "%s", endpoint);
    snprintf(link->data, sizeof link->data, "%.*s:%lld", (int)(colon - endpoint),
             endpoint, (long long)port + 1);
    link->config.control = link->control;
    link->config.data = link->data;
    return TESS_OK;
}

static enum tess_status goes_with(const char *one, const char *other,
                                  struct tess_error *error)
{
    tess_error_set(error, TESS_E_USAGE, "%s goes with %s", one, other);
    tess_error_hint(error, "keys are made by: tessera keygen FILE (docs/cluster.md)");
    return TESS_E_USAGE;
}

enum tess_status tess_node_link_worker(struct tess_node_link *link,
                                       const struct tess_args *args,
                                       struct tess_error *error)
{
    memset(link, 0, sizeof *link);
    /* What does not fit its memory is of no use to a worker. */
    link->config.payload_bytes = BIG_MESSAGE_BYTES;
    if (args->memory_bytes > 0 && args->memory_bytes < BIG_MESSAGE_BYTES)
        link->config.payload_bytes = args->memory_bytes;
    link->config.is_insecure = args->is_insecure;
    if (!args->connect) {
        tess_error_set(error, TESS_E_USAGE, "worker needs --connect");
        tess_error_hint(error, "for example: --connect tcp://192.168.1.10:%d",
                        TESS_NODE_PORT);
        return TESS_E_USAGE;
    }
    if (!args->key != !args->coordinator_key)
        return goes_with("--key", "--coordinator-key", error);
    enum tess_status status =
        tess_node_link_address(link, args->connect, "--connect", error);
    if (status == TESS_OK && args->key)
        status = tess_auth_read_keys(args->key, &link->keys, error);
    if (status == TESS_OK && args->key)
        status =
            tess_auth_read_public(args->coordinator_key, link->coordinator_key, error);
    if (args->key) {
        link->config.keys = &link->keys;
        link->config.coordinator_key = link->coordinator_key;
    }
    return status;
}

enum tess_status tess_node_link_coordinator(struct tess_node_link *link,
                                            const struct tess_args *args,
                                            struct tess_error *error)
{
    char standard[64];
    memset(link, 0, sizeof *link);
    link->config.is_coordinator = true;
    link->config.is_insecure = args->is_insecure;
    snprintf(standard, sizeof standard, "tcp://%s:%d",
             args->key ? "0.0.0.0" : "127.0.0.1", TESS_NODE_PORT);
    if (!args->key != !args->allow)
        return goes_with("--key", "--allow", error);
    enum tess_status status = tess_node_link_address(
        link, args->listen ? args->listen : standard, "--listen", error);
    if (status == TESS_OK && args->key)
        status = tess_auth_read_keys(args->key, &link->keys, error);
    if (status == TESS_OK && args->key)
        status = tess_auth_read_allowed(args->allow, &link->allowed,
                                        &link->config.n_allowed, error);
    if (args->key) {
        link->config.keys = &link->keys;
        link->config.allowed = link->allowed;
    }
    return status;
}

uint64_t tess_node_random(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = (uint64_t)tess_clock_us() ^ (uint64_t)getpid() << 32;
    return number >> 1 | 1;
}

void tess_node_link_release(struct tess_node_link *link)
{
    free(link->allowed);
    memset(link, 0, sizeof *link);
}
