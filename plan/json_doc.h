/* A JSON document as the tree of nodes of plan/yaml_doc.h, which know their place in the file.
 *
 * Reads RFC 8259 and nothing beyond it: one value, UTF-8, no comments, no comma too many, no
 * NaN, no key of an object twice; of bounded size, depth and number of nodes. An object is a
 * mapping, an array a list; strings are quoted scalars, while numbers, true, false and null are
 * scalars without quotes, as the file has them: what a number is worth the functions of
 * plan/yaml_doc.h decide. Knows no key: ask planner/graph_file.h. To write JSON, use
 * cli/json_out.h.
 */
#ifndef TESS_PLAN_JSON_DOC_H
#define TESS_PLAN_JSON_DOC_H

#include "plan/yaml_doc.h"

enum { TESS_JSON_DOC_LIMIT_DEPTH = 64 /* of objects and arrays in each other */ };

/* Reads the document. TESS_E_CONFIG with line and column, counted in characters, TESS_E_NOMEM;
 * the caller calls tess_yaml_release in every case. Cost: O(n_bytes * log). */
enum tess_status tess_json_doc_init(struct tess_yaml *doc, const char *text,
                                    size_t n_bytes, const char *file_name,
                                    const struct tess_yaml_limits *limits,
                                    struct tess_error *error);

#endif
