#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "cli/measure.h"
#include "cli/session.h"
#include "cli/spawn.h"
#include "model/synth.h"
#include "plan/profile.h"

/* ---- the profile of this device ---- */

static void say(const char *what)
{
    fprintf(stderr, "measuring %s\n", what);
}

/* Processor name as Linux gives it, or the machine's kind. */
static void name_device(char *name, size_t size)
{
    char line[256];
    struct utsname system;
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(name, size, "%.*s", (int)size - 1,
             uname(&system) == 0 ? system.machine : "unknown");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (!colon ||
            (strncmp(line, "model name", 10) != 0 && strncmp(line, "Model", 5) != 0))
            continue;
        colon[1 + strcspn(colon + 1, "\n")] = '\0';
        snprintf(name, size, "%.*s", (int)size - 1, colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static enum tess_status profile_device(const struct tess_args *args,
                                       struct tess_error *error)
{
    struct tess_session session = {.args = args};
    struct tess_profile profile;
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_session_start(&session, error);
    if (status == TESS_OK)
        status = tess_measure_profile(session.family,
                                      args->n_threads > 0 ? (int)args->n_threads : 1,
                                      args->is_quiet ? NULL : say, &profile, error);
    if (status == TESS_OK) {
        name_device(profile.device, sizeof profile.device);
        tess_profile_write(&profile, &text);
        status = tess_file_write_text(args->output ? args->output : "-", &text, error);
    }
    tess_text_release(&text);
    tess_session_release(&session);
    return status;
}

/* ---- budgets compared ---- */

/* Files the runs need, made for the occasion. */
struct bench {
    const struct tess_args *args;
    bool is_compiled; /* the model carries its weights */
    char folder[64], self[4096], weights[96], input[96], layers[48];
};

static enum tess_status write_input(const struct bench *bench,
                                    const struct tess_graph *graph,
                                    struct tess_error *error)
{
    const struct tess_tensor *tensor = &graph->tensors[TESS_GRAPH_INPUT];
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    FILE *file = fopen(bench->input, "wb");
    bool is_written = file != NULL;
    for (int64_t i = 0; is_written && i < tess_tensor_bytes(tensor) / 4; i++) {
        float value = tess_rng_float(&rng);
        is_written = fwrite(&value, sizeof value, 1, file) == 1;
    }
    if (file && fclose(file) != 0)
        is_written = false;
    if (!is_written)
        return tess_error_at(error, TESS_E_IO, bench->input, 0, 0, "cannot write: %s",
                             strerror(errno));
    return TESS_OK;
}

static enum tess_status prepare(struct bench *bench, struct tess_error *error)
{
    const struct tess_args *args = bench->args;
    struct tess_session session;
    const char *temporary = getenv("TMPDIR");
    snprintf(bench->folder, sizeof bench->folder, "%.40s/tessera-XXXXXX",
             temporary ? temporary : "/tmp");
    if (!mkdtemp(bench->folder))
        return tess_error_at(error, TESS_E_IO, bench->folder, 0, 0, "cannot create: %s",
                             strerror(errno));
    snprintf(bench->weights, sizeof bench->weights, "%s/weights", bench->folder);
    snprintf(bench->input, sizeof bench->input, "%s/input", bench->folder);
    enum tess_status status =
        tess_spawn_find("tessera", bench->self, sizeof bench->self, error);
    if (status == TESS_OK)
        status = tess_session_init(&session, args, error);
    if (status != TESS_OK)
        return status;
    bench->is_compiled = session.model.compiled != NULL;
    if (!args->weights && !bench->is_compiled)
        status = tess_synth_write(session.network, 1, bench->weights, error);
    if (status == TESS_OK)
        status = write_input(bench, session.graph, error);
    tess_session_release(&session);
    return status;
}

static void clean_up(const struct bench *bench)
{
    unlink(bench->weights);
    unlink(bench->input);
    rmdir(bench->folder);
}

/* The number behind a key of a report; the writer is ours, so its form is known. */
static double number_in(const struct tess_text *json, const char *key)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\": ", key);
    const char *at = strstr(tess_text_string(json), pattern);
    return at ? strtod(at + strlen(pattern), NULL) : 0;
}

static void print_row(const char *budget, const char *search,
                      const struct tess_text *json)
{
    double predicted = number_in(json, "predicted_peak_bytes");
    double verified = number_in(json, "verified_peak_bytes");
    double measured = number_in(json, "measured_peak_bytes");
    bool is_within = measured <= predicted && predicted <= 1.03 * measured + 5e5;
    printf("| %-9s | %-8s | %9.2f | %9.2f | %9.2f | %8.1f | %6.0f | %s\n", budget, search,
           predicted / 1e6, verified / 1e6, measured / 1e6, number_in(json, "median"),
           number_in(json, "n_groups"), is_within ? "yes |" : "NO  |");
}

static enum tess_status run_case(const struct bench *bench, const char *budget,
                                 const char *search, struct tess_error *error)
{
    const struct tess_args *args = bench->args;
    struct tess_text json, nothing;
    char repeats[24], threads[24];
    int exit_code = 0, n = 0;
    char *argv[32];
    const char *fixed[] = {bench->self,  "run",         args->model, "--raw-input",
                           bench->input, "--json",      "-",         "--quiet",
                           "--kernels",  args->kernels, "--repeat",  repeats,
                           "--threads",  threads};
    snprintf(repeats, sizeof repeats, "%lld", (long long)args->n_repeats);
    snprintf(threads, sizeof threads, "%lld", (long long)args->n_threads);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        argv[n++] = (char *)(uintptr_t)fixed[i];
    if (!bench->is_compiled) {
        argv[n++] = (char *)(uintptr_t) "--weights";
        argv[n++] = (char *)(uintptr_t)(args->weights ? args->weights : bench->weights);
    }
    if (budget) {
        argv[n++] = (char *)(uintptr_t) "--memory";
        argv[n++] = (char *)(uintptr_t)budget;
        argv[n++] = (char *)(uintptr_t) "--search";
        argv[n++] = (char *)(uintptr_t)search;
    } else {
        argv[n++] = (char *)(uintptr_t) "--untiled";
    }
    if (args->has_layers) {
        argv[n++] = (char *)(uintptr_t) "--layers";
        argv[n++] = (char *)(uintptr_t)bench->layers;
    }
    argv[n] = NULL;
    tess_text_init(&json);
    tess_text_init(&nothing);
    enum tess_status status = tess_spawn(argv, &nothing, &json, &exit_code, error);
    if (status == TESS_OK && (exit_code == 0 || exit_code == 6))
        print_row(budget ? budget : "none", budget ? search : "untiled", &json);
    else if (status == TESS_OK)
        printf("| %-9s | %-8s | exit code %d\n", budget ? budget : "none", search,
               exit_code);
    fflush(stdout);
    tess_text_release(&json);
    return status;
}

static enum tess_status compare(struct bench *bench, struct tess_error *error)
{
    const struct tess_args *args = bench->args;
    snprintf(bench->layers, sizeof bench->layers, "%lld..%lld",
             (long long)args->first_layer, (long long)args->last_layer);
    printf("| budget    | search   | predicted |  verified |  measured | time ms  | "
           "groups | "
           "within 3 %% + 0.5 MB |\n|---|---|---|---|---|---|---|---|\n");
    enum tess_status status = run_case(bench, NULL, "untiled", error);
    for (int i = 0; i < args->n_budgets && status == TESS_OK; i++) {
        char budget[32];
        tess_format_bytes_exact(args->budgets[i], budget, sizeof budget);
        status = run_case(bench, budget, args->search, error);
        if (status == TESS_OK && strcmp(args->search, "mafat") != 0)
            status = run_case(bench, budget, "mafat", error);
    }
    printf("memory in MB (1000000 bytes); predicted before, verified independently, "
           "measured by "
           "the system\n");
    return status;
}

enum tess_status tess_verb_bench(const struct tess_args *args, struct tess_error *error)
{
    if (args->is_profiling)
        return profile_device(args, error);
    struct bench bench = {.args = args};
    enum tess_status status = prepare(&bench, error);
    if (status == TESS_OK)
        status = compare(&bench, error);
    clean_up(&bench);
    return status;
}
