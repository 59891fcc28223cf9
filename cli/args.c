#include "cli/args.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum option_kind {
    KIND_FLAG,
    KIND_TEXT,
    KIND_BYTES, /* sizes, a comma list for bench */
    KIND_INT,
    KIND_REAL,
    KIND_LAYERS, /* A..B */
    KIND_DUMP    /* LAYER=FILE */
};

struct option {
    const char *name;
    enum option_kind kind;
    const char *value;    /* what the value is called in help, NULL for flags */
    const char *fallback; /* default as text, NULL: none */
    double low, high;     /* range of numbers, both included */
    unsigned verbs;       /* bit set of enum tess_verb */
    size_t offset;        /* of the field in struct tess_args */
    const char *help;
};

#define IN(verb) (1u << TESS_VERB_##verb)
#define AT(field) offsetof(struct tess_args, field)

static const struct option OPTIONS[] = {
    {"--weights", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(INFO), AT(weights),
     "darknet weights of the model; a compiled one has its own"},
    {"--image", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(image),
     "photograph to look at, JPEG or PNG"},
    {"--raw-input", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(raw_input),
     "network input instead of a photograph: float32 little-endian, planar C,H,W"},
    {"--memory", KIND_BYTES, "SIZE", NULL, 1, 0x1p62,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(VERIFY), AT(memory_bytes),
     "bytes the whole process may hold, such as 64M (bench: several, 64M,48M,32M)"},
    {"--plan", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN) | IN(VERIFY), AT(plan),
     "run or check this plan file instead of searching for one"},
    {"--plan", KIND_TEXT, "FILE", NULL, 0, 0, IN(SCHEDULE), AT(plan),
     "schedule the tasks of this plan of the model: its tiled groups and other layers"},
    {"--model", KIND_TEXT, "NAME", "inplace", 0, 0, IN(SCHEDULE), AT(memory_model),
     "how memory is counted: base (nothing overwrites, concats copy), inplace (relu, add "
     "and the like may overwrite an input), view (and a concat is its parts)"},
    {"--method", KIND_TEXT, "NAME", "exact", 0, 0, IN(SCHEDULE), AT(method),
     "exact (proves what it can), serenity (published dynamic programming), ilp (integer "
     "programming, a check of exact), greedy, dfs, kahn, file"},
    {"--time-limit", KIND_REAL, "SECONDS", "60", 0, 1e6, IN(SCHEDULE), AT(limit_seconds),
     "the best order found by then is the result"},
    {"--align", KIND_INT, "BYTES", "1", 1, 1 << 30, IN(SCHEDULE), AT(alignment),
     "sizes and places are multiples of this"},
    {"--rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(SCHEDULE), AT(rewrites),
     "first split what reads concats into tasks for their parts, where that lowers the "
     "peak: convolutions add up, depthwise ones and poolings treat each part by itself"},
    {"--no-rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(SCHEDULE), AT(forbids_rewriting),
     "schedule the tasks as they are, which is the default"},
    {"--accumulators", KIND_INT, "N", "1", 1, 64, IN(SCHEDULE), AT(accumulator_factor),
     "with --rewrite: sums take N times the bytes of the tensor that they become, as 32 "
     "bits "
     "do for one of 8"},
    {"--without", KIND_TEXT, "PARTS", NULL, 0, 0, IN(SCHEDULE), AT(without),
     "leave out parts of the methods exact and ilp, to see what they are worth: fusion, "
     "cuts, beam, climb, safe, valleys, windows; several with commas"},
    {"--untiled", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN), AT(is_untiled),
     "run every layer whole, whatever memory that takes"},
    {"--search", KIND_TEXT, "NAME", "dp", 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(search), "planning method: dp (best), mafat (published baseline), untiled, ilp"},
    {"--halo", KIND_TEXT, "WHICH", "any", 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH), AT(halo),
     "what tiles may do about halos: any, reuse, recompute"},
    {"--no-columns", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_columns), "planner: no grids with more than one column"},
    {"--no-copies", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_copies), "planner: concats are always views"},
    {"--no-reorder", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_reorder), "planner: layers run in the order of the cfg"},
    {"--no-placement", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_placement), "planner: buffers are placed by greedy orders alone"},
    {"--no-streaming", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN) | IN(BENCH),
     AT(forbids_streaming), "planner: all weights are held, none read again and again"},
    {"--rewrite", KIND_FLAG, NULL, NULL, 0, 0, IN(RUN) | IN(PLAN), AT(rewrites),
     "planner: convolutions of a route may add up its layers one by one, if that saves "
     "memory; results then differ from the network's in their last bits"},
    {"--curve", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN), AT(is_curve),
     "print what each budget buys, from the smallest that works, instead of a plan"},
    {"--savings", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN), AT(is_savings),
     "print what each technique saves instead of a plan: each left out in turn"},
    {"--layers", KIND_LAYERS, "A..B", NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(INFO) | IN(SCHEDULE),
     AT(first_layer),
     "only these layers, numbered as darknet does, negative from the end"},
    {"--kernels", KIND_TEXT, "NAME", "auto", 0, 0,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(DOCTOR), AT(kernels),
     "kernel family: auto, nat (own), xnn (XNNPACK), ref (plain loops)"},
    {"--threads", KIND_INT, "N", "0", 0, 256,
     IN(RUN) | IN(PLAN) | IN(VERIFY) | IN(BENCH) | IN(DOCTOR), AT(n_threads),
     "worker threads, 0 for one per processor this process may use"},
    {"--profile", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN) | IN(PLAN), AT(profile),
     "device profile measured by bench --profile; by default "
     "~/.config/tessera/profile.yaml, if there is one"},
    {"--profile", KIND_FLAG, NULL, NULL, 0, 0, IN(BENCH), AT(is_profiling),
     "measure this device and write its profile"},
    {"--names", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(names),
     "class names, one a line"},
    {"--thresh", KIND_REAL, "T", "0.25", 0, 1, IN(RUN), AT(threshold),
     "least score of a detection"},
    {"--nms", KIND_REAL, "T", "0.45", 0, 1, IN(RUN), AT(overlap),
     "boxes of one class overlapping by more (IoU) are one"},
    {"--fit", KIND_TEXT, "HOW", "letterbox", 0, 0, IN(RUN), AT(fit),
     "how the photograph meets the input: letterbox (darknet) or stretch (AlexeyAB, "
     "OpenCV)"},
    {"--annotate", KIND_TEXT, "FILE", NULL, 0, 0, IN(RUN), AT(annotate),
     "write the photograph with boxes drawn, .png or .jpg"},
    {"--json", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(RUN) | IN(INFO) | IN(BENCH) | IN(VERIFY) | IN(PLAN) | IN(SCHEDULE), AT(json),
     "write the results as JSON, - for standard output (plan: of --curve)"},
    {"--dump", KIND_DUMP, "LAYER=FILE", NULL, 0, 0, IN(RUN), AT(n_dumps),
     "write a layer's output, float32 planar C,H,W; may be given several times"},
    {"--repeat", KIND_INT, "N", "1", 1, 100000, IN(RUN) | IN(BENCH), AT(n_repeats),
     "run so often and report median, least and most time"},
    {"--seed", KIND_INT, "N", "1", 0, 9e15, IN(SYNTH), AT(seed),
     "which random weights; the same seed gives the same bytes on every machine"},
    {"--output", KIND_TEXT, "FILE", NULL, 0, 0,
     IN(PLAN) | IN(SYNTH) | IN(BENCH) | IN(COMPILE), AT(output),
     "file to write, - for standard output"},
    {"--quiet", KIND_FLAG, NULL, NULL, 0, 0,
     IN(RUN) | IN(PLAN) | IN(BENCH) | IN(SYNTH) | IN(VERIFY) | IN(COMPILE) |
         IN(SCHEDULE) | IN(SCHEDULE),
     AT(is_quiet), "no progress, no tables"},
    {"--facts-from-stdin", KIND_FLAG, NULL, NULL, 0, 0, IN(PLAN), AT(reads_facts), NULL},
    {"--input-bytes", KIND_INT, "N", "0", 0, 9e15, IN(PLAN), AT(input_bytes), NULL},
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof *OPTIONS };

static const char SCHEDULE_HELP[] =
    "A GRAPH is a JSON file of tasks and tensors (docs/schedule.md), or a darknet cfg or "
    "a\n"
    "compiled model, whose layers are the tasks then. Says how many bytes are alive at\n"
    "once, at most, when the tasks run in the order found (weights not counted); below\n"
    "how many bytes no order goes; how far apart the two are, and what ended the "
    "search;\n"
    "and how large an arena holds all tensors at fixed places. --json has the order and\n"
    "the places, too.\n\n";

static const struct {
    const char *name, *arguments, *help, *example;
    const char *more; /* further help, NULL if there is none to give */
} VERBS[TESS_N_VERBS] = {
    {"info", "MODEL", "layers of a network, their shapes, memory and work",
     "tessera info yolov2.cfg", NULL},
    {"plan", "MODEL", "find the fastest plan within a budget and write it",
     "tessera plan yolov2.cfg --memory 300M -o plan.yaml", NULL},
    {"verify", "MODEL", "check a plan file independently and print its memory",
     "tessera verify yolov2.cfg --plan plan.yaml", NULL},
    {"run", "MODEL", "run a network within a budget",
     "tessera run yolo.cfg --weights yolo.weights --image dog.jpg --memory 32M "
     "--annotate "
     "out.png",
     NULL},
    {"bench", "[MODEL]", "compare budgets and searches, or measure this device",
     "tessera bench yolov2.cfg --layers 0..15 --memory 96M,64M,38M", NULL},
    {"synth", "MODEL.cfg", "random weights for a network, to try it without trained ones",
     "tessera synth yolov2.cfg --seed 1 -o yolov2.weights", NULL},
    {"compile", "MODEL.cfg WEIGHTS",
     "cfg and weights into one checksummed file that is read in "
     "slices",
     "tessera compile yolov2.cfg yolov2.weights -o yolov2.tess", NULL},
    {"schedule", "GRAPH",
     "order the tasks of a graph so that few bytes are alive at once",
     "tessera schedule swiftnet.json --model view --json order.json", SCHEDULE_HELP},
    {"doctor", "", "what this machine offers and what a plan would rest on",
     "tessera doctor", NULL},
};

const char *tess_verb_name(enum tess_verb verb)
{
    return VERBS[verb].name;
}

static const struct option *find_option(const char *name, size_t len, enum tess_verb verb)
{
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(OPTIONS[i].name) == len && strncmp(OPTIONS[i].name, name, len) == 0 &&
            (OPTIONS[i].verbs & (1u << verb)))
            return &OPTIONS[i];
    return NULL;
}

static enum tess_status unknown_option(const char *name, enum tess_verb verb,
                                       struct tess_error *error)
{
    const char *known[N_OPTIONS + 1];
    int n_known = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if ((OPTIONS[i].verbs & (1u << verb)) && OPTIONS[i].help)
            known[n_known++] = OPTIONS[i].name;
    known[n_known] = NULL;
    tess_error_set(error, TESS_E_USAGE, "%s takes no option %s", VERBS[verb].name, name);
    const char *nearest = tess_nearest_word(name, known);
    if (nearest)
        tess_error_hint(error, "did you mean %s?", nearest);
    else
        tess_error_hint(error, "see: tessera %s --help", VERBS[verb].name);
    return TESS_E_USAGE;
}

static enum tess_status bad_value(const struct option *option, const char *value,
                                  const char *wanted, struct tess_error *error)
{
    return tess_error_set(error, TESS_E_USAGE, "%s %s: expected %s", option->name, value,
                          wanted);
}

static enum tess_status set_bytes(const struct option *option, const char *value,
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

static enum tess_status set_layers(const struct option *option, const char *value,
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

static enum tess_status set_dump(const struct option *option, const char *value,
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

static enum tess_status set_number(const struct option *option, const char *value,
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

static enum tess_status set_option(const struct option *option, const char *value,
                                   struct tess_args *args, struct tess_error *error)
{
    void *field = (char *)args + option->offset;
    const bool yes = true;
    switch (option->kind) {
    case KIND_FLAG: memcpy(field, &yes, sizeof yes); return TESS_OK;
    case KIND_TEXT: memcpy(field, &value, sizeof value); return TESS_OK;
    case KIND_BYTES: return set_bytes(option, value, args, error);
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
    const struct option *option = find_option(name, len, args->verb);
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

static enum tess_status find_verb(const char *name, enum tess_verb *verb_out,
                                  struct tess_error *error)
{
    const char *names[TESS_N_VERBS + 1] = {0};
    for (int verb = 0; verb < TESS_N_VERBS; verb++) {
        names[verb] = VERBS[verb].name;
        if (strcmp(name, names[verb]) == 0) {
            *verb_out = (enum tess_verb)verb;
            return TESS_OK;
        }
    }
    const char *nearest = tess_nearest_word(name, names);
    tess_error_set(error, TESS_E_USAGE, "unknown command %s", name);
    if (nearest)
        tess_error_hint(error, "did you mean tessera %s?", nearest);
    else
        tess_error_hint(error, "see: tessera --help");
    return TESS_E_USAGE;
}

static enum tess_status set_defaults(struct tess_args *args, struct tess_error *error)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        if (!OPTIONS[i].fallback)
            continue;
        enum tess_status status =
            set_option(&OPTIONS[i], OPTIONS[i].fallback, args, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

static enum tess_status take_positional(const char *value, struct tess_args *args,
                                        struct tess_error *error)
{
    if (!args->model)
        args->model = value;
    else if (args->verb == TESS_VERB_COMPILE && !args->model_weights)
        args->model_weights = value;
    else
        return tess_error_set(error, TESS_E_USAGE, "one %s at a time: %s or %s?",
                              args->verb == TESS_VERB_SCHEDULE ? "graph" : "model",
                              args->model, value);
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
    enum tess_status status = set_defaults(&args, error);
    if (status == TESS_OK)
        status = find_verb(argv[1], &args.verb, error);
    for (int at = 2; at < argc && status == TESS_OK; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            args.has_help = true;
        else if (argv[at][0] == '-' && argv[at][1])
            status = parse_option(argc, argv, &at, &args, error);
        else
            status = take_positional(argv[at], &args, error);
    }
    bool needs_model = args.verb != TESS_VERB_DOCTOR &&
                       !(args.verb == TESS_VERB_BENCH && args.is_profiling);
    if (status == TESS_OK && needs_model && !args.model && !args.has_help) {
        status =
            tess_error_set(error, TESS_E_USAGE, "%s needs a %s", VERBS[args.verb].name,
                           args.verb == TESS_VERB_SCHEDULE ? "graph" : "model");
        tess_error_hint(error, "for example: %s", VERBS[args.verb].example);
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
        tess_text_printf(text_out, "  %-9s %s\n", VERBS[verb].name, VERBS[verb].help);
    tess_text_printf(
        text_out,
        "\nThe main option is --memory: the bytes the whole process may hold.\n"
        "\n  %s\n\nOptions of a command: tessera COMMAND --help\n"
        "Exit codes: 0 ok, 1 internal, 2 usage, 3 config, plan or task graph, 4 model,\n"
        "5 budget infeasible (the message names the smallest that works), 6 budget "
        "exceeded,\n7 network, 8 verify mismatch, 130 interrupted.\n",
        VERBS[TESS_VERB_RUN].example);
}

void tess_args_verb_help(enum tess_verb verb, struct tess_text *text_out)
{
    tess_text_printf(text_out, "%s\n\nusage: tessera %s %s [options]\n\n%s",
                     VERBS[verb].help, VERBS[verb].name, VERBS[verb].arguments,
                     VERBS[verb].more ? VERBS[verb].more : "");
    for (int i = 0; i < N_OPTIONS; i++) {
        const struct option *option = &OPTIONS[i];
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
    tess_text_printf(text_out, "\nfor example: %s\n", VERBS[verb].example);
}
