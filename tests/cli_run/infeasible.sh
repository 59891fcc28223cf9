#!/bin/sh
# A budget that nothing fits: exit code 5 names the smallest that works, and it does work. A
# process that grows beyond its budget ends with exit code 6.
. "$(dirname "$0")/cli_run.sh"
make_small
greedy=${5:-}

minimum() { # what the last message asks for
    sed -n 's/.*run again with --memory \([0-9]*K\).*/\1/p' said
}

try() { # OPTION...
    expect_small 5 "run again with --memory" --memory 1M "$@"
    least=$(minimum)
    if [ -z "$least" ]; then
        failed "no minimum named: $*"
        return
    fi
    expect_small 0 "" --memory "$least" --json report.json --dump -1=tiled "$@"
    check "measured $(number report.json measured_peak_bytes) is within $least: $*" \
        [ "$(number report.json measured_peak_bytes)" -le $((${least%K} * 1024)) ]
    check "the same bits within $least: $*" cmp whole tiled
    # The process itself takes a few hundred KiB more or less from run to run.
    expect_small 5 "run again with --memory" --memory "$((${least%K} - 640))K" "$@"
}

small --untiled --dump -1=whole --quiet || failed "untiled"
for search in dp mafat untiled; do
    for threads in 1 2; do
        try --search $search --threads $threads
    done
done
try --halo recompute
try --halo reuse
try --no-columns
try --no-copies
try --layers 0..8 --threads 1

echo "# a plan of one's own"
printf 'plan: 1\ngroups:\n  - layers: 0..3\n    grid: 2x2\n' >plan.yaml
expect_small 5 "this plan needs" --plan plan.yaml --memory 1M
needed=$(sed -n 's/.*raise --memory to \([0-9]*K\).*/\1/p' said)
expect_small 0 "" --plan plan.yaml --memory "$needed"

if [ -n "$greedy" ]; then
    echo "# a process that takes more than was planned"
    LD_PRELOAD=$greedy "$tessera" run small.cfg --weights small.weights \
        --raw-input small.raw --memory 6M --quiet >out 2>said
    check "exit code 6" [ $? -eq 6 ]
    check "names what overran" grep -q "above the budget of 6.0 MiB: the process itself" said
fi
finish
