/* How the chains of sums of a convolution are cut into passes: for files kernel_nat*.c only.
 *
 * A chain goes over the taps of the window, and the channels of each, in this order. A pass is a
 * part of it whose weights stay in the cache; the input under it is made of runs. Computes
 * nothing: see kernel_nat_conv.c.
 */
#ifndef TESS_EXECUTOR_KERNEL_NAT_PASS_PRIV_H
#define TESS_EXECUTOR_KERNEL_NAT_PASS_PRIV_H

#include "executor/kernel_nat_priv.h"

enum {
    TESS_NAT_MAX_RUNS = 16, /* of a pass; bounds the stack */
    /* TUNING: channels of a pass at most. With 512 the weights of 64 filters are 128 KiB;
     * 256 and 1024 were 2 % slower in YOLOv2's widest layers (AVX-512, L2 of 2 MiB,
     * 2026-11). */
    TESS_NAT_RUN_ELEMS = 512
};

/* What is cut; all borrowed. */
struct tess_nat_chain {
    const struct tess_window *window;
    const struct tess_plane *in;
    int n_taps, group_channels;
    int pass_elems;    /* weights per filter of a pass at most, if it has whole taps */
    bool is_depthwise; /* runs are not joined */
};

/* Input floats side by side, relative to the first pixel under a window. */
struct tess_nat_run {
    int y, x; /* of the input pixel it begins at */
    ptrdiff_t offset;
    int elems;
};

/* A part of the chains of sums. */
struct tess_nat_pass {
    int tap, channel;   /* where the next one begins */
    int64_t first_elem; /* where this one begins, in weights per filter */
    int64_t n_elems;
    bool is_first, is_last;
    int n_runs, n_merged;
    struct tess_nat_run runs[TESS_NAT_MAX_RUNS];   /* one per tap, or part of one */
    struct tess_nat_run merged[TESS_NAT_MAX_RUNS]; /* the same, neighbours joined; for
                                                      windows on the map */
};

/* The pass that begins at pass->tap and channel, 0 and 0 for the first; these move on to the next
 * one's. Serially: cuts [taps][group_channels] into pieces of at most pass_elems. */
void tess_nat_pass_next(const struct tess_nat_chain *chain, struct tess_nat_pass *pass);

#endif
