#!/bin/sh
# A plan whose weights are read again during each run: from cfg and weights as from a compiled
# model, with any slices, the same bits; a damaged slice ends the run that meets it.
. "$(dirname "$0")/cli_run.sh"
make_small
expect 0 "" compile small.cfg small.weights -o small.tess --quiet
expect_small 0 "" --untiled --dump -1=whole

# stream NAME "LAYERS" [SLICE]: NAME.yaml, tiled at its start
stream() {
    printf 'plan: 1\ngroups:\n  - layers: 0..3\n    grid: 3x2\n    halo: recompute\nstreamed: [%s]\n' \
        "$2" >"$1.yaml"
    [ -z "${3:-}" ] || echo "slice: $3" >>"$1.yaml"
}

# compare NAME N_STREAMED OPTION...: both kinds of model file
compare() {
    name=$1 n=$2
    shift 2
    rm -f streamed compiled
    expect_small 0 "" --plan "$name.yaml" --dump -1=streamed --json report.json --repeat 3 "$@"
    check "the same bits from weights: $name $*" cmp whole streamed
    check "$n are streamed" [ "$(number report.json n_streamed)" -eq "$n" ]
    expect 0 "" run small.tess --raw-input small.raw --plan "$name.yaml" \
        --dump -1=compiled --json report.json --repeat 3 "$@"
    check "the same bits, compiled: $name $*" cmp whole compiled
}

stream one 7
stream all "0, 2, 4, 7" 64K
stream least "0, 2, 4, 7"
for threads in 1 2; do
    compare one 1 --threads $threads
    compare all 4 --threads $threads
    compare least 4 --threads $threads
done
check "no weights are held" [ "$(number report.json weights_bytes)" -eq 0 ]
expect 0 "the plan is right" verify small.tess --plan all.yaml

echo "# families that cannot"
for kernels in xnn ref; do
    expect_small 3 "family $kernels cannot stream weights" --plan all.yaml --kernels $kernels
    check "says what to do" grep -q -e '--kernels nat' said
done

echo "# damage is met in the run"
size=$(wc -c <small.tess)
byte=$(od -An -tu1 -j $((size - 1)) -N 1 small.tess | tr -d ' ')
cp small.tess bad.tess
# shellcheck disable=SC2059 # the format is the byte
printf "\\$(printf %o $((255 - byte)))" | dd of=bad.tess bs=1 seek=$((size - 1)) conv=notrunc 2>/dev/null
expect 4 "layer 7, block 1 of its 2: the weights. checksum is wrong" run bad.tess \
    --raw-input small.raw --plan one.yaml --dump 8=bad.raw --json bad.json
check "no report of it" [ ! -e bad.json ]
check "no result from damaged weights" [ ! -s bad.raw ]
finish
