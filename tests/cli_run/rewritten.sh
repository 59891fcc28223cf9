#!/bin/sh
# Convolutions split by hand and by the planner: results within 1e-5 of the network's largest,
# the same bits from cfg and from a compiled model, held and streamed, cut and whole.
. "$(dirname "$0")/cli_run.sh"
make_small
expect 0 "" compile small.cfg small.weights -o small.tess --quiet
expect_small 0 "" --untiled --dump -1=network

# near WHAT FILE: close to the network's output
near() {
    check "$1: within 1e-5" "$raw_floats" compare "$2" network 1e-5
}

echo "# by hand"
printf 'plan: 1\nsplit: [7]\n' >whole.yaml
printf 'plan: 1\nsplit: [7]\ngroups:\n  - ops: 0..5\n    grid: 8x1\n    halo: reuse\nschedule_ops: [0..2, 6, 3..5, 7, 8]\n' \
    >early.yaml
printf 'plan: 1\nsplit: [7]\ngroups:\n  - layers: 4..7\n    grid: 4x3\n    halo: recompute\nstreamed: [2, 7]\n' \
    >tiled.yaml
expect_small 0 "" --plan whole.yaml --dump -1=split
near whole split
for plan in whole early tiled; do
    for threads in 1 2; do
        expect 0 "the plan is right" verify small.cfg --plan $plan.yaml --threads $threads
        expect_small 0 "" --plan $plan.yaml --threads $threads --repeat 2 --dump -1=again
        check "$plan on $threads: the bits of the whole one" cmp split again
        expect 0 "" run small.tess --raw-input small.raw --plan $plan.yaml \
            --threads $threads --dump -1=again
        check "$plan on $threads, compiled: the same" cmp split again
    done
done
for kernels in ref xnn; do
    expect_small 0 "" --plan whole.yaml --kernels $kernels --dump -1=again
    near "$kernels" again
done
expect_small 0 "" --plan whole.yaml --dump 7=layer
check "a split layer can be dumped" [ -s layer ]
expect_small 2 "layer 6 never exists" --plan whole.yaml --dump 6=layer

echo "# not by hand"
printf 'plan: 1\nsplit: [5]\n' >wrong.yaml
expect_small 3 "layer 5 cannot be split" --plan wrong.yaml
expect 2 "the network as it is" plan small.cfg --curve --rewrite

echo "# by the planner"
least() {
    "$tessera" plan small.cfg --memory 1M --threads 1 --search untiled -o /dev/null "$@" 2>&1 |
        sed -n 's/.*run again with --memory \([0-9]*\)K$/\1/p'
}
expect_small 0 "" --memory 64M --rewrite --dump -1=again
check "not split where nothing needs it" cmp network again
with=$(least --rewrite)
check "names the smallest budget" [ "$with" -gt 0 ]
# Sanitizers take memory that no budget counts.
if [ "${5:-}" = budgets ]; then
    expect_small 0 "" --memory "${with}K" --search untiled --threads 1 --rewrite --dump -1=again
    near "smallest budget" again
fi
finish
