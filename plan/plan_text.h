/* The text form of a plan: YAML, canonical when written, made to be edited by hand.
 *
 * The writer puts out what plan/plan.h holds and nothing that follows from it. The reader
 * checks form and ranges and names the line, the column and the nearest known word;
 * whether the plan fits the network is tess_plan_check's business, which reading ends
 * with.
 */
#ifndef TESS_PLAN_PLAN_TEXT_H
#define TESS_PLAN_PLAN_TEXT_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "model/graph.h"
#include "plan/plan.h"

/* Appends the canonical text. Reading it back gives the same plan, writing that the same
 * bytes. */
void tess_plan_write(const struct tess_plan *plan, const struct tess_graph *graph,
                     struct tess_text *text_out);

/* Reads a plan for `graph`. Whatever a hand-written file leaves out has the value of
 * tess_plan_create, except that `search` is "hand"; ops that no group names become 1x1
 * groups of their own. Times are rounded to microseconds. On success *plan_out is a new
 * plan that passes tess_plan_check. The hash in a plan of a split graph is that of the network it
 * was split from. TESS_E_CONFIG with the place of the line at fault,
 * TESS_E_NOMEM. */
enum tess_status tess_plan_read(const char *text, size_t n_bytes, const char *file_name,
                                const struct tess_graph *graph,
                                struct tess_plan **plan_out, struct tess_error *error);

/* What the plan's `split` makes of the network (model/graph_split.h), to be done before the plan is
 * read for what comes out: *split_out is a new graph, NULL if the plan splits nothing. `graph` is
 * the network, or the part of it that the plan is for. Looks at nothing else in the file.
 * TESS_E_CONFIG, TESS_E_NOMEM. */
enum tess_status tess_plan_read_split(const char *text, size_t n_bytes,
                                      const char *file_name,
                                      const struct tess_graph *graph,
                                      struct tess_graph **split_out,
                                      struct tess_error *error);

/* The part of the network that the plan is for, to be cut out (tess_graph_cut) before the
 * plan is read: *first_out and *last_out are both -1 for all of it. Looks at nothing else
 * in the file. TESS_E_CONFIG, TESS_E_NOMEM. */
enum tess_status tess_plan_read_layers(const char *text, size_t n_bytes,
                                       const char *file_name, int *first_out,
                                       int *last_out, struct tess_error *error);

/* Kernel facts alone, as the `kernel_facts` mapping of a plan: to hand them to the
 * planner. Reading takes all of them or none: a forgotten one would be a wrong
 * prediction. */
void tess_facts_write(const struct tess_kernel_facts *facts, struct tess_text *text_out);
enum tess_status tess_facts_read(const char *text, size_t n_bytes, const char *file_name,
                                 struct tess_kernel_facts *facts_out,
                                 struct tess_error *error);

#endif
