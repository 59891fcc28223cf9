/* A large file read in slices, mostly forward, by a process that has little memory: what it
 * leaves in the system's page cache.
 *
 * Either the system decides, as for any file. Or the cache is left as it was found: pages
 * that were cached are read from there and stay, so that a file somebody keeps warm stays
 * warm; what is not cached is read past the cache (O_DIRECT) where the file system can, and
 * else dropped once it is read, so that streaming a file larger than memory pushes nothing out.
 * Past the cache costs a processor a fifth of it: no page is allocated, charged, copied from and
 * freed.
 *
 * Does not map the file, interpret it or keep a copy. Small files: base/file.h.
 */
#ifndef TESS_BASE_PAGED_FILE_H
#define TESS_BASE_PAGED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct tess_paged_file;

/* What of a file is in the cache is known, and dropped, in pieces of this size. A piece
 * counts as found in the cache only if all of it was. */
enum { TESS_PAGED_FILE_PIECE_BYTES = 256 * 1024 };

/* Opens a regular file, to be read exactly where it is asked for: nothing ahead. TESS_E_IO,
 * TESS_E_NOMEM. The caller destroys. Holds a byte per piece. */
enum tess_status tess_paged_file_open(const char *path, struct tess_paged_file **file_out,
                                      struct tess_error *error);

/* Drops what is still cached only because of this file. Accepts NULL. */
void tess_paged_file_destroy(struct tess_paged_file *file);

const char *tess_paged_file_path(const struct tess_paged_file *file); /* as opened */
int64_t tess_paged_file_bytes(const struct tess_paged_file *file);    /* when opened */

/* From now on the file is read mostly forward. With `leaves_cache` the cache is left as it is
 * found now and holds no more than a piece that was not there; else the system decides, and
 * may read ahead. Not while another thread reads. Cost: with `leaves_cache`, asking which pages
 * are cached. */
void tess_paged_file_stream(struct tess_paged_file *file, bool leaves_cache);

/* Whether what is not cached may be read past the cache; it may unless told otherwise. Before the
 * stream begins. */
void tess_paged_file_allow_direct(struct tess_paged_file *file, bool is_allowed);

/* Nobody goes on reading for now: with leaves_cache the piece last read is dropped, too. For
 * whoever reads many files in turn, each of which would keep its own. Not while another thread
 * reads. */
void tess_paged_file_pause(struct tess_paged_file *file);

/* Addresses and offsets that agree modulo this are read past the cache without a copy; others are
 * moved by less than this once they are there. */
enum { TESS_PAGED_FILE_ALIGNMENT = 512 };

/* How much is best asked for at once by who looks at it afterwards: what stays in a processor's
 * cache, or more where each read waits for a disk. */
int64_t tess_paged_file_best_bytes(const struct tess_paged_file *file);

/* Reads exactly `n_bytes` at `offset`, all within the file. TESS_E_IO, also if the file has
 * become shorter. Any number of threads may read one file. */
enum tess_status tess_paged_file_read(struct tess_paged_file *file, int64_t offset,
                                      int64_t n_bytes, void *bytes_out,
                                      struct tess_error *error);

/* The same for a few bytes beside the stream: what they bring in stays until the stream
 * comes by or the file is destroyed. */
enum tess_status tess_paged_file_read_aside(struct tess_paged_file *file, int64_t offset,
                                            int64_t n_bytes, void *bytes_out,
                                            struct tess_error *error);

#endif
