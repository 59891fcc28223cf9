/* Orders task graphs and judges what comes out: valid, bounds that hold, as good as known.
 *
 * schedule_known [OPTION=VALUE]... GRAPH...   one row of a table per graph, model and method
 * GRAPH is a file, or FAMILY:SEED or FAMILY:FIRST-LAST for random ones (graph_families.h).
 *   known=FILE     peaks to compare with: graph,model,..,best,bound,proven per line
 *   only=known     leave out the models of which FILE says nothing
 *   methods=A,B    [exact]        models=A,B  [base,inplace,view]
 *   seconds=S      limit per run  [60]
 *   memory=BYTES   limit per run  [1G]
 *   off=N          parts_off, see schedule/ordering.h [0]
 *   times=N        runs per row, the least time counts; their orders must agree [1]
 *   gaps=1         what is not proven is no fault
 * The orders are re-evaluated by schedule/check.h. Ends with 1 if there is a fault: an order that
 * is not one, a bound above a peak, or above a known one, more than a tenth and 0.2 s over the
 * limit; of exact: a peak that differs from a
 * proven one, or is more than 1 % above another, one known to be provable that is not proven.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "planner/graph_file.h"
#include "planner/ordering_ilp.h"
#include "schedule/check.h"
#include "schedule/ordering.h"
#include "tests/support/graph_families.h"

struct options {
    struct tess_text known;
    bool is_known_only, allows_gaps;
    const char *methods, *models;
    struct tess_order_limits limits;
    int64_t n_times;
};

struct known {
    bool is_there, is_proven;
    int64_t best_bytes, bound_bytes;
};

struct totals {
    int n_rows, n_proven, n_faults;
    double seconds, slowest_seconds;
};

/* One row: what a method found, and what is wrong with it. */
struct row {
    const char *graph, *model;
    const struct tess_order_method *method;
    struct tess_order_result result;
    struct known known;
    double seconds;
    const char *fault; /* NULL: none */
};

static void die(const char *what, const struct tess_error *error)
{
    fprintf(stderr, "schedule_known: %s%s%s\n", what, error ? ": " : "",
            error ? error->message : "");
    exit(2);
}

/* Is `word` in a list of words with commas between? */
static bool is_listed(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

static struct known find_known(const struct options *options, const char *graph,
                               const char *model)
{
    struct known known = {0};
    char line[512], proven[8] = "";
    snprintf(line, sizeof line, "\n%s,%s,", graph, model);
    const char *at = strstr(tess_text_string(&options->known), line);
    if (!at)
        return known;
    known.is_there =
        sscanf(at + strlen(line), "%*d,%*d,%*d,%*d,%*d,%" SCNd64 ",%" SCNd64 ",%7s",
               &known.best_bytes, &known.bound_bytes, proven) == 3;
    known.is_proven = strcmp(proven, "True") == 0;
    return known;
}

static const char *find_fault(const struct options *options, const struct row *row)
{
    const struct tess_order_result *result = &row->result;
    const struct known *known = &row->known;
    if (result->lower_bound_bytes > result->peak_bytes)
        return "bound above peak";
    if (result->is_proven != (result->lower_bound_bytes == result->peak_bytes))
        return "proven, or not";
    if (known->is_there && known->is_proven && result->peak_bytes < known->best_bytes)
        return "below proven";
    if (known->is_there && result->lower_bound_bytes > known->best_bytes)
        return "bound above known";
    if (row->method != &tess_method_exact)
        return NULL;
    if (known->is_there && known->is_proven && !result->is_proven &&
        !options->allows_gaps)
        return "not proven";
    if (known->is_there &&
        result->peak_bytes > known->best_bytes + known->best_bytes / 100)
        return "above known";
    if (!known->is_there && !result->is_proven && !options->allows_gaps)
        return "not proven";
    return NULL;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Runs the method as often as asked for; the order of the last run stays in the row. */
static void run_method(const struct options *options, const struct tess_task_graph *graph,
                       struct row *row)
{
    size_t n_bytes = sizeof(int) * (size_t)(graph->n_tasks + 1);
    int *order = malloc(n_bytes), *first = malloc(n_bytes);
    struct tess_error error;
    int64_t peak = -1;
    tess_error_init(&error);
    if (!order || !first)
        die("no memory", NULL);
    for (int64_t i = 0; i < options->n_times; i++) {
        double start = cpu_seconds(), start_us = tess_clock_us();
        row->result = (struct tess_order_result){.order = order};
        if (row->method->run(graph, &options->limits, &row->result, &error) != TESS_OK)
            die(row->graph, &error);
        double seconds = cpu_seconds() - start;
        row->seconds = i == 0 || seconds < row->seconds ? seconds : row->seconds;
        if ((tess_clock_us() - start_us) / 1e6 > 1.1 * options->limits.seconds + 0.2)
            row->fault = "late";
        if (i == 0)
            memcpy(first, order, n_bytes);
        else if (memcmp(first, order, sizeof(int) * (size_t)graph->n_tasks) != 0)
            row->fault = "orders differ";
    }
    if (tess_check_order(graph, order, &peak, &error) != TESS_OK)
        row->fault = "no valid order";
    else if (peak != row->result.peak_bytes)
        row->fault = "wrong peak";
    free(order);
    free(first);
    if (!row->fault)
        row->fault = find_fault(options, row);
}

static void print_row(const struct row *row, int n_tasks)
{
    const struct tess_order_result *result = &row->result;
    double peak = (double)result->peak_bytes;
    printf("| %s | %s | %s | %d | %d | %" PRId64 " | %" PRId64 " | ", row->graph,
           row->model, row->method->name, n_tasks, result->n_fused, result->peak_bytes,
           result->lower_bound_bytes);
    if (result->is_proven)
        printf("proven | ");
    else
        printf("%.2f %% | ", 100 * (peak - (double)result->lower_bound_bytes) / peak);
    printf("%s | %" PRId64 " | %.3f | ", result->closed_by, result->n_expanded,
           row->seconds);
    if (row->known.is_there)
        printf("%+.2f %% | ", 100 * (peak / (double)row->known.best_bytes - 1));
    else
        printf("- | ");
    printf("%s |\n", row->fault ? row->fault : "ok");
    fflush(stdout);
}

static void try_graph(const struct options *options, const char *name,
                      const struct tess_task_graph *graph, struct totals *totals)
{
    for (int model = TESS_MODEL_BASE; model <= TESS_MODEL_VIEW; model++) {
        const char *model_name = tess_memory_model_name((enum tess_memory_model)model);
        struct known known = find_known(options, name, model_name);
        struct tess_task_graph *counted = NULL;
        if (!is_listed(options->models, model_name) ||
            (options->is_known_only && !known.is_there))
            continue;
        if (tess_task_graph_count(graph, (enum tess_memory_model)model, 1, &counted,
                                  NULL) != TESS_OK)
            die("cannot count", NULL);
        for (const struct tess_order_method *const *method = tess_order_methods_all();
             *method; method++) {
            if (!is_listed(options->methods, (*method)->name))
                continue;
            struct row row = {
                .graph = name, .model = model_name, .method = *method, .known = known};
            run_method(options, counted, &row);
            print_row(&row, counted->n_tasks);
            totals->n_rows++;
            totals->n_proven += row.result.is_proven;
            totals->n_faults += row.fault != NULL;
            totals->seconds += row.seconds;
            if (row.seconds > totals->slowest_seconds)
                totals->slowest_seconds = row.seconds;
        }
        tess_task_graph_destroy(counted);
    }
}

/* A graph's name is its file's without folder and ending: what the file of known peaks says. */
static void try_file(const struct options *options, const char *path,
                     struct totals *totals)
{
    struct tess_graph_file file;
    struct tess_error error;
    char name[128];
    const char *base = strrchr(path, '/');
    tess_error_init(&error);
    if (tess_graph_file_read(&file, path, &error) != TESS_OK)
        die(path, &error);
    snprintf(name, sizeof name, "%s", base ? base + 1 : path);
    name[strcspn(name, ".")] = '\0';
    try_graph(options, name, file.graph, totals);
    tess_graph_file_release(&file);
}

/* False: it names no family. */
static bool try_family(const struct options *options, const char *argument,
                       struct totals *totals)
{
    char family[64], name[128];
    int first, last;
    int n_read = sscanf(argument, "%63[a-z_]:%d-%d", family, &first, &last);
    if (n_read < 2)
        return false;
    for (int seed = first; seed <= (n_read == 3 ? last : first); seed++) {
        struct tess_task_graph *graph = graph_family_create(family, (uint64_t)seed);
        if (!graph)
            return false;
        snprintf(name, sizeof name, "%s:%d", family, seed);
        try_graph(options, name, graph, totals);
        tess_task_graph_destroy(graph);
    }
    return true;
}

/* False: it is no option. */
static bool read_option(struct options *options, const char *argument)
{
    const char *value = strchr(argument, '=');
    int64_t number;
    struct tess_error error;
    tess_error_init(&error);
    if (!value++)
        return false;
    if (strncmp(argument, "known=", 6) == 0) {
        tess_text_append(&options->known, "\n", 1);
        if (tess_file_read(value, 1 << 24, &options->known, &error) != TESS_OK)
            die(value, &error);
    } else if (strcmp(argument, "only=known") == 0) {
        options->is_known_only = true;
    } else if (strcmp(argument, "gaps=1") == 0) {
        options->allows_gaps = true;
    } else if (strncmp(argument, "methods=", 8) == 0) {
        options->methods = value;
    } else if (strncmp(argument, "models=", 7) == 0) {
        options->models = value;
    } else if (strncmp(argument, "seconds=", 8) == 0) {
        if (!tess_parse_double(value, &options->limits.seconds))
            die(argument, NULL);
    } else if (strncmp(argument, "memory=", 7) == 0) {
        if (!tess_parse_bytes(value, &options->limits.memory_bytes))
            die(argument, NULL);
    } else if (strncmp(argument, "off=", 4) == 0) {
        if (!tess_parse_i64(value, 0, 127, &number))
            die(argument, NULL);
        options->limits.parts_off = (unsigned)number;
    } else if (strncmp(argument, "times=", 6) == 0) {
        if (!tess_parse_i64(value, 1, 1000, &options->n_times))
            die(argument, NULL);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .methods = "exact", .models = "base,inplace,view", .n_times = 1};
    struct totals totals = {0};
    struct rusage usage;
    tess_order_limits_init(&options.limits);
    printf("| graph | model | method | tasks | fused | peak | bound | gap | closed by | "
           "expanded | CPU s | above known | judged |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int i = 1; i < argc; i++)
        if (!read_option(&options, argv[i]) && !try_family(&options, argv[i], &totals))
            try_file(&options, argv[i], &totals);
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "\n%d runs, %d proven, %d faults; %.2f s together, the slowest %.2f s; at most "
        "%.1f MiB resident.\n",
        totals.n_rows, totals.n_proven, totals.n_faults, totals.seconds,
        totals.slowest_seconds, (double)usage.ru_maxrss / 1024);
    tess_text_release(&options.known);
    return totals.n_faults > 0;
}
