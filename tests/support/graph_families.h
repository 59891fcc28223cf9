/* Random task graphs that look like published networks: other members of the families that
 * benchmarks are made of, as many as one likes.
 */
#ifndef TESS_TESTS_SUPPORT_GRAPH_FAMILIES_H
#define TESS_TESTS_SUPPORT_GRAPH_FAMILIES_H

#include <stdbool.h>
#include <stdint.h>

#include "schedule/task_graph.h"

struct graph_family {
    const char *name, *description;
    bool is_network; /* looks like a network; false: random throughout */
};

/* Ends with a name of NULL. */
extern const struct graph_family graph_families[];

/* New graph, the same for the same seed; NULL if there is no such family. */
struct tess_task_graph *graph_family_create(const char *family, uint64_t seed);

#endif
