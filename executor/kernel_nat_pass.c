#include "executor/kernel_nat_pass_priv.h"

#include "base/arith.h"

static void add_run(const struct tess_nat_chain *chain, struct tess_nat_pass *pass,
                    int tap, int channel, int elems)
{
    const struct tess_window *window = chain->window;
    struct tess_nat_run run = {.y = tap / window->kernel_w * window->dilation_h,
                               .x = tap % window->kernel_w * window->dilation_w,
                               .elems = elems};
    run.offset = (ptrdiff_t)((size_t)run.y * chain->in->row_stride +
                             (size_t)run.x * chain->in->pixel_stride + (size_t)channel);
    pass->runs[pass->n_runs++] = run;
    pass->n_elems += elems;
    struct tess_nat_run *last = pass->n_merged ? &pass->merged[pass->n_merged - 1] : NULL;
    if (last && !chain->is_depthwise && last->offset + last->elems == run.offset)
        last->elems += elems;
    else
        pass->merged[pass->n_merged++] = run;
}

void tess_nat_pass_next(const struct tess_nat_chain *chain, struct tess_nat_pass *pass)
{
    const int group_channels = chain->group_channels;
    pass->n_runs = pass->n_merged = 0;
    pass->n_elems = 0;
    pass->is_first = pass->tap == 0 && pass->channel == 0;
    pass->first_elem = (int64_t)pass->tap * group_channels + pass->channel;
    if (group_channels > TESS_NAT_RUN_ELEMS) {
        int n_pieces = (int)tess_div_up(group_channels, TESS_NAT_RUN_ELEMS);
        int piece =
            (int)tess_round_up(tess_div_up(group_channels, n_pieces), TESS_PACKED_BLOCK);
        int elems = tess_min_int(piece, group_channels - pass->channel);
        add_run(chain, pass, pass->tap, pass->channel, elems);
        pass->channel += elems;
        if (pass->channel == group_channels) {
            pass->channel = 0;
            pass->tap++;
        }
    } else {
        int most = tess_min_int(chain->pass_elems / group_channels, TESS_NAT_MAX_RUNS);
        int n_passes = (int)tess_div_up(chain->n_taps, most);
        int n_taps = (int)tess_div_up(chain->n_taps, n_passes);
        int end = tess_min_int(pass->tap + n_taps, chain->n_taps);
        for (; pass->tap < end; pass->tap++)
            add_run(chain, pass, pass->tap, 0, group_channels);
    }
    pass->is_last = pass->tap == chain->n_taps;
}
