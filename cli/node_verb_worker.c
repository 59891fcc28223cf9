#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/node_link.h"
#include "cli/node_runner.h"
#include "cli/node_verbs.h"
#include "cli/session.h"
#include "transport/node_worker.h"

/* A tile is computed while the next one waits; how many bytes those have, the plan says. */
enum { CREDIT_TILES = 2 };
static const int64_t credit_bytes = INT64_C(1) << 40;

/* What messages hold beside the payloads of tiles: pieces of weights, queues. */
enum { MESSAGES_BYTES = 1 << 20 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void tell(void *context, const char *text)
{
    const struct tess_args *args = context;
    if (!args->is_quiet)
        fprintf(stderr, "worker: %s\n", text);
}

/* Where weights are kept: `~` is the user's folder, and folders above it are made. */
static enum tess_status make_cache(const char *asked, char *path, size_t size,
                                   struct tess_error *error)
{
    const char *home = getenv("HOME");
    bool is_home = asked[0] == '~' && asked[1] == '/';
    if (is_home && !home) {
        tess_error_set(error, TESS_E_USAGE, "--cache %s: HOME is not set", asked);
        tess_error_hint(error, "give the whole path");
        return TESS_E_USAGE;
    }
    int len =
        snprintf(path, size, "%s%s", is_home ? home : "", is_home ? asked + 1 : asked);
    if (len < 0 || (size_t)len >= size)
        return tess_error_set(error, TESS_E_USAGE, "--cache: the path is too long");
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int code = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : errno;
        if (code)
            return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot make: %s",
                                 strerror(code));
        *slash = '/';
    }
    return TESS_OK;
}

static enum tess_status set_name(const struct tess_args *args, char name[TESS_WIRE_NAME],
                                 struct tess_error *error)
{
    char host[256] = "";
    if (!args->name) {
        gethostname(host, sizeof host - 1);
        host[strcspn(host, ".")] = '\0';
    }
    const char *chosen = args->name ? args->name : host[0] ? host : "worker";
    if (strlen(chosen) >= TESS_WIRE_NAME || !chosen[0]) {
        tess_error_set(error, TESS_E_USAGE, "--name %s: expected 1 to %d characters",
                       chosen, TESS_WIRE_NAME - 1);
        return TESS_E_USAGE;
    }
    strcpy(name, chosen);
    return TESS_OK;
}

enum tess_status tess_node_check_family(const struct tess_args *args,
                                        const struct tess_kernel_family *family,
                                        struct tess_error *error)
{
    if (family && family->uses_packed)
        return TESS_OK;
    tess_error_set(error, TESS_E_USAGE, "kernels \"%s\" cannot work in a cluster",
                   args->kernels);
    tess_error_hint(error, "use auto or nat");
    return TESS_E_USAGE;
}

enum tess_status tess_node_start_family(const struct tess_args *args,
                                        const struct tess_kernel_family **family_out,
                                        struct tess_error *error)
{
    const struct tess_kernel_family *family = tess_kernel_family_find(args->kernels);
    enum tess_status status = tess_node_check_family(args, family, error);
    if (status == TESS_OK)
        status = family->start(0, error);
    if (status == TESS_OK)
        *family_out = family;
    return status;
}

static enum tess_status say_hello(const struct tess_args *args,
                                  const struct tess_kernel_family *family,
                                  struct tess_hello *hello, struct tess_error *error)
{
    struct tess_kernel_facts facts = {0};
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    uint64_t hash = TESS_HASH_START;
    family->facts(&facts);
    tess_facts_fields(&facts, fields);
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        hash = tess_hash_i64(hash, *fields[i].value);
    *hello = (struct tess_hello){.facts = hash,
                                 .incarnation = tess_node_random(),
                                 .cores = tess_session_n_processors(),
                                 .memory_bytes = args->memory_bytes};
    snprintf(hello->build, sizeof hello->build, "tessera %s", TESSERA_VERSION);
    snprintf(hello->kernels, sizeof hello->kernels, "%s", family->name);
    return set_name(args, hello->name, error);
}

static enum tess_status run(const struct tess_args *args, struct tess_node_link *link,
                            const struct tess_kernel_family *family,
                            struct tess_error *error)
{
    char cache[TESS_BLOBS_PATH / 2], profile[1024];
    struct tess_blobs *blobs = NULL;
    struct tess_node_runner *runner = NULL;
    struct tess_node_worker node = {
        .link = link->config,
        .credit = {.tiles = CREDIT_TILES, .bytes = credit_bytes},
        .tell = tell,
        .context = (void *)(uintptr_t)args,
        .stop = &stop};
    tess_session_find_profile(args, profile, sizeof profile);
    enum tess_status status = say_hello(args, family, &node.hello, error);
    if (status == TESS_OK)
        status = make_cache(args->cache, cache, sizeof cache, error);
    if (status == TESS_OK)
        status =
            tess_blobs_create(cache, node.hello.name, args->cache_bytes, &blobs, error);
    struct tess_node_runner_config config = {
        .name = node.hello.name,
        .family = family,
        .blobs = blobs,
        .held_bytes = MESSAGES_BYTES,
        .memory_bytes = args->memory_bytes,
        .n_threads =
            args->n_threads > 0 ? (int)args->n_threads : tess_session_n_processors(),
        .profile = profile};
    if (status == TESS_OK)
        status = tess_node_runner_create(&config, &runner, error);
    if (status == TESS_OK) {
        node.blobs = blobs;
        node.runner = tess_node_runner_tiles(runner);
        status = tess_node_worker_run(&node, error);
    }
    tess_node_runner_destroy(runner);
    tess_blobs_destroy(blobs);
    return status;
}

enum tess_status tess_verb_worker(const struct tess_args *args, struct tess_error *error)
{
    struct tess_node_link link;
    const struct tess_kernel_family *family = NULL;
    enum tess_status status = tess_node_link_worker(&link, args, error);
    catch_signals();
    if (status == TESS_OK)
        status = tess_node_start_family(args, &family, error);
    if (status == TESS_OK)
        status = run(args, &link, family, error);
    if (family)
        family->stop();
    tess_node_link_release(&link);
    return status;
}
