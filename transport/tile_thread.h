/* One thread that computes tiles and does other long work, so that whoever talks to the network
 * never waits for it.
 *
 * Serial equivalent of start ... take: runner.run(...); of call ... take: the call. One thing at a
 * time. Between start or call and take, what the work looks at is the thread's; what was written
 * on either side before is seen on the other.
 */
#ifndef TESS_TRANSPORT_TILE_THREAD_H
#define TESS_TRANSPORT_TILE_THREAD_H

#include <stdbool.h>

#include "transport/tile_runner.h"

struct tess_tile_thread;

/* Borrows the runner. TESS_E_NOMEM, TESS_E_INTERNAL. */
enum tess_status tess_tile_thread_create(const struct tess_tile_runner *runner,
                                         struct tess_tile_thread **thread_out,
                                         struct tess_error *error);

/* Waits for what is being done. */
void tess_tile_thread_destroy(struct tess_tile_thread *thread); /* accepts NULL */

/* Readable while a result waits to be taken: to be waited for with sockets. */
int tess_tile_thread_fd(const struct tess_tile_thread *thread);

bool tess_tile_thread_is_busy(const struct tess_tile_thread *thread);

/* Begins. The buffers are the thread's until the result is taken. Not while busy. */
void tess_tile_thread_start(struct tess_tile_thread *thread, int stage, int tile,
                            const void *input, void *output);

/* Begins other work: `call` on the thread with `context`, borrowed until the result is taken.
 * Not while busy. */
typedef enum tess_status tess_tile_call(void *context, struct tess_error *error);
void tess_tile_thread_call(struct tess_tile_thread *thread, tess_tile_call *call,
                           void *context);

struct tess_tile_done {
    enum tess_status status;
    struct tess_error error;
    int64_t compute_us;
};

/* Takes the result if there is one; the thread is then not busy. */
bool tess_tile_thread_take(struct tess_tile_thread *thread,
                           struct tess_tile_done *done_out);

/* Waits until it is not busy any more; the result is dropped. */
void tess_tile_thread_finish(struct tess_tile_thread *thread);

#endif
