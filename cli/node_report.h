/* What a cluster run has to say: a table of frames and nodes for people, JSON for programs, and a
 * picture of who did what when.
 */
#ifndef TESS_CLI_NODE_REPORT_H
#define TESS_CLI_NODE_REPORT_H

#include "base/text.h"
#include "cli/names.h"
#include "cli/node_job.h"
#include "cli/results.h"
#include "transport/coordinator.h"

/* One frame that ended. */
struct tess_node_frame_report {
    const char *path; /* borrowed */
    double us;        /* from its beginning to its end */
    bool is_failed;
    char text[TESS_WIRE_TEXT]; /* why */
    struct tess_accounts accounts;
    uint32_t output_crc; /* CRC-32C of the network's outputs, in the order of ids */
    struct tess_results results; /* zeroed if it failed */
};

/* One tile that was stored. */
struct tess_node_span {
    int64_t frame;
    int stage, tile, node, attempt;
    int64_t sent_us, compute_us, stored_us;
};

struct tess_node_report_input {
    const struct tess_node_job *job;
    const struct tess_names *names; /* may be NULL */
    const struct tess_coordinator *core;
    int n_frames;
    const struct tess_node_frame_report *frames; /* [n_frames] */
    double all_us;                               /* from the first to the last */
    int64_t own_peak_bytes;                      /* of this process */
    int n_spans;
    const struct tess_node_span *spans; /* [n_spans] */
};

/* Appends the table: what was found, times, a line for each node. */
void tess_node_report_table(const struct tess_node_report_input *input,
                            struct tess_text *text_out);

/* Appends the JSON document. */
void tess_node_report_json(const struct tess_node_report_input *input,
                           struct tess_text *text_out);

/* Appends the spans in the format of Chrome's trace viewer: a row of each node for what it
 * computed, and one for what travelled. */
void tess_node_report_trace(const struct tess_node_report_input *input,
                            struct tess_text *text_out);

#endif
