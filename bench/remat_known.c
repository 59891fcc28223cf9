/* Fits the published graphs of rematerialization under their budgets and judges what comes out.
 *
 * remat_known [OPTION=VALUE]... GRAPH...   a row of a table per graph, budget and order
 *   percents=A,B   budgets, of the peak of the file's order [those with a known result]
 *   keep=0|1       only: reordered, or in the file's order  [both, where something is known]
 *   method=NAME    [best]      runs=N    most runs of a task [3]
 *   seconds=S      limit per row [30]
 * Memory is counted as the papers do: nothing overwrites. Ends with 1 if there is a fault: a
 * sequence that a checker refuses, one over the budget, more extra time than is known to do, more
 * than a tenth and 0.2 s over the limit.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "planner/graph_file.h"
#include "remat/remat.h"

/* Extra time that is known to do, in percent, rounded to so many digits. */
struct known {
    const char *graph; /* its file is named so, or so and more after an underscore */
    int percent;
    bool keeps_order;
    double extra_percent;
    int digits;
};

/* Along the file's order: greedy splitting and a programme over gaps, both ours, of 2026. With
 * reordering: likewise. VGG-UNet and VGG16 at 90 %: the optimum of Checkmate's programme. */
static const struct known known[] = {
    {"moccasin_rl100", 90, false, 0, 2},
    {"moccasin_rl100", 80, false, 0, 2},
    {"moccasin_rl250", 90, false, 0, 2},
    {"moccasin_rl250", 80, false, 0, 2},
    {"moccasin_rl500", 90, false, 0, 2},
    {"moccasin_rl500", 80, false, 0.65, 2},
    {"moccasin_rl1000", 90, false, 0.08, 2},
    {"moccasin_rl1000", 80, false, 1.6, 2},
    {"moccasin_rl100", 90, true, 0.79, 2},
    {"moccasin_rl100", 80, true, 2.31, 2},
    {"moccasin_rl250", 90, true, 0.90, 2},
    {"moccasin_rl250", 80, true, 5.06, 2},
    {"moccasin_rl500", 90, true, 0.70, 2},
    {"moccasin_rl500", 80, true, 3.14, 2},
    {"moccasin_rl1000", 90, true, 0.69, 2},
    {"moccasin_rl1000", 80, true, 2.67, 2},
    {"checkmate_resnet50", 90, false, 0.11, 2},
    {"checkmate_resnet50", 80, false, 0.28, 2},
    {"checkmate_resnet50", 60, false, 1.07, 2},
    {"checkmate_resnet50", 40, false, 2.62, 2},
    {"checkmate_vgg_unet", 90, false, 1.13, 2},
    {"checkmate_vgg_unet", 80, false, 1.98, 2},
    {"checkmate_vgg_unet", 60, false, 4.52, 2},
    {"checkmate_vgg_unet", 40, false, 13.5, 1},
    {"checkmate_fcn_8_vgg", 90, false, 0.029, 3},
    {"checkmate_fcn_8_vgg", 80, false, 0.136, 3},
    {"checkmate_vgg16", 90, false, 1.97, 2},
    {"checkmate_mobilenet", 90, false, 0.17, 2},
    {"checkmate_mobilenet", 80, false, 0.40, 2},
    {"checkmate_mobilenet", 60, false, 1.35, 2},
    {"checkmate_mobilenet", 40, false, 3.72, 2},
    {"checkmate_segnet", 90, false, 0.10, 2},
    {"checkmate_segnet", 80, false, 0.21, 2},
    {"checkmate_segnet", 60, false, 0.42, 2},
};

struct options {
    struct tess_remat_options remat;
    int percents[16], n_percents;
    int64_t keep; /* -1: both */
    int n_rows, n_faults;
};

static void die(const char *what, const struct tess_error *error)
{
    fprintf(stderr, "remat_known: %s%s%s\n", what, error ? ": " : "",
            error ? error->message : "");
    exit(2);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Is it that, or that with more after an underscore? */
static bool is_named(const char *graph, const char *begin)
{
    size_t n = strlen(begin);
    return strncmp(graph, begin, n) == 0 && (graph[n] == '\0' || graph[n] == '_');
}

static const struct known *find_known(const char *graph, int percent, bool keeps_order)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is_named(graph, known[i].graph) && known[i].percent == percent &&
            known[i].keeps_order == keeps_order)
            return &known[i];
    return NULL;
}

static const char *find_fault(const struct options *options,
                              const struct tess_remat *remat, double seconds,
                              const struct known *target)
{
    double extra = tess_remat_extra_percent(remat, remat->result.value.cost);
    if (seconds > 1.1 * options->remat.seconds + 0.2)
        return "late";
    if (target && !remat->result.fits)
        return "does not fit";
    if (target && extra > target->extra_percent + 0.5 * pow(10, -target->digits))
        return "above known";
    return NULL;
}

static void try_budget(struct options *options, const char *name,
                       const struct tess_graph_file *file, const int64_t *costs,
                       int percent, bool keeps_order)
{
    const struct known *target = find_known(name, percent, keeps_order);
    struct tess_remat remat;
    struct tess_error error;
    double start = cpu_seconds(), start_us = tess_clock_us();
    tess_error_init(&error);
    options->remat.budget_percent = percent;
    options->remat.keeps_order = keeps_order;
    if (tess_remat_init(&remat, file->graph, costs, &options->remat, &error) != TESS_OK)
        die(name, &error);
    const char *fault =
        find_fault(options, &remat, (tess_clock_us() - start_us) / 1e6, target);
    const struct tess_remat_result *result = &remat.result;
    printf("| %s | %d %% | %s | %s | %.4f | ", name, percent,
           keeps_order ? "given" : "any", result->fits ? "fits" : "no",
           tess_remat_extra_percent(&remat, result->value.cost));
    if (target)
        printf("%.*f | ", target->digits, target->extra_percent);
    else
        printf("- | ");
    printf("%" PRId64 " | %.4f | %d | %" PRId64 " | %" PRId64 " | %s%s | %.1f | %s |\n",
           result->value.cost - remat.least_cost,
           tess_remat_extra_percent(&remat, result->lower_bound_cost),
           result->sequence.n - remat.counted->n_tasks, result->value.peak_bytes,
           remat.arena_bytes, result->won_by, result->is_proven ? ", proven" : "",
           cpu_seconds() - start, fault ? fault : "ok");
    fflush(stdout);
    options->n_rows++;
    options->n_faults += fault != NULL;
    tess_remat_release(&remat);
}

static void try_file(struct options *options, const char *path)
{
    static const int usual[] = {90, 80, 60, 40};
    struct tess_graph_file file;
    struct tess_error error;
    char name[128];
    const char *base = strrchr(path, '/');
    tess_error_init(&error);
    if (tess_graph_file_read(&file, path, &error) != TESS_OK)
        die(path, &error);
    snprintf(name, sizeof name, "%s", base ? base + 1 : path);
    name[strcspn(name, ".")] = '\0';
    int64_t *costs = calloc((size_t)file.graph->n_tasks + 1, sizeof *costs);
    if (!costs)
        die("no memory", NULL);
    for (int i = 0; i < file.graph->n_tasks; i++)
        costs[i] = file.tasks[i].cost;
    bool is_asked = options->n_percents > 0;
    int n = is_asked ? options->n_percents : (int)(sizeof usual / sizeof *usual);
    for (int keep = 0; keep < 2; keep++)
        for (int i = 0; i < n && (options->keep < 0 || options->keep == keep); i++) {
            int percent = is_asked ? options->percents[i] : usual[i];
            if (is_asked || find_known(name, percent, keep))
                try_budget(options, name, &file, costs, percent, keep);
        }
    free(costs);
    tess_graph_file_release(&file);
}

static bool read_percents(struct options *options, const char *value)
{
    for (const char *at = value; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (options->n_percents == 16 ||
            sscanf(at, "%d", &options->percents[options->n_percents++]) != 1)
            return false;
    }
    return true;
}

/* False: it is no option. */
static bool read_option(struct options *options, const char *argument)
{
    const char *value = strchr(argument, '=');
    int64_t number = 0;
    bool is_good = true;
    if (!value++)
        return false;
    if (strncmp(argument, "percents=", 9) == 0)
        is_good = read_percents(options, value);
    else if (strncmp(argument, "keep=", 5) == 0)
        is_good = tess_parse_i64(value, 0, 1, &options->keep);
    else if (strncmp(argument, "method=", 7) == 0)
        is_good = (options->remat.method = tess_remat_method_find(value)) != NULL;
    else if (strncmp(argument, "seconds=", 8) == 0)
        is_good = tess_parse_double(value, &options->remat.seconds);
    else if (strncmp(argument, "runs=", 5) == 0)
        is_good = tess_parse_i64(value, 1, TESS_REMAT_LIMIT_RUNS, &number);
    else
        return false;
    if (!is_good)
        die(argument, NULL);
    if (number > 0)
        options->remat.most_runs = (int)number;
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.keep = -1};
    tess_remat_options_init(&options.remat);
    options.remat.model = TESS_MODEL_BASE;
    options.remat.seconds = 30;
    printf("| graph | budget | order | fits | extra %% | known | extra cost | bound %% | "
           "more runs | peak | arena | found by | CPU s | judged |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int i = 1; i < argc; i++)
        if (!read_option(&options, argv[i]))
            try_file(&options, argv[i]);
    printf("\n%d rows, %d faults.\n", options.n_rows, options.n_faults);
    return options.n_faults > 0;
}
