/* Whole small files in and out.
 *
 * Text that people write (cfg, plans, names) is small: read it whole, up to a limit. Large
 * binary files are read in windows by the modules that know their format.
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

/* The same for a text; TESS_E_NOMEM if it is broken. */
enum tess_status tess_file_write_text(const char *path, const struct tess_text *text,
                                      struct tess_error *error);

#endif
