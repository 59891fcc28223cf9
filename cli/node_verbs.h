/* The commands of the program of nodes, as cli/verbs.h.
 */
#ifndef TESS_CLI_NODE_VERBS_H
#define TESS_CLI_NODE_VERBS_H

#include "cli/verbs.h"
#include "executor/kernel.h"

tess_verb_function tess_verb_worker;
tess_verb_function tess_verb_cluster_run;
tess_verb_function tess_verb_cluster_status; /* also doctor --link */
tess_verb_function tess_verb_keygen;

/* Are these kernels of a family that uses packed weights? Those travel. TESS_E_USAGE. */
enum tess_status tess_node_check_family(const struct tess_args *args,
                                        const struct tess_kernel_family *family,
                                        struct tess_error *error);

/* Starts the kernels asked for, of such a family. TESS_E_USAGE. */
enum tess_status tess_node_start_family(const struct tess_args *args,
                                        const struct tess_kernel_family **family_out,
                                        struct tess_error *error);

#endif
