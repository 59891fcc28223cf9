/* The text of a darknet cfg: sections of key=value lines, with the place of each.
 *
 * Knows the grammar, not the meaning: which sections and keys exist is the business of
 * model/darknet.c. Like darknet it drops every blank inside a line, so "filters = 3 2" is
 * filters=32. A line is a section "[name]", an option "key=value", or empty; '#' and ';'
 * begin a comment (darknet knows them only at the beginning of a line). Refuses what is
 * no text: control characters, very long lines, options before the first section.
 */
#ifndef TESS_MODEL_CFG_TEXT_H
#define TESS_MODEL_CFG_TEXT_H

#include <stddef.h>

#include "base/error.h"

enum {
    TESS_CFG_LIMIT_BYTES = 4 << 20, /* of a whole file */
    TESS_CFG_LIMIT_LINE = 16384,    /* bytes of a line */
    TESS_CFG_LIMIT_SECTIONS = 4097, /* [net] and as many layers as a graph may have */
    TESS_CFG_LIMIT_OPTIONS = 128    /* of a section */
};

struct tess_cfg_option {
    const char *key;
    const char *value;     /* without blanks, may be empty */
    const char *raw_value; /* where it begins in the original text */
    int line, key_col, value_col;
};

struct tess_cfg_section {
    const char *name; /* without brackets */
    int line, col;
    int n_options;
    struct tess_cfg_option
        *options; /* [n_options], part of tess_cfg's array; NULL if none */
};

struct tess_cfg {
    char *storage; /* what keys, values and names point into */
    int n_sections;
    struct tess_cfg_section *sections;
    struct tess_cfg_option *options; /* all sections' one after another */
};

/* Splits `text`, which is borrowed until the release. `file_name` is for messages.
 * TESS_E_MODEL with line and column, or TESS_E_NOMEM; the caller releases in every case.
 */
enum tess_status tess_cfg_init(struct tess_cfg *cfg, const char *text, size_t n_bytes,
                               const char *file_name, struct tess_error *error);
void tess_cfg_release(struct tess_cfg *cfg); /* accepts NULL and zeroed memory */

/* The section's option `key`, or NULL. Of several the first counts, as in darknet. */
const struct tess_cfg_option *tess_cfg_find(const struct tess_cfg_section *section,
                                            const char *key);

/* Column in the file of byte `offset` of the option's value; past its end, of its last
 * byte. */
int tess_cfg_value_col(const struct tess_cfg_option *option, size_t offset);

#endif
