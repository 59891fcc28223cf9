/* What the files of args share: the tables (args_table.c), read by the parser and the help
 * (args.c). */
#ifndef TESS_CLI_ARGS_PRIV_H
#define TESS_CLI_ARGS_PRIV_H

#include <stddef.h>

#include "cli/args.h"

enum tess_option_kind {
    KIND_FLAG,
    KIND_TEXT,
    KIND_BYTES, /* sizes, a comma list for bench */
    KIND_SIZE,  /* one size, or 0 */
    KIND_IMAGE, /* one more of a list */
    KIND_INT,
    KIND_REAL,
    KIND_LAYERS, /* A..B */
    KIND_DUMP    /* LAYER=FILE */
};

struct tess_option {
    const char *name;
    enum tess_option_kind kind;
    const char *value;    /* what the value is called in help, NULL for flags */
    const char *fallback; /* default as text, NULL: none */
    double low, high;     /* range of numbers, both included */
    unsigned verbs;       /* bit set of enum tess_verb */
    size_t offset;        /* of the field in struct tess_args */
    const char *help;
};

/* A command. Names of two words are given as two arguments. */
struct tess_verb_text {
    const char *name, *arguments, *help, *example;
    const char *more;     /* further help, NULL if there is none to give */
    const char *argument; /* what it cannot do without, NULL for nothing */
};

extern const struct tess_option tess_options[];
extern const int tess_n_options;
extern const struct tess_verb_text tess_verb_texts[TESS_N_VERBS];

#endif
