/* One thread that computes tiles, so that whoever talks to the network never waits for one.
 *
 * Serial equivalent of start ... take: runner.run(...). One tile at a time. The runner's open and
 * close are called by the owner while nothing runs.
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

/* Waits for a tile being computed. */
void tess_tile_thread_destroy(struct tess_tile_thread *thread); /* accepts NULL */

/* Readable while a result waits to be taken: to be waited for with sockets. */
int tess_tile_thread_fd(const struct tess_tile_thread *thread);

bool tess_tile_thread_is_busy(const struct tess_tile_thread *thread);

/* Begins. The buffers are the thread's until the result is taken. Not while busy. */
void tess_tile_thread_start(struct tess_tile_thread *thread, int stage, int tile,
                            const void *input, void *output);

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
