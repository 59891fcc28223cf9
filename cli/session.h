/* What every command that plans or runs needs first: the network, the kernel family, its facts,
 * and a plan for them.
 */
#ifndef TESS_CLI_SESSION_H
#define TESS_CLI_SESSION_H

#include "base/error.h"
#include "base/text.h"
#include "cli/args.h"
#include "cli/model_file.h"
#include "executor/kernel.h"
#include "model/graph.h"
#include "plan/plan.h"

struct tess_session {
    const struct tess_args *args; /* borrowed */
    struct tess_model_file model;
    const struct tess_graph *network; /* the whole one */
    const struct tess_graph
        *graph; /* the one to run: the layers asked for, or all, and split
                                         where the plan says so */
    const struct tess_kernel_family *family; /* started; NULL before tess_session_start */
    struct tess_kernel_facts facts;
    int n_threads;
    char
        profile[1024]; /* file of the device profile that planning uses, empty for none */
};

/* Reads the model and cuts it to the layers asked for. Warnings of the importer go to standard
 * error unless quiet. TESS_E_MODEL, TESS_E_USAGE, TESS_E_IO. */
enum tess_status tess_session_init(struct tess_session *session,
                                   const struct tess_args *args,
                                   struct tess_error *error);

/* Starts the kernel family and takes its facts. */
enum tess_status tess_session_start(struct tess_session *session,
                                    struct tess_error *error);

/* What this process holds now and will hold outside of every counted term: code, libraries,
 * bookkeeping. */
int64_t tess_session_base_bytes(void);

/* The profile named, or else that of this device where `bench --profile` was told to put it for
 * good: tessera/profile.yaml in the user's configuration folder; "" if there is none. */
void tess_session_find_profile(const struct tess_args *args, char *path, size_t size);

/* Processors that this process may use. */
int tess_session_n_processors(void);

void tess_session_release(struct tess_session *session); /* accepts zeroed memory */

/* What the planner program says to the arguments: the text of a plan, or of a curve. It reports
 * its errors itself: the error's message is then empty. */
enum tess_status tess_session_search(const struct tess_session *session,
                                     int64_t input_bytes, struct tess_text *text_out,
                                     struct tess_error *error);

/* A plan as the arguments ask for: read from a file, untiled, or searched by the planner program.
 * `input_bytes`: what reading the input holds. The planner program reports its errors itself: the
 * error's message is then empty. The plan carries this process's facts and predictions. If it
 * splits convolutions, session->graph is another afterwards, and checked (plan/verify_split.h);
 * what it was made of is gone. Once. */
enum tess_status tess_session_plan(struct tess_session *session, int64_t input_bytes,
                                   struct tess_plan **plan_out, struct tess_error *error);

#endif
