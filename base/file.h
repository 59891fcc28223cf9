/* Whole small files in and out, and read-only maps of large ones.
 *
 * Text that people write (cfg, plans, names) is small: read it whole, up to a limit. Large
 * binary files are mapped and given back piece by piece; nobody reads them whole.
 */
#ifndef TESS_BASE_FILE_H
#define TESS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* Reads a file of at most `limit_bytes` and appends it to `text_out`. TESS_E_IO if it cannot
 * be read or is longer. "-" reads standard input. */
enum tess_status tess_file_read(const char *path, int64_t limit_bytes,
                                struct tess_text *text_out, struct tess_error *error);

/* Writes `n_bytes` so that readers see the old file or the new one, never a part: a temporary
 * file beside `path`, then a rename. "-" writes standard output. */
enum tess_status tess_file_write(const char *path, const void *bytes, size_t n_bytes,
                                 struct tess_error *error);

/* A read-only map of a whole file. */
struct tess_file_map {
    const unsigned char *data; /* NULL for an empty file */
    int64_t n_bytes;
};

/* Maps `path`. Pages are read when touched. On success the caller releases. TESS_E_IO. */
enum tess_status tess_file_map_init(struct tess_file_map *map, const char *path,
                                    struct tess_error *error);
void tess_file_map_release(struct tess_file_map *map); /* accepts zeroed memory */

/* Gives the pages of [offset, offset + n_bytes) back to the system, so that they no longer
 * count as memory of this process. Pages partly inside the range go too: a later touch reads
 * them again. */
void tess_file_map_drop(const struct tess_file_map *map, int64_t offset, int64_t n_bytes);

#endif
