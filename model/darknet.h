/* Importer: darknet .cfg text to a graph.
 *
 * Reads what Debian's darknet (2018) and the AlexeyAB fork write for detection and
 * classification. Refuses, with line and column, what it does not know: an unsupported section
 * or option is never skipped silently if it could change the result. Weights are not read here
 * (model/weights.h).
 */
#ifndef TESS_MODEL_DARKNET_H
#define TESS_MODEL_DARKNET_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "model/graph.h"

/* Builds a graph from cfg text. `file_name` is for messages and the graph's name. Options that
 * do not matter at inference are ignored; unknown ones that resemble nothing known are listed
 * in `warnings_out`, one per line (may be NULL).
 * On success *graph_out is a new graph. TESS_E_MODEL with file, line, column and hint. */
enum tess_status tess_darknet_parse(const char *text, size_t n_bytes,
                                    const char *file_name, struct tess_graph **graph_out,
                                    struct tess_text *warnings_out,
                                    struct tess_error *error);

/* The same from a file of at most 4 MiB. */
enum tess_status tess_darknet_load(const char *path, struct tess_graph **graph_out,
                                   struct tess_text *warnings_out,
                                   struct tess_error *error);

#endif
