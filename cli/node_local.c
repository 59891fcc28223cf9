#include "cli/node_local.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arith.h"
#include "cli/session.h"
#include "cli/spawn.h"

void tess_node_local_cluster(const struct tess_args *args,
                             struct tess_cluster *cluster_out)
{
    memset(cluster_out, 0, sizeof *cluster_out);
    cluster_out->n_nodes = (int)args->n_local + 1;
    for (int i = 0; i < cluster_out->n_nodes; i++) {
        struct tess_cluster_node *node = &cluster_out->nodes[i];
        /* The processors are the workers': this process only takes what nobody else can. */
        *node = (struct tess_cluster_node){.speed = 1,
                                           .only_serves = i == 0,
                                           .memory_bytes = args->memory_bytes,
                                           .link_mbit = 10000,
                                           .latency_us = 50};
        if (i == 0)
            strcpy(node->name, "here");
        else
            snprintf(node->name, sizeof node->name, "local%d", i);
    }
}

/* In the child: becomes a worker. */
static void become(char *const *argv, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1); /* it ended meanwhile */
    execv(argv[0], argv);
    _exit(127);
}

static enum tess_status start(struct tess_node_local *local, char *const *argv,
                              struct tess_error *error)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return tess_error_set(error, TESS_E_IO, "cannot start a worker: %s",
                              strerror(errno));
    if (pid == 0)
        become(argv, parent);
    local->pids[local->n++] = pid;
    return TESS_OK;
}

enum tess_status tess_node_local_start(struct tess_node_local *local,
                                       const struct tess_args *args, const char *endpoint,
                                       struct tess_error *error)
{
    char program[4096], name[16], threads[16], memory[32];
    int n_threads = tess_session_n_processors() / (int)args->n_local;
    enum tess_status status =
        tess_spawn_find("tessera-node", program, sizeof program, error);
    if (args->n_threads > 0)
        n_threads = (int)args->n_threads;
    snprintf(threads, sizeof threads, "%d", tess_max_int(n_threads, 1));
    snprintf(memory, sizeof memory, "%lld", (long long)args->memory_bytes);
    for (int i = 1; i <= args->n_local && status == TESS_OK; i++) {
        const char *argv[20] = {program,     "worker",      "--connect", endpoint,
                                "--name",    name,          "--threads", threads,
                                "--kernels", args->kernels, "--quiet"};
        int n = 11;
        snprintf(name, sizeof name, "local%d", i);
        if (args->has_budget) {
            argv[n++] = "--memory";
            argv[n++] = memory;
        }
        if (args->profile) {
            argv[n++] = "--profile";
            argv[n++] = args->profile;
        }
        status = start(local, (char *const *)(uintptr_t)argv, error);
    }
    return status;
}

void tess_node_local_stop(struct tess_node_local *local)
{
    for (int i = 0; i < local->n; i++)
        kill(local->pids[i], SIGTERM);
    for (int i = 0; i < local->n; i++)
        while (waitpid(local->pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    local->n = 0;
}
