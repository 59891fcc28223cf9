#include "tests/support/graph_families.h"

#include <assert.h>
#include <string.h>

#include "tests/support/graph_draft.h"

enum { MAX_PARTS = 64 };

static int draw(struct draft *draft, int low, int high)
{
    return tess_rng_int(draft->rng, low, high);
}

/* ---- randomly wired stages: Xie et al., "Exploring randomly wired neural networks", 2019 ---- */

/* WS(n, 4, 0.75): a ring, each node joined to the next two, an end moved with probability. */
static void wire_ring(struct draft *draft, int n, bool (*is_joined)[MAX_PARTS * 2])
{
    for (int hop = 1; hop <= 2; hop++)
        for (int i = 0; i < n; i++) {
            int other = (i + hop) % n;
            if (draw(draft, 0, 99) < 75)
                do
                    other = draw(draft, 0, n - 1);
                while (other == i || is_joined[i][other]);
            is_joined[i][other] = is_joined[other][i] = true;
        }
}

/* ER(n, 0.2) */
static void wire_pairs(struct draft *draft, int n, bool (*is_joined)[MAX_PARTS * 2])
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            is_joined[i][k] = is_joined[k][i] = draw(draft, 0, 99) < 20;
}

/* BA(n, 5): new nodes join five, those with many joints rather than others. */
static void wire_preferring(struct draft *draft, int n, bool (*is_joined)[MAX_PARTS * 2])
{
    int ends[MAX_PARTS * 2 * 10], n_ends = 0;
    for (int i = 5; i < n; i++)
        for (int k = 0; k < 5;) {
            int other = n_ends && i > 5 ? ends[draw(draft, 0, n_ends - 1)] : k;
            if (is_joined[i][other])
                continue;
            is_joined[i][other] = is_joined[other][i] = true;
            ends[n_ends++] = i;
            ends[n_ends++] = other;
            k++;
        }
}

static int wired_stage(struct draft *draft, int input, int n, int channels, int stride,
                       int wiring)
{
    static bool is_joined[MAX_PARTS * 2][MAX_PARTS * 2];
    int made[MAX_PARTS * 2], parts[MAX_PARTS * 2], n_ends = 0;
    bool is_read[MAX_PARTS * 2] = {false};
    assert(n <= MAX_PARTS * 2);
    memset(is_joined, 0, sizeof is_joined);
    if (wiring == 0)
        wire_ring(draft, n, is_joined);
    else if (wiring == 1)
        wire_pairs(draft, n, is_joined);
    else
        wire_preferring(draft, n, is_joined);
    for (int i = 0; i < n; i++) {
        int n_parts = 0;
        for (int k = 0; k < i; k++)
            if (is_joined[k][i]) {
                parts[n_parts++] = made[k];
                is_read[k] = true;
            }
        int sum = n_parts == 0   ? input
                  : n_parts == 1 ? parts[0]
                                 : draft_add(draft, n_parts, parts);
        made[i] = draft_separable(draft, sum, channels, n_parts == 0 ? stride : 1);
    }
    for (int i = 0; i < n; i++)
        if (!is_read[i])
            parts[n_ends++] = made[i];
    return n_ends == 1 ? parts[0] : draft_add(draft, n_ends, parts);
}

static void draw_wired(struct draft *draft, int wiring, int n_nodes, int max_stages)
{
    int n_stages = draw(draft, 1, max_stages), channels = draw(draft, 0, 1) ? 78 : 109;
    int at = draft_input(draft, 32, channels / 2);
    for (int stage = 0; stage < n_stages; stage++) {
        at = wired_stage(draft, at, n_nodes, channels, 2, wiring);
        channels *= 2;
    }
    draft_retain(draft, at);
}

static void draw_randwire(struct draft *draft)
{
    draw_wired(draft, 0, 32, 4);
}

static void draw_randwire_wide(struct draft *draft)
{
    draw_wired(draft, 0, draw(draft, 40, 64), 2);
}

static void draw_randwire_er(struct draft *draft)
{
    draw_wired(draft, 1, 32, 3);
}

static void draw_randwire_ba(struct draft *draft)
{
    draw_wired(draft, 2, 32, 3);
}

/* ---- stacked cells of searched networks ---- */

struct cell_op {
    int from, kind;
};

struct cell {
    int n_blocks;
    bool keeps_all; /* concat of all blocks; else of those that no block reads */
    struct cell_op ops[8][2];
};

/* What cells of one published search look like. */
struct cell_space {
    int min_blocks, max_blocks;
    bool keeps_all;
    int max_kind;
};

static void draw_cell(struct draft *draft, const struct cell_space *space,
                      struct cell *cell)
{
    cell->n_blocks = draw(draft, space->min_blocks, space->max_blocks);
    cell->keeps_all = space->keeps_all;
    for (int i = 0; i < cell->n_blocks; i++)
        for (int k = 0; k < 2; k++)
            cell->ops[i][k] =
                (struct cell_op){draw(draft, 0, i + 1), draw(draft, 0, space->max_kind)};
}

/* 0: identity, 1: pool, 2, 3: two separables, 4: one (dilated), 5: 1x7 and 7x1 */
static int cell_op(struct draft *draft, int kind, int input, int channels, int stride)
{
    int at = input;
    switch (kind) {
    case 0:
        return stride == 1 ? input
                           : draft_conv(draft, draft_relu(draft, at), channels, stride);
    case 1: return draft_pool(draft, input, stride);
    case 2:
    case 3:
        at = draft_separable(draft, at, channels, stride);
        return draft_separable(draft, at, channels, 1);
    case 4: return draft_separable(draft, at, channels, stride);
    default:
        at = draft_conv(draft, draft_relu(draft, at), channels, stride);
        return draft_conv(draft, draft_relu(draft, at), channels, 1);
    }
}

static int cell_input(struct draft *draft, int input, int side, int channels)
{
    int stride = draft->maps[input].side / side;
    return draft_conv(draft, draft_relu(draft, input), channels, stride);
}

static int add_cell(struct draft *draft, const struct cell *cell, int before, int last,
                    int channels, int stride)
{
    int states[10], parts[10], n_parts = 0, side = draft->maps[last].side;
    bool is_read[10] = {false};
    states[0] = cell_input(draft, before, side, channels);
    states[1] = cell_input(draft, last, side, channels);
    for (int i = 0; i < cell->n_blocks; i++) {
        int sums[2];
        for (int k = 0; k < 2; k++) {
            const struct cell_op *op = &cell->ops[i][k];
            sums[k] = cell_op(draft, op->kind, states[op->from], channels,
                              op->from < 2 ? stride : 1);
            is_read[op->from] = true;
        }
        states[i + 2] = draft_add(draft, 2, sums);
    }
    for (int i = cell->keeps_all ? 2 : 0; i < cell->n_blocks + 2; i++)
        if ((cell->keeps_all || !is_read[i]) &&
            (i >= 2 || draft->maps[states[i]].side * stride == side))
            parts[n_parts++] = states[i];
    return draft_concat(draft, n_parts, parts);
}

static void draw_cells(struct draft *draft, const struct cell_space *space)
{
    struct cell normal, reduction;
    int channels = 4 * draw(draft, 4, 12), n_stacked = draw(draft, 1, 6);
    draw_cell(draft, space, &normal);
    draw_cell(draft, space, &reduction);
    int before = draft_conv(draft, draft_input(draft, 32, 12), 3 * channels, 1);
    int last = before;
    if (draw(draft, 0, 1)) /* a stem of reductions, as on larger pictures */
        for (int i = 0; i < 2; i++) {
            int cell = add_cell(draft, &reduction, before, last, channels / (2 - i), 2);
            before = last;
            last = cell;
        }
    for (int i = 0, n_cells = 3 * n_stacked; i < n_cells; i++) {
        bool reduces = i == n_cells / 3 || i == 2 * n_cells / 3;
        channels *= reduces ? 2 : 1;
        int cell = add_cell(draft, reduces ? &reduction : &normal, before, last, channels,
                            reduces ? 2 : 1);
        before = last;
        last = cell;
    }
    draft_retain(draft, draft_conv(draft, draft_relu(draft, last), 10, 1));
}

/* Zoph et al., 2018; AmoebaNet shares its space: Real et al., 2019. */
static void draw_nasnet(struct draft *draft)
{
    draw_cells(draft, &(struct cell_space){5, 5, false, 5});
}

/* Liu et al., "DARTS", 2019 */
static void draw_darts(struct draft *draft)
{
    draw_cells(draft, &(struct cell_space){4, 4, true, 4});
}

/* Liu et al., "Progressive neural architecture search", 2018: concats of all that is not read */
static void draw_pnas(struct draft *draft)
{
    draw_cells(draft, &(struct cell_space){4, 7, false, 5});
}

/* ---- cells of concats: Cheng et al., "SwiftNet", 2019 ---- */

static int swift_cell(struct draft *draft, int input, int channels, int n_nodes)
{
    int made[MAX_PARTS] = {input}, ends[MAX_PARTS], n_made = 1, n_ends = 0;
    bool is_read[MAX_PARTS] = {true};
    for (int i = 0; i < n_nodes; i++) {
        int parts[4], n_parts = draw(draft, 1, n_made < 4 ? n_made : 4), at;
        for (int k = 0; k < n_parts; k++) {
            int from;
            bool is_taken;
            do {
                from = draw(draft, n_made > 8 ? n_made - 8 : 0, n_made - 1);
                is_taken = false;
                for (int j = 0; j < k; j++)
                    is_taken |= parts[j] == made[from];
            } while (is_taken);
            parts[k] = made[from];
            is_read[from] = true;
        }
        at = n_parts == 1 ? parts[0] : draft_concat(draft, n_parts, parts);
        if (draw(draft, 0, 2) == 0)
            at = draft_pool(draft, at, 1); /* depthwise */
        is_read[n_made] = false;
        made[n_made++] = draft_conv(draft, at, channels, 1);
    }
    for (int i = 0; i < n_made; i++)
        if (!is_read[i])
            ends[n_ends++] = made[i];
    int end = n_ends == 1 ? ends[0] : draft_concat(draft, n_ends, ends);
    int sums[] = {draft_conv(draft, input, channels * 3 / 2, 1),
                  draft_conv(draft, end, channels * 3 / 2, 1)};
    return draft_add(draft, 2, sums);
}

static void draw_swift(struct draft *draft)
{
    int n_cells = draw(draft, 1, 4), channels = 32;
    int at = draft_input(draft, 28, channels);
    for (int i = 0; i < n_cells; i++) {
        at = swift_cell(draft, at, channels, draw(draft, 8, 18));
        channels = channels * 3 / 2;
        at = i + 1 < n_cells ? draft_pool(draft, at, 2) : at;
    }
    draft_retain(draft, at);
}

/* ---- several resolutions ---- */

/* Zhou et al., "UNet++", 2018; depth 2 to 5, U-Net where nothing is nested. */
static void draw_unet(struct draft *draft)
{
    int depth = draw(draft, 2, 5), filters = 8 * draw(draft, 2, 8);
    bool is_nested = draw(draft, 0, 2) > 0;
    int nodes[6][6], at = draft_input(draft, 256, 3);
    for (int i = 0; i <= depth; i++) {
        at = i ? draft_pool(draft, at, 2) : at;
        at = draft_conv(draft, draft_conv(draft, at, filters << i, 1), filters << i, 1);
        nodes[i][0] = at;
    }
    for (int k = 1; k <= depth; k++)
        for (int i = 0; i + k <= depth; i++) {
            int parts[6], n_parts = 0;
            if (!is_nested && i + k != depth)
                continue;
            for (int j = is_nested ? 0 : k - 1; j < k; j++)
                parts[n_parts++] = nodes[i][is_nested ? j : 0];
            parts[n_parts++] = draft_upsample(draft, nodes[i + 1][k - 1], 2);
            at = draft_concat(draft, n_parts, parts);
            at = draft_conv(draft, at, filters << i, 1);
            nodes[i][k] = draft_conv(draft, at, filters << i, 1);
        }
    bool is_supervised = is_nested && draw(draft, 0, 1);
    for (int k = is_supervised ? 1 : depth; k <= depth; k++)
        draft_retain(draft, draft_conv(draft, nodes[0][k], 1, 1));
}

static int bifpn_node(struct draft *draft, int n_parts, const int *parts, int channels)
{
    int sum = draft_add(draft, n_parts, parts);
    return draft_separable(draft, sum, channels, 1);
}

/* Tan et al., "EfficientDet", 2020: neck and heads on maps of three sizes. */
static void draw_bifpn(struct draft *draft)
{
    int n_levels = draw(draft, 4, 6), n_layers = draw(draft, 1, 8);
    int n_heads = draw(draft, 0, 4), channels = 8 * draw(draft, 4, 20), levels[6], up[6];
    for (int i = 0; i < n_levels; i++) {
        int input = i < 3 ? draft_input(draft, 64 >> i, 40 + 72 * i) : -1;
        levels[i] = i < 3 ? draft_conv(draft, input, channels, 1)
                          : draft_pool(draft, levels[i - 1], 2);
    }
    for (int layer = 0; layer < n_layers; layer++) {
        up[n_levels - 1] = levels[n_levels - 1];
        for (int i = n_levels - 2; i >= 0; i--) {
            int parts[] = {levels[i], draft_upsample(draft, up[i + 1], 2)};
            up[i] = bifpn_node(draft, 2, parts, channels);
        }
        for (int i = 1; i < n_levels; i++) {
            int down = draft_pool(draft, i == 1 ? up[0] : levels[i - 1], 2);
            int parts[] = {levels[i], down, up[i]};
            bool is_last = i == n_levels - 1;
            levels[i] = bifpn_node(draft, is_last ? 2 : 3, parts, channels);
        }
        levels[0] = up[0];
    }
    for (int i = 0; i < n_levels; i++)
        for (int head = 0; head < 2; head++) {
            int at = levels[i];
            for (int k = 0; k < n_heads; k++)
                at = draft_separable(draft, at, channels, 1);
            draft_retain(draft, draft_conv(draft, at, head ? 36 : 90, 1));
        }
}

/* Sun et al., "HRNet", 2019: branches of halved sizes that are all added to each other. */
static void draw_hrnet(struct draft *draft)
{
    int n_branches = 1, channels = 6 * draw(draft, 2, 8), at[4];
    at[0] = draft_conv(draft, draft_input(draft, 56, 64), channels, 1);
    for (int stage = 0; stage < 3; stage++) {
        at[n_branches] = draft_conv(draft, at[n_branches - 1], channels << n_branches, 2);
        n_branches++;
        for (int module = draw(draft, 1, 3); module > 0; module--) {
            int sums[4];
            for (int i = 0; i < n_branches; i++)
                for (int k = draw(draft, 1, 4); k > 0; k--) {
                    int conv = draft_conv(draft, at[i], channels << i, 1);
                    int parts[] = {at[i], draft_conv(draft, draft_relu(draft, conv),
                                                     channels << i, 1)};
                    at[i] = draft_relu(draft, draft_add(draft, 2, parts));
                }
            for (int i = 0; i < n_branches; i++) {
                int parts[4];
                for (int k = 0; k < n_branches; k++) {
                    parts[k] = at[k];
                    for (int step = k; step < i; step++)
                        parts[k] = draft_conv(draft, parts[k], channels << (step + 1), 2);
                    if (k > i)
                        parts[k] = draft_upsample(
                            draft, draft_conv(draft, at[k], channels << i, 1),
                            1 << (k - i));
                }
                sums[i] = draft_relu(draft, draft_add(draft, n_branches, parts));
            }
            memcpy(at, sums, sizeof at);
        }
    }
    for (int i = 0; i < n_branches; i++)
        draft_retain(draft, at[i]);
}

/* ---- branches and dense blocks ---- */

/* Modules of 2 to 6 branches of 1 to 5 convolutions that sometimes split once more. */
static void draw_inception(struct draft *draft)
{
    int at = draft_conv(draft, draft_input(draft, 35, 3), 192, 1);
    for (int n_modules = draw(draft, 2, 12), i = 0; i < n_modules; i++) {
        int ends[16], n_ends = 0;
        for (int n_branches = draw(draft, 2, 6), k = 0; k < n_branches; k++) {
            int branch = at;
            for (int length = draw(draft, 1, 5); length > 0; length--)
                branch = draft_conv(draft, branch, 16 * draw(draft, 2, 12), 1);
            ends[n_ends++] = branch;
            if (draw(draft, 0, 3) == 0) {
                ends[n_ends - 1] = draft_conv(draft, branch, 16 * draw(draft, 2, 12), 1);
                ends[n_ends++] = draft_conv(draft, branch, 16 * draw(draft, 2, 12), 1);
            }
        }
        at = draft_concat(draft, n_ends, ends);
        if (draft->maps[at].side > 8 && draw(draft, 0, 3) == 0) {
            int parts[] = {draft_pool(draft, at, 2), draft_conv(draft, at, 128, 2)};
            at = draft_concat(draft, 2, parts);
        }
    }
    draft_retain(draft, at);
}

/* Huang et al., "DenseNet", 2017: each layer reads a concat of all before, or of the last. */
static void draw_dense(struct draft *draft)
{
    bool is_chained = draw(draft, 0, 1);
    int growth = 8 * draw(draft, 1, 5);
    int at = draft_conv(draft, draft_input(draft, 56, 3), 2 * growth, 1);
    for (int n_blocks = draw(draft, 2, 4), block = 0; block < n_blocks; block++) {
        int parts[MAX_PARTS] = {at}, n_parts = 1;
        for (int n_layers = draw(draft, 3, 20), i = 0; i < n_layers; i++) {
            int made = draft_conv(draft, draft_relu(draft, at), 4 * growth, 1);
            made = draft_conv(draft, draft_relu(draft, made), growth, 1);
            int pair[] = {at, made};
            parts[n_parts++] = made;
            at = is_chained ? draft_concat(draft, 2, pair)
                            : draft_concat(draft, n_parts, parts);
        }
        at = draft_conv(draft, draft_relu(draft, at), draft->maps[at].channels / 2, 1);
        at = draft_pool(draft, at, 2);
    }
    draft_retain(draft, at);
}

/* ---- random throughout ---- */

/* Layers of 1/4 to 7/4 the mean width; joined to the layer before with probability 0.2, and a
 * seventh of the nodes to one of any before: Bartan et al., "Moccasin", 2023. */
static void draw_layers(struct draft *draft, int n_tasks)
{
    enum { WIDEST = 256 };
    int first[2048], n_layers = 0, width = 1;
    while (4 * width * width < 3 * n_tasks / 2)
        width++;
    for (int i = 0; i < n_tasks;) {
        int n = draw(draft, (width + 3) / 4, width * 7 / 4), begin = i;
        n = n < 1 ? 1 : n;
        assert(n_layers < 2047 && n < WIDEST);
        first[n_layers++] = begin;
        for (; i < begin + n && i < n_tasks; i++) {
            int inputs[WIDEST], n_inputs = 0;
            int last = n_layers > 1 ? first[n_layers - 2] : begin;
            for (int k = last; k < begin; k++)
                if (draw(draft, 0, 4) == 0)
                    inputs[n_inputs++] = k;
            if (n_inputs == 0 && last < begin)
                inputs[n_inputs++] = draw(draft, last, begin - 1);
            if (last > 0 && draw(draft, 0, 6) == 0)
                inputs[n_inputs++] = draw(draft, 0, last - 1);
            draft_task(draft, 0, n_inputs, inputs, 1, 10 * draw(draft, 1, 600));
        }
    }
}

static void draw_layered(struct draft *draft)
{
    draw_layers(draft, draw(draft, 50, 250));
}

static void draw_layered_large(struct draft *draft)
{
    draw_layers(draft, draw(draft, 500, 1000));
}

static void draw_layered_huge(struct draft *draft)
{
    draw_layers(draft, 3000);
}

const struct graph_family graph_families[] = {
    {"randwire", "1 to 4 stages of WS(32, 4, 0.75)", true},
    {"randwire_er", "1 to 3 stages of ER(32, 0.2)", true},
    {"randwire_ba", "1 to 3 stages of BA(32, 5)", true},
    {"nasnet", "stacked cells of 5 random blocks", true},
    {"darts", "stacked cells of 4 random blocks, all in the concat", true},
    {"pnas", "stacked cells of 4 to 7 random blocks", true},
    {"swift", "1 to 4 cells of convolutions of concats", true},
    {"unet", "U-Net, UNet++", true},
    {"bifpn", "necks and heads of detectors", true},
    {"hrnet", "branches of halved sizes, all added", true},
    {"inception", "modules of 2 to 6 branches", true},
    {"dense", "dense blocks", true},
    {"randwire_wide", "1 or 2 stages of WS(40 to 64, 4, 0.75)", false},
    {"layered", "random layers, 50 to 250 tasks", false},
    {"layered_large", "random layers, 500 to 1000 tasks", false},
    {"layered_huge", "random layers, 3000 tasks", false},
    {NULL, NULL, false},
};

static void (*const drawers[])(struct draft *draft) = {
    draw_randwire,      draw_randwire_er, draw_randwire_ba,   draw_nasnet,
    draw_darts,         draw_pnas,        draw_swift,         draw_unet,
    draw_bifpn,         draw_hrnet,       draw_inception,     draw_dense,
    draw_randwire_wide, draw_layered,     draw_layered_large, draw_layered_huge,
};

struct tess_task_graph *graph_family_create(const char *family, uint64_t seed)
{
    struct tess_rng rng;
    struct draft draft;
    for (int i = 0; graph_families[i].name; i++) {
        if (strcmp(graph_families[i].name, family) != 0)
            continue;
        tess_rng_init(&rng, seed);
        draft_init(&draft, &rng);
        drawers[i](&draft);
        return draft_finish(&draft);
    }
    return NULL;
}
