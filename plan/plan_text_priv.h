/* What reading and writing plans share. Private to plan/.
 *
 * A plan's text names layers, the plan itself ops and schedule positions: one layer may
 * have no op (a route of one layer), one, or several (a route with channel groups).
 */
#ifndef TESS_PLAN_PLAN_TEXT_PRIV_H
#define TESS_PLAN_PLAN_TEXT_PRIV_H

#include <stdbool.h>

#include "plan/plan.h"
#include "plan/yaml_doc.h"

#define TESS_PLAN_LIMIT_US 1e12 /* predicted times: 11 days */

/* A half-open run of layers, ops or positions would read badly in a file: people write
 * the last one. */
struct tess_span {
    int first, last; /* both included */
};

/* Layers that exist, numbered from 0: as the graph counts them, or as its ops do where a
 * graph made in code has no list. */
int tess_plan_text_n_layers(const struct tess_graph *graph);

/* The layers that a cut graph still has; -1, -1 if nothing was cut. */
struct tess_span tess_plan_text_cut(const struct tess_graph *graph);

/* "5", or "0..7" with the first not above the last, both in [0, limit). */
bool tess_parse_span(const char *text, int limit, struct tess_span *span_out);

/* A plan being read. */
struct tess_plan_reader {
    struct tess_yaml yaml;
    const struct tess_graph *graph;
    struct tess_plan *plan;
    int n_layers;
    struct tess_error *error;
};

/* The distinct numbers that "5", "0..7" or a list of such names, in the order of the
 * file. */
struct tess_number_list {
    int n;
    int *values;                         /* [n] */
    const struct tess_yaml_node **nodes; /* [n] where each was written */
};

/* Reads numbers of `limit` layers (or ops: `what`). The caller releases in every case. */
enum tess_status tess_number_list_init(struct tess_number_list *list,
                                       const struct tess_plan_reader *reader,
                                       const struct tess_yaml_node *node, int limit,
                                       const char *what);
void tess_number_list_release(struct tess_number_list *list);

/* Is it a plan of a version that this program reads? */
enum tess_status tess_plan_check_version(const struct tess_yaml *yaml,
                                         struct tess_error *error);

/* Does the reader's graph have the layers split that the text names? */
enum tess_status tess_plan_check_split(struct tess_plan_reader *reader);

/* Reads milliseconds, rounded to whole microseconds. */
enum tess_status tess_plan_read_time(const struct tess_plan_reader *reader,
                                     const struct tess_yaml_node *node, double *us_out);

/* Sets the plan's groups; its order is final. `groups` may be NULL. */
enum tess_status tess_plan_read_groups(struct tess_plan_reader *reader,
                                       const struct tess_yaml_node *groups);

/* Reads facts from their mapping. */
enum tess_status tess_facts_read_map(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *map,
                                     struct tess_kernel_facts *facts_out,
                                     struct tess_error *error);

#endif
