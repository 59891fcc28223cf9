#include "cli/args.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cli/args_priv.h"

enum { MOST_NAMES = 96 }; /* options of a command, and commands */

const char *tess_verb_name(enum tess_verb verb)
{
    return tess_verb_texts[verb].name;
}

static const struct tess_option *find_option(const char *name, size_t len,
                                             enum tess_verb verb)
{
    for (int i = 0; i < tess_n_options; i++)
        if (strlen(tess_options[i].name) == len &&
            strncmp(tess_options[i].name, name, len) == 0 &&
            (tess_options[i].verbs & (1u << verb)))
            return &tess_options[i];
    return NULL;
}

static enum tess_status unknown_option(const char *name, enum tess_verb verb,
                                       struct tess_error *error)
{
    const char *known[MOST_NAMES];
    int n_known = 0;
    assert(tess_n_options < MOST_NAMES);
    for (int i = 0; i < tess_n_options; i++)
        if ((tess_options[i].verbs & (1u << verb)) && tess_options[i].help)
            known[n_known++] = tess_options[i].name;
    known[n_known] = NULL;
    tess_error_set(error, TESS_E_USAGE, "%s takes no option %s",
                   tess_verb_texts[verb].name, name);
    const char *nearest = tess_nearest_word(name, known);
    if (nearest)
        tess_error_hint(error, "did you mean %s?", nearest);
    else
        tess_error_hint(error, "see: tessera %s --help", tess_verb_texts[verb].name);
    return TESS_E_USAGE;
}

static enum tess_status bad_value(const struct tess_option *option, const char *value,
                                  const char *wanted, struct tess_error *error)
{
    return tess_error_set(error, TESS_E_USAGE, "%s %s: expected %s", option->name, value,
                          wanted);
}

static enum tess_status set_bytes(const struct tess_option *option, const char *value,
                                  struct tess_args *args, struct tess_error *error)
{
    char list[256];
    if (strlen(value) >= sizeof list)
        return bad_value(option, value, "a shorter list of sizes", error);
    snprintf(list, sizeof list, "%s", value);
    char *rest = list;
    for (char *item = strsep(&rest, ","); item; item = strsep(&rest, ",")) {
        int64_t bytes;
        if (!tess_parse_bytes(item, &bytes) || bytes < 1)
            return bad_value(option, value, "a size such as 64M, 1.5G or 67108864",
                             error);
        if (args->n_budgets == (int)(sizeof args->budgets / sizeof *args->budgets))
            return bad_value(option, value, "at most 16 sizes", error);
        args->budgets[args->n_budgets++] = bytes;
    }
    if (args->n_budgets > 1 && args->verb != TESS_VERB_BENCH)
        return bad_value(option, value, "one size", error);
    args->memory_bytes = args->budgets[0];
    args->has_budget = true;
    return TESS_OK;
}

static enum tess_status set_size(const struct tess_option *option, const char *value,
                                 void *field, struct tess_error *error)
{
    int64_t bytes;
    if (!tess_parse_bytes(value, &bytes) || bytes < 0)
        return bad_value(option, value, "a size such as 64M, 1.5G or 67108864", error);
    memcpy(field, &bytes, sizeof bytes);
    return TESS_OK;
}

static enum tess_status add_image(const char *value, struct tess_args *args,
                                  struct tess_error *error)
{
    if (args->n_images == TESS_MAX_IMAGES) {
        tess_error_set(error, TESS_E_USAGE, "at most %d --image", TESS_MAX_IMAGES);
        tess_error_hint(error, "give the folder that they are in");
        return TESS_E_USAGE;
    }
    args->images[args->n_images++] = value;
    return TESS_OK;
}

static enum tess_status set_layers(const struct tess_option *option, const char *value,
                                   struct tess_args *args, struct tess_error *error)
{
    char first[24];
    const char *dots = strstr(value, "..");
    if (!dots || (size_t)(dots - value) >= sizeof first)
        return bad_value(option, value, "a range such as 0..15", error);
    snprintf(first, sizeof first, "%.*s", (int)(dots - value), value);
    if (!tess_parse_i64(first, -100000, 100000, &args->first_layer) ||
        !tess_parse_i64(dots + 2, -100000, 100000, &args->last_layer))
        return bad_value(option, value, "a range such as 0..15", error);
    args->has_layers = true;
    return TESS_OK;
}

static enum tess_status set_dump(const struct tess_option *option, const char *value,
                                 struct tess_args *args, struct tess_error *error)
{
    char number[24];
    const char *equals = strchr(value, '=');
    if (!equals || !equals[1] || (size_t)(equals - value) >= sizeof number)
        return bad_value(option, value, "LAYER=FILE, for example 30=out.raw", error);
    if (args->n_dumps == TESS_MAX_DUMPS)
        return tess_error_set(error, TESS_E_USAGE, "at most %d --dump", TESS_MAX_DUMPS);
    snprintf(number, sizeof number, "%.*s", (int)(equals - value), value);
    struct tess_dump_request *dump = &args->dumps[args->n_dumps];
    if (!tess_parse_i64(number, -100000, 100000, &dump->layer))
        return bad_value(option, value, "LAYER=FILE, for example 30=out.raw", error);
    dump->path = equals + 1;
    args->n_dumps++;
    return TESS_OK;
}

static enum tess_status set_number(const struct tess_option *option, const char *value,
                                   void *field, struct tess_error *error)
{
    char wanted[96];
    double real;
    snprintf(wanted, sizeof wanted, "a%s number from %.9g to %.9g",
             option->kind == KIND_INT ? " whole" : "", option->low, option->high);
    if (option->kind == KIND_INT) {
        int64_t whole;
        if (!tess_parse_i64(value, (int64_t)option->low, (int64_t)option->high, &whole))
            return bad_value(option, value, wanted, error);
        memcpy(field, &whole, sizeof whole);
        return TESS_OK;
    }
    if (!tess_parse_double(value, &real) || real < option->low || real > option->high)
        return bad_value(option, value, wanted, error);
    memcpy(field, &real, sizeof real);
    return TESS_OK;
}

static enum tess_status set_option(const struct tess_option *option, const char *value,
                                   struct tess_args *args, struct tess_error *error)
{
    void *field = (char *)args + option->offset;
    const bool yes = true;
    switch (option->kind) {
    case KIND_FLAG: memcpy(field, &yes, sizeof yes); return TESS_OK;
    case KIND_TEXT: memcpy(field, &value, sizeof value); return TESS_OK;
    case KIND_BYTES: return set_bytes(option, value, args, error);
    case KIND_SIZE: return set_size(option, value, field, error);
    case KIND_IMAGE: return add_image(value, args, error);
    case KIND_INT:
    case KIND_REAL: return set_number(option, value, field, error);
    case KIND_LAYERS: return set_layers(option, value, args, error);
    case KIND_DUMP: return set_dump(option, value, args, error);
    }
    return TESS_E_INTERNAL;
}

static enum tess_status parse_option(int argc, char **argv, int *at,
                                     struct tess_args *args, struct tess_error *error)
{
    const char *name = argv[*at];
    if (strcmp(name, "-o") == 0)
        name = "--output";
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct tess_option *option = find_option(name, len, args->verb);
    if (!option)
        return unknown_option(argv[*at], args->verb, error);
    if (option->kind == KIND_FLAG) {
        if (equals)
            return tess_error_set(error, TESS_E_USAGE, "%s takes no value", option->name);
        return set_option(option, NULL, args, error);
    }
    const char *value = equals ? equals + 1 : NULL;
    if (!value) {
        if (*at + 1 >= argc) {
            tess_error_set(error, TESS_E_USAGE, "%s needs a value", argv[*at]);
            tess_error_hint(error, "%s %s: %s", option->name, option->value,
                            option->help ? option->help : "");
            return TESS_E_USAGE;
        }
        value = argv[++*at];
    }
    return set_option(option, value, args, error);
}

/* How many of the words name `verb`: 0, 1 or 2. */
static int match_verb(int n_words, char **words, enum tess_verb verb)
{
    const char *name = tess_verb_texts[verb].name, *blank = strchr(name, ' ');
    if (!blank)
        return strcmp(words[0], name) == 0;
    size_t first = (size_t)(blank - name);
    return n_words >= 2 && strlen(words[0]) == first &&
                   memcmp(words[0], name, first) == 0 && strcmp(words[1], blank + 1) == 0
               ? 2
               : 0;
}

static enum tess_status find_verb(int n_words, char **words, enum tess_verb *verb_out,
                                  int *n_taken_out, struct tess_error *error)
{
    const char *names[TESS_N_VERBS + 1] = {0};
    char asked[128];
    for (int verb = 0; verb < TESS_N_VERBS; verb++) {
        names[verb] = tess_verb_texts[verb].name;
        *n_taken_out = match_verb(n_words, words, (enum tess_verb)verb);
        if (*n_taken_out > 0) {
            *verb_out = (enum tess_verb)verb;
            return TESS_OK;
        }
    }
    bool has_two = strcmp(words[0], "cluster") == 0 && n_words >= 2 && words[1][0] != '-';
    snprintf(asked, sizeof asked, "%s%s%s", words[0], has_two ? " " : "",
             has_two ? words[1] : "");
    const char *nearest = tess_nearest_word(asked, names);
    tess_error_set(error, TESS_E_USAGE, "unknown command %s", asked);
    if (nearest)
        tess_error_hint(error, "did you mean tessera %s?", nearest);
    else
        tess_error_hint(error, "see: tessera --help");
    return TESS_E_USAGE;
}

static enum tess_status set_defaults(struct tess_args *args, struct tess_error *error)
{
    for (int i = 0; i < tess_n_options; i++) {
        if (!tess_options[i].fallback)
            continue;
        enum tess_status status =
            set_option(&tess_options[i], tess_options[i].fallback, args, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

static enum tess_status take_positional(const char *value, struct tess_args *args,
                                        struct tess_error *error)
{
    const char *argument = tess_verb_texts[args->verb].argument;
    if (!argument)
        return tess_error_set(error, TESS_E_USAGE, "%s takes no argument %s",
                              tess_verb_texts[args->verb].name, value);
    if (!args->model)
        args->model = value;
    else if (args->verb == TESS_VERB_COMPILE && !args->model_weights)
        args->model_weights = value;
    else
        return tess_error_set(error, TESS_E_USAGE, "one %s at a time: %s or %s?",
                              argument, args->model, value);
    return TESS_OK;
}

enum tess_status tess_args_parse(int argc, char **argv, struct tess_args *args_out,
                                 struct tess_error *error)
{
    struct tess_args args = {.verb = TESS_VERB_RUN};
    if (argc < 2) {
        tess_error_set(error, TESS_E_USAGE, "no command given");
        tess_error_hint(error, "see: tessera --help");
        return TESS_E_USAGE;
    }
    int n_words = 0; /* of the command's name */
    enum tess_status status = set_defaults(&args, error);
    if (status == TESS_OK)
        status = find_verb(argc - 1, argv + 1, &args.verb, &n_words, error);
    for (int at = 1 + n_words; at < argc && status == TESS_OK; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            args.has_help = true;
        else if (argv[at][0] == '-' && argv[at][1])
            status = parse_option(argc, argv, &at, &args, error);
        else
            status = take_positional(argv[at], &args, error);
    }
    const struct tess_verb_text *text = &tess_verb_texts[args.verb];
    bool is_profiling = args.verb == TESS_VERB_BENCH && args.is_profiling;
    if (status == TESS_OK && text->argument && !is_profiling && !args.model &&
        !args.has_help) {
        status = tess_error_set(error, TESS_E_USAGE, "%s needs a %s", text->name,
                                text->argument);
        tess_error_hint(error, "for example: %s", text->example);
    }
    if (status == TESS_OK)
        *args_out = args;
    return status;
}

void tess_args_help(struct tess_text *text_out)
{
    tess_text_printf(text_out,
                     "Runs convolutional detectors whose memory does not fit.\n\n"
                     "usage: tessera COMMAND MODEL [options]\n\n"
                     "A MODEL is a darknet cfg or a compiled model.\n\n");
    for (int verb = 0; verb < TESS_N_VERBS; verb++)
        tess_text_printf(text_out, "  %-14s %s\n", tess_verb_texts[verb].name,
                         tess_verb_texts[verb].help);
    tess_text_printf(
        text_out,
        "\nThe main option is --memory: the bytes the whole process may hold.\n"
        "\n  %s\n\nOptions of a command: tessera COMMAND --help\n"
        "Exit codes: 0 ok, 1 internal, 2 usage, 3 config, plan or task graph, 4 model,\n"
        "5 budget infeasible (the message names the smallest that works), 6 budget "
        "exceeded,\n7 network, 8 verify mismatch, 130 interrupted.\n",
        tess_verb_texts[TESS_VERB_RUN].example);
}

void tess_args_verb_help(enum tess_verb verb, struct tess_text *text_out)
{
    tess_text_printf(text_out, "%s\n\nusage: tessera %s %s [options]\n\n%s",
                     tess_verb_texts[verb].help, tess_verb_texts[verb].name,
                     tess_verb_texts[verb].arguments,
                     tess_verb_texts[verb].more ? tess_verb_texts[verb].more : "");
    for (int i = 0; i < tess_n_options; i++) {
        const struct tess_option *option = &tess_options[i];
        if (!(option->verbs & (1u << verb)) || !option->help)
            continue;
        char left[48];
        snprintf(left, sizeof left, "%s%s%s",
                 strcmp(option->name, "--output") == 0 ? "-o, --output" : option->name,
                 option->value ? " " : "", option->value ? option->value : "");
        tess_text_printf(text_out, "  %-20s %s", left, option->help);
        if (option->fallback)
            tess_text_printf(text_out, " [%s]", option->fallback);
        tess_text_printf(text_out, "\n");
    }
    tess_text_printf(text_out, "\nfor example: %s\n", tess_verb_texts[verb].example);
}
