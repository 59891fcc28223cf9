#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum tess_status tess_spawn_find(const char *name, char *path_out, size_t size,
                                 struct tess_error *error)
{
    char self[4000];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0)
        return tess_error_set(error, TESS_E_IO, "cannot tell where this program lies: %s",
                              strerror(errno));
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    int n = snprintf(path_out, size, "%s/%s", self, name);
    if (n < 0 || (size_t)n >= size || access(path_out, X_OK) != 0) {
        tess_error_set(error, TESS_E_IO, "%s is missing beside this program, in %s", name,
                       self);
        tess_error_hint(error, "install or build the whole project");
        return TESS_E_IO;
    }
    return TESS_OK;
}

enum tess_status tess_spawn_become(const char *name, char *const *argv,
                                   struct tess_error *error)
{
    char path[4096];
    enum tess_status status = tess_spawn_find(name, path, sizeof path, error);
    if (status != TESS_OK)
        return status;
    execv(path, argv);
    return tess_error_set(error, TESS_E_IO, "cannot run %s: %s", path, strerror(errno));
}

/* Feeds and drains both pipes until the child closes its output. */
static bool exchange(int to, int from, const struct tess_text *input,
                     struct tess_text *output_out)
{
    size_t n_written = 0;
    char chunk[4096];
    for (;;) {
        if (to >= 0 && n_written == input->len) {
            close(to);
            to = -1;
        }
        struct pollfd fds[2] = {{.fd = from, .events = POLLIN},
                                {.fd = to, .events = POLLOUT}};
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        if (to >= 0 && fds[1].revents) {
            ssize_t n = write(to, input->data + n_written, input->len - n_written);
            if (n > 0) {
                n_written += (size_t)n;
            } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
                n_written = input->len; /* the child does not want it */
            }
        }
        if (fds[0].revents) {
            ssize_t n = read(from, chunk, sizeof chunk);
            if (n == 0)
                break;
            if (n > 0)
                tess_text_append(output_out, chunk, (size_t)n);
            else if (errno != EINTR && errno != EAGAIN)
                break;
        }
    }
    if (to >= 0)
        close(to);
    return !output_out->is_broken;
}

static enum tess_status start(char *const *program, const int in[2], const int out[2],
                              pid_t *child_out, struct tess_error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    int failure = posix_spawn(child_out, program[0], &actions, NULL, program, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure)
        return tess_error_set(error, TESS_E_IO, "cannot run %s: %s", program[0],
                              strerror(failure));
    return TESS_OK;
}

enum tess_status tess_spawn(char *const *program, const struct tess_text *input,
                            struct tess_text *output_out, int *exit_code_out,
                            struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    pid_t child = -1;
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        status =
            tess_error_set(error, TESS_E_IO, "cannot make a pipe: %s", strerror(errno));
        goto out;
    }
    /* A child that dies early must not take this process along. */
    signal(SIGPIPE, SIG_IGN);
    status = start(program, in, out, &child, error);
    if (status != TESS_OK)
        goto out;
    close(in[0]);
    close(out[1]);
    in[0] = out[1] = -1;
    bool is_complete = exchange(in[1], out[0], input, output_out);
    in[1] = -1;
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR)
        continue;
    *exit_code_out = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    if (!is_complete)
        status = tess_error_nomem(error);
out:
    for (int i = 0; i < 2; i++) {
        if (in[i] >= 0)
            close(in[i]);
        if (out[i] >= 0)
            close(out[i]);
    }
    return status;
}
