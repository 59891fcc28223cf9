/* What a network found: boxes from detector heads, or classes from a classifier.
 */
#ifndef TESS_CLI_RESULTS_H
#define TESS_CLI_RESULTS_H

#include "base/error.h"
#include "cli/detect.h"
#include "executor/executor.h"
#include "model/graph.h"

enum { TESS_RESULTS_TOP = 5 };

struct tess_results {
    struct tess_detector *detector;          /* NULL where the network has no heads */
    const struct tess_detection *detections; /* borrowed from the detector */
    int n_detections;
    bool is_classifier;
    int n_top;
    struct tess_class_score top[TESS_RESULTS_TOP];
};

/* Where the network's outputs are: `at` gives the plane of a tensor that is a result. */
struct tess_result_planes {
    struct tess_plane (*at)(void *context, int tensor);
    void *context;
};
struct tess_result_planes tess_result_planes_of(struct tess_executor *executor);

/* Reads the network's outputs after a run. `box` says how the photograph was fitted; for raw
 * input, fit the input to itself. TESS_E_NOMEM. */
enum tess_status
tess_results_init(struct tess_results *results, const struct tess_graph *graph,
                  struct tess_result_planes planes, const struct tess_letterbox *box,
                  const struct tess_detect_options *options, struct tess_error *error);
void tess_results_release(struct tess_results *results); /* accepts zeroed memory */

#endif
