/* A YAML document as a tree of nodes that know their place in the file.
 *
 * Reads the part of YAML that configuration needs: one document of mappings, lists and
 * scalars, of bounded size, depth and number of nodes. Refuses anchors, aliases and tags,
 * so that no file can be larger inside than outside, mappings with a key twice, and keys
 * that are no words. All scalars are text: what a number is, the functions below decide,
 * in every locale alike. Knows no key: ask plan/plan_text.h and plan/profile.h. To write,
 * use plan/yaml_write.h.
 */
#ifndef TESS_PLAN_YAML_DOC_H
#define TESS_PLAN_YAML_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    TESS_YAML_LIMIT_BYTES = 1 << 20, /* of a document */
    TESS_YAML_LIMIT_NODES = 1 << 17, /* of a document */
    TESS_YAML_LIMIT_KEYS = 64,       /* of one mapping */
    TESS_YAML_LIMIT_DEPTH = 8        /* of mappings and lists in each other */
};

/* What a document may be at most, where a reader leaves that to its caller: plan/json_doc.h. */
struct tess_yaml_limits {
    int64_t bytes, nodes;
};

enum tess_yaml_kind { TESS_YAML_SCALAR, TESS_YAML_LIST, TESS_YAML_MAP };

struct tess_yaml_node {
    enum tess_yaml_kind kind;
    int line, col;         /* of the value, 1-based */
    const char *key;       /* NULL unless the node is a value of a mapping */
    int key_line, key_col; /* of the key, 0 without one */
    const char *text;      /* scalar: the text, without quotes and NUL bytes; else "" */
    bool is_quoted;        /* scalar: it had quotes; the functions below do not mind */
    int n_children;
    struct tess_yaml_node *first; /* child, in the order of the file */
    struct tess_yaml_node *next;  /* sibling */
};

struct tess_yaml {
    const char *file_name;       /* borrowed, for messages */
    struct tess_yaml_node *root; /* never NULL after success */
};

/* A value as messages show it: in quotes and cut to what fits, or "a list". */
struct tess_yaml_quote {
    char text[64];
};

/* Reads the document. TESS_E_CONFIG with line and column, TESS_E_NOMEM; the caller
 * releases in every case. Cost: O(n_bytes), plus O(keys^2) per mapping. */
enum tess_status tess_yaml_init(struct tess_yaml *yaml, const char *text, size_t n_bytes,
                                const char *file_name, struct tess_error *error);
void tess_yaml_release(struct tess_yaml *yaml); /* accepts zeroed memory and NULL */

/* The value of `key` in a mapping, or NULL. */
const struct tess_yaml_node *tess_yaml_find(const struct tess_yaml_node *map,
                                            const char *key);

/* What messages call the node: its key, or "the entry". */
const char *tess_yaml_label(const struct tess_yaml_node *node);
struct tess_yaml_quote tess_yaml_quote(const struct tess_yaml_node *node);
struct tess_yaml_quote tess_yaml_quote_text(const char *text);

/* Records TESS_E_CONFIG at the node's value, or at its key, and returns it. */
enum tess_status tess_yaml_error(const struct tess_yaml *yaml,
                                 const struct tess_yaml_node *node,
                                 struct tess_error *error, const char *format, ...)
    TESS_PRINTF(4, 5);
enum tess_status tess_yaml_key_error(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *node,
                                     struct tess_error *error, const char *format, ...)
    TESS_PRINTF(4, 5);

/* Is the node of this kind? TESS_E_CONFIG if not. */
enum tess_status tess_yaml_expect(const struct tess_yaml *yaml,
                                  const struct tess_yaml_node *node,
                                  enum tess_yaml_kind kind, struct tess_error *error);

/* Is the node a mapping of known keys only? `known` ends with NULL. TESS_E_CONFIG at the
 * first unknown key, with the nearest known one. */
enum tess_status tess_yaml_expect_keys(const struct tess_yaml *yaml,
                                       const struct tess_yaml_node *map,
                                       const char *const *known,
                                       struct tess_error *error);

/* The scalar as a whole number in [low, high]; as bytes in [low, high], "64M" or plain;
 * as a decimal number in [low, high]. TESS_E_CONFIG for anything else. */
enum tess_status tess_yaml_int(const struct tess_yaml *yaml,
                               const struct tess_yaml_node *node, int64_t low,
                               int64_t high, int64_t *value_out,
                               struct tess_error *error);
enum tess_status tess_yaml_bytes(const struct tess_yaml *yaml,
                                 const struct tess_yaml_node *node, int64_t low,
                                 int64_t high, int64_t *bytes_out,
                                 struct tess_error *error);
enum tess_status tess_yaml_decimal(const struct tess_yaml *yaml,
                                   const struct tess_yaml_node *node, double low,
                                   double high, double *value_out,
                                   struct tess_error *error);

/* The scalar as a name: not empty, printable, shorter than `size` bytes. */
enum tess_status tess_yaml_name(const struct tess_yaml *yaml,
                                const struct tess_yaml_node *node, char *name_out,
                                size_t size, struct tess_error *error);

#endif
