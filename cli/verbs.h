/* The commands. Each takes the parsed arguments, talks to the user on standard output (data) and
 * standard error (talk), and returns a status for the exit code. An error whose message is empty
 * has been told already.
 */
#ifndef TESS_CLI_VERBS_H
#define TESS_CLI_VERBS_H

#include "base/error.h"
#include "cli/args.h"

typedef enum tess_status tess_verb_function(const struct tess_args *args,
                                            struct tess_error *error);

tess_verb_function tess_verb_info;
tess_verb_function tess_verb_plan;
tess_verb_function tess_verb_verify;
tess_verb_function tess_verb_run;
tess_verb_function tess_verb_bench;
tess_verb_function tess_verb_synth;
tess_verb_function tess_verb_compile;
tess_verb_function tess_verb_doctor;
tess_verb_function tess_verb_cluster_plan;

/* What the planner program does: facts on standard input, plan on standard output; and schedules,
 * which need nothing of this process. */
tess_verb_function tess_verb_plan_here;
tess_verb_function tess_verb_schedule;

/* Prints an error the way every program of the project does:
 * file:line:col: error: what, and a hint on a line of its own. */
void tess_print_error(const struct tess_error *error);

#endif
