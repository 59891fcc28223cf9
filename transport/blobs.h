/* A folder of blobs (weights) named by the SHA-256 of their content.
 *
 * A blob HASH lies whole in the file of that name or in part in HASH.OWNER.part; a whole one
 * appears by a rename and never changes, so several processes may share the folder. Content
 * is verified when a blob becomes whole and when it is looked for, unless this process has
 * verified that very file before: what does not have its hash is removed. The folder holds
 * at most a given number of bytes; to make room, blobs that were used longest ago are
 * removed, never those of the current plan.
 *
 * Knows no network: transport/worker.h says what to look for and what to put. One thread at a
 * time calls it.
 */
#ifndef TESS_TRANSPORT_BLOBS_H
#define TESS_TRANSPORT_BLOBS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sha256.h"

struct tess_blobs;

/* Makes the folder if it is not there (not its parents). `owner` names this process among
 * those that share the folder; what it left in part is continued. cap_bytes: 0 for no cap.
 * TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_blobs_create(const char *folder, const char *owner,
                                   int64_t cap_bytes, struct tess_blobs **blobs_out,
                                   struct tess_error *error);
void tess_blobs_destroy(struct tess_blobs *blobs); /* accepts NULL; the files stay */

/* A new plan: blobs looked for and put from now on are its own. */
void tess_blobs_begin(struct tess_blobs *blobs);

/* How many bytes of the blob are here: n_bytes of a whole one, fewer of one in part. Room for
 * the rest is made. TESS_E_BUDGET: the blobs of this plan exceed the cap. TESS_E_IO. Cost:
 * reads a whole blob, the first time in this process. */
enum tess_status tess_blobs_find(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                                 int64_t n_bytes, int64_t *here_bytes_out,
                                 struct tess_error *error);

/* Adds `n_piece` bytes at `offset`, which is what is here by now (else nothing is changed).
 * Sets what is here afterwards. n_bytes: no byte is missing; tess_blobs_finish comes next.
 * TESS_E_IO: the disk is full, say; what was here of the blob is then removed. */
enum tess_status tess_blobs_put(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                                int64_t n_bytes, int64_t offset, const void *piece,
                                int64_t n_piece, int64_t *here_bytes_out,
                                struct tess_error *error);

/* All bytes were put: verifies them and makes them the blob. Sets n_bytes, or 0 after having
 * removed what has another hash. TESS_E_IO, TESS_E_NOMEM. Cost: small if all pieces were put
 * one after the other in this process; else reads all bytes. */
enum tess_status tess_blobs_finish(struct tess_blobs *blobs,
                                   const struct tess_sha256 *hash, int64_t n_bytes,
                                   int64_t *here_bytes_out, struct tess_error *error);

/* Path of the whole blob. `size` >= TESS_BLOBS_PATH. Returns `path`. */
enum { TESS_BLOBS_PATH = 1024 };
const char *tess_blobs_path(const struct tess_blobs *blobs,
                            const struct tess_sha256 *hash, char *path, size_t size);

/* Bytes of all files in the folder. TESS_E_IO. */
enum tess_status tess_blobs_total(const struct tess_blobs *blobs, int64_t *bytes_out,
                                  struct tess_error *error);

#endif
