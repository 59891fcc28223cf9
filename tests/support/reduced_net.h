/* Published networks made small enough for tests. */
#ifndef TESS_TESTS_SUPPORT_REDUCED_NET_H
#define TESS_TESTS_SUPPORT_REDUCED_NET_H

#include "model/graph.h"

/* Network `name` as the system's darknet package brings it, on maps of `side` pixels and with an
 * eighth of the filters. New; NULL if there is no such package. */
struct tess_graph *tess_reduced_net_create(const char *name, int side);

#endif
