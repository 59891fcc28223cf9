/* Keys in files: who may join a cluster.
 *
 * A key pair is a file that only its owner may read:
 *     public 40 characters
 *     secret 40 characters
 * Beside it, FILE.pub has the first line only and may be given to anybody. The coordinator's list
 * of workers has one line each:
 *     NAME 40 characters
 * Empty lines and lines that begin with # and a blank are ignored. Keys are CURVE keys as
 * Z85 text (ZeroMQ RFC 32).
 *
 * Reads and writes files; what keys protect is transport/link_zmq.h.
 */
#ifndef TESS_TRANSPORT_AUTH_H
#define TESS_TRANSPORT_AUTH_H

#include "base/error.h"
#include "transport/link_zmq.h"

enum { TESS_AUTH_WORKERS_MAX = 256 };

/* Writes FILE (mode 0600) and FILE.pub. TESS_E_IO, also if FILE exists: a key in use is never
 * overwritten. */
enum tess_status tess_auth_write_keys(const char *path, const struct tess_link_keys *keys,
                                      struct tess_error *error);

/* Reads a pair. TESS_E_CONFIG with a place; also if the file is ours and others may read it. One of
 * another owner, who lets us read it, is their affair: so come systemd's credentials, and so does
 * ssh judge. */
enum tess_status tess_auth_read_keys(const char *path, struct tess_link_keys *keys_out,
                                     struct tess_error *error);

/* Reads the public key of FILE.pub, or of a pair. */
enum tess_status tess_auth_read_public(const char *path, char key_out[TESS_LINK_KEY],
                                       struct tess_error *error);

/* Reads the list of workers; *allowed_out [*n_out] is new, from malloc. TESS_E_CONFIG with a
 * place: a name or a key twice, say. An empty list is right: nobody may join. */
enum tess_status tess_auth_read_allowed(const char *path,
                                        struct tess_link_allowed **allowed_out,
                                        int *n_out, struct tess_error *error);

#endif
