/* The text forms of clusters and cluster plans: YAML, canonical when written, made to be edited by
 * hand and to be carried to the nodes.
 *
 *     cluster: 1                          a cluster plan adds
 *     nodes:                                  model: yolov2
 *       - name: gate                          model_hash: 0123456789abcdef
 *         speed: 1                            input: bytes           # or floats
 *         computes: yes    # no: others do; for the first node
 *         memory: 400M     # or none          stages:
 *         mbit: 940                             - layers: 0..15      # or a list of such; or ops:
 *         latency_ms: 0.3                         grid: 5x5          # or tiles:
 *                                                 tiles:
 *                                                   - rows: 0..18    # the last included
 *                                                     cols: 0..37
 *                                                     node: gate
 *                                                     predicted_ms: 31.5
 *                                                     peak: 23M
 *
 * A grid stands for even tiles, which go to the nodes in turn; no grid and no tiles for one tile on
 * the first node. What plan/cluster.h holds is all written; the reader names line and column of
 * what is wrong.
 */
#ifndef TESS_PLAN_CLUSTER_TEXT_H
#define TESS_PLAN_CLUSTER_TEXT_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "plan/cluster.h"

void tess_cluster_write(const struct tess_cluster *cluster, struct tess_text *text_out);
void tess_cluster_plan_write(const struct tess_cluster_plan *plan,
                             const struct tess_graph *graph, struct tess_text *text_out);

/* Appends the layers that a stage has ops of, as a plan names them: "12..17, 26". */
void tess_cluster_write_layers(const struct tess_cluster_stage *stage,
                               const struct tess_graph *graph,
                               struct tess_text *text_out);

/* The nodes of a cluster file, or of a cluster plan. TESS_E_CONFIG with the place of the line at
 * fault, TESS_E_NOMEM. */
enum tess_status tess_cluster_read(const char *text, size_t n_bytes,
                                   const char *file_name,
                                   struct tess_cluster *cluster_out,
                                   struct tess_error *error);

/* Is it a cluster plan, rather than a cluster: does it have stages? Looks at nothing else.
 * TESS_E_CONFIG, TESS_E_NOMEM. */
enum tess_status tess_cluster_has_stages(const char *text, size_t n_bytes,
                                         const char *file_name, bool *has_stages_out,
                                         struct tess_error *error);

/* A plan for `graph`. On success *plan_out is new and passes tess_cluster_plan_check.
 * TESS_E_CONFIG with the place of the line at fault, TESS_E_NOMEM. */
enum tess_status tess_cluster_plan_read(const char *text, size_t n_bytes,
                                        const char *file_name,
                                        const struct tess_graph *graph,
                                        struct tess_cluster_plan **plan_out,
                                        struct tess_error *error);

#endif
