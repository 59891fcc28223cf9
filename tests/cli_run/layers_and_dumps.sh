#!/bin/sh
# --layers and --dump: numbers from the end, parts of a network, tiles that leave the same bits.
. "$(dirname "$0")/cli_run.sh"
make_small

echo "# every layer, whole"
dumps=
for layer in 0 1 2 3 4 5 6 7 8; do
    dumps="$dumps --dump $layer=whole.$layer"
done
# shellcheck disable=SC2086 # a list of words
expect_small 0 "" --untiled $dumps
for sizes in "0 98304" "1 24576" "2 49152" "3 12288" "4 12288" "5 49152" "6 98304" "7 36864"; do
    check "layer, floats: $sizes" \
        [ "$(wc -c <"whole.${sizes% *}")" -eq $((4 * ${sizes#* })) ]
done

echo "# the same numbers from the end"
expect_small 0 "" --untiled --dump -1=last --dump -2=before --dump -9=first
check "-1 is 8" cmp last whole.8
check "-2 is 7" cmp before whole.7
check "-9 is 0" cmp first whole.0

echo "# parts"
expect_small 0 "" --untiled --layers 0..4 --dump 4=front --dump -6=third
check "layer 4 of 0..4" cmp front whole.4
check "-6 counts in the whole network" cmp third whole.3
expect 0 "" run small.cfg --weights small.weights --raw-input whole.2 --layers 3..8 --dump 8=back
check "layer 8 of 3..8, fed with layer 2" cmp back whole.8
expect 0 "" run small.cfg --weights small.weights --raw-input whole.2 --layers -6..-1 --dump -1=back
check "the same from the end" cmp back whole.8

echo "# tiles"
for grid in 2x1 2x2 3x2 4x3; do
    for halo in recompute reuse; do
        printf 'plan: 1\ngroups:\n  - layers: 0..3\n    grid: %s\n    halo: %s\n' \
            $grid $halo >plan.yaml
        dumps=$(printf '%s' "$dumps" | sed 's/whole/tiled/g')
        # shellcheck disable=SC2086
        expect_small 0 "" --plan plan.yaml $dumps
        for layer in 0 1 2 3 4 5 6 7 8; do
            check "layer $layer, 0..3 in $grid $halo" cmp whole.$layer tiled.$layer
        done
    done
done
expect_small 0 "" --kernels ref --untiled --dump -1=plain
"$raw_floats" compare plain whole.8 1e-5 >out || failed "plain kernels: $(cat out)"
expect_small 0 "" --kernels ref --plan plan.yaml --dump -1=plain.tiled
check "plain kernels, tiled" cmp plain plain.tiled
expect_small 0 "" --untiled --threads 1 --dump -1=one
check "one thread, the same bits" cmp one whole.8
expect_small 0 "" --untiled --threads 2 --dump -1=two
check "two threads, the same bits" cmp two whole.8
finish
