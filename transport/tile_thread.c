#include "transport/tile_thread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

struct tess_tile_thread {
    struct tess_tile_runner runner;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, but for `is_busy` */
    pthread_cond_t has_work;
    bool is_started, is_ending;
    tess_tile_call *call; /* NULL: a tile */
    void *context;
    int stage, tile;
    const void *input;
    void *output;
    struct tess_tile_done done;
    int fd;       /* counts results: the owner reads `done` after it */
    bool is_busy; /* the owner's own */
};

static enum tess_status run_tile(void *context, struct tess_error *error)
{
    const struct tess_tile_thread *thread = context;
    return thread->runner.run(thread->runner.self, thread->stage, thread->tile,
                              thread->input, thread->output, error);
}

/* One thing, without the lock: the owner changes nothing of it before the result is taken. */
static void run(struct tess_tile_thread *thread)
{
    struct tess_tile_done done = {0};
    tess_tile_call *call = thread->call ? thread->call : run_tile;
    void *context = thread->call ? thread->context : thread;
    pthread_mutex_unlock(&thread->lock);
    tess_error_init(&done.error);
    double begin_us = tess_clock_us();
    done.status = call(context, &done.error);
    done.compute_us = (int64_t)(tess_clock_us() - begin_us);
    pthread_mutex_lock(&thread->lock);
    thread->done = done;
    const uint64_t one = 1;
    ssize_t written = write(thread->fd, &one, sizeof one);
    assert(written == sizeof one); /* the counter is 0: cannot be full */
    (void)written;
}

/* Messages come first: they take little, and others wait for them. Threads that this one starts
 * inherit it. */
static void step_back(void)
{
    enum { NICER = 10 };
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICER);
}

static void *work(void *context)
{
    struct tess_tile_thread *thread = context;
    step_back();
    pthread_mutex_lock(&thread->lock);
    while (!thread->is_ending) {
        if (thread->is_started) {
            thread->is_started = false;
            run(thread);
        } else {
            pthread_cond_wait(&thread->has_work, &thread->lock);
        }
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

enum tess_status tess_tile_thread_create(const struct tess_tile_runner *runner,
                                         struct tess_tile_thread **thread_out,
                                         struct tess_error *error)
{
    struct tess_tile_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return tess_error_nomem(error);
    thread->runner = *runner;
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->has_work, NULL);
    thread->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failure =
        thread->fd < 0 ? errno : pthread_create(&thread->thread, NULL, work, thread);
    if (failure) {
        if (thread->fd >= 0)
            close(thread->fd);
        pthread_cond_destroy(&thread->has_work);
        pthread_mutex_destroy(&thread->lock);
        free(thread);
        return tess_error_set(error, TESS_E_INTERNAL, "cannot start a thread: %s",
                              strerror(failure));
    }
    *thread_out = thread;
    return TESS_OK;
}

void tess_tile_thread_destroy(struct tess_tile_thread *thread)
{
    if (!thread)
        return;
    pthread_mutex_lock(&thread->lock);
    thread->is_ending = true;
    pthread_cond_signal(&thread->has_work);
    pthread_mutex_unlock(&thread->lock);
    pthread_join(thread->thread, NULL);
    close(thread->fd);
    pthread_cond_destroy(&thread->has_work);
    pthread_mutex_destroy(&thread->lock);
    free(thread);
}

int tess_tile_thread_fd(const struct tess_tile_thread *thread)
{
    return thread->fd;
}

bool tess_tile_thread_is_busy(const struct tess_tile_thread *thread)
{
    return thread->is_busy;
}

/* With the lock: hands over what was written to `thread`. */
static void begin(struct tess_tile_thread *thread)
{
    thread->is_busy = true;
    thread->is_started = true;
    pthread_cond_signal(&thread->has_work);
}

void tess_tile_thread_start(struct tess_tile_thread *thread, int stage, int tile,
                            const void *input, void *output)
{
    assert(!thread->is_busy);
    pthread_mutex_lock(&thread->lock);
    thread->call = NULL;
    thread->stage = stage;
    thread->tile = tile;
    thread->input = input;
    thread->output = output;
    begin(thread);
    pthread_mutex_unlock(&thread->lock);
}

void tess_tile_thread_call(struct tess_tile_thread *thread, tess_tile_call *call,
                           void *context)
{
    assert(!thread->is_busy);
    pthread_mutex_lock(&thread->lock);
    thread->call = call;
    thread->context = context;
    begin(thread);
    pthread_mutex_unlock(&thread->lock);
}

bool tess_tile_thread_take(struct tess_tile_thread *thread,
                           struct tess_tile_done *done_out)
{
    uint64_t count;
    if (!thread->is_busy || read(thread->fd, &count, sizeof count) != sizeof count)
        return false;
    pthread_mutex_lock(&thread->lock);
    *done_out = thread->done;
    pthread_mutex_unlock(&thread->lock);
    thread->is_busy = false;
    return true;
}

void tess_tile_thread_finish(struct tess_tile_thread *thread)
{
    struct tess_tile_done done;
    while (thread->is_busy && !tess_tile_thread_take(thread, &done)) {
        struct pollfd item = {.fd = thread->fd, .events = POLLIN};
        poll(&item, 1, -1);
    }
}
