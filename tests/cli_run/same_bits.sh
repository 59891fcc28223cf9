#!/bin/sh
# Layers 0..15 of YOLOv2-608, tiled and untiled: every byte of the layers looked at is the same.
# The published tilings come from configs/plans; searches at falling budgets follow. Looks also
# into the middle of groups, where halos overlap.
. "$(dirname "$0")/cli_run.sh"
source_dir=$5
has_budgets=${6:-} # sanitizers take memory that no budget counts
model=$source_dir/configs/models/yolov2.cfg
layers="0 4 7 10 13 15"

"$tessera" synth "$model" --seed 1 --quiet -o weights || exit 1
"$raw_floats" random $((608 * 608 * 3)) 1 input || exit 1

# One thread: on a busy machine two wait for each other more than they compute.
run() { # NAME OPTION...: leaves NAME.LAYER for every layer
    name=$1
    shift
    dumps=
    for layer in $layers; do
        dumps="$dumps --dump $layer=$name.$layer"
    done
    # shellcheck disable=SC2086 # a list of words
    "$tessera" run "$model" --weights weights --raw-input input --layers 0..15 --threads 1 \
        --quiet $dumps "$@"
}

compare() { # WHAT OPTION...
    tiling=$1
    shift
    check "runs: $tiling" run tiled "$@"
    for layer in $layers; do
        check "layer $layer: $tiling" cmp "whole.$layer" "tiled.$layer"
    done
    rm -f tiled.*
}

plan() { # NAME "FIRST..LAST RxC HALO"...: a plan file
    name=$1
    shift
    printf 'plan: 1\ngroups:\n' >"$name.yaml"
    for group in "$@"; do
        # shellcheck disable=SC2086
        set -- $group
        printf '  - layers: %s\n    grid: %s\n    halo: %s\n' "$1" "$2" "$3" >>"$name.yaml"
    done
}

run whole --untiled || exit 1

# The plans whose schedule is the natural one can be cut to these layers.
for file in "$source_dir"/configs/plans/yolov2-608-*.yaml; do
    grep -q '^schedule:' "$file" && continue
    compare "$(basename "$file")" --plan "$file"
done

# MAFAT's notation: grid of the first group / first layer of the second / its grid.
for halo in recompute reuse; do
    plan cut_4 "0..3 4x4 $halo" "4..15 3x3 $halo"
    plan cut_8 "0..7 5x5 $halo" "8..15 2x2 $halo"
    plan cut_8_coarse "0..7 3x3 $halo" "8..15 2x2 $halo"
    plan cut_12 "0..11 5x5 $halo" "12..15 2x2 $halo"
    plan no_cut_1 "0..15 1x1 $halo"
    plan no_cut_2 "0..15 2x2 $halo"
    plan no_cut_3 "0..15 3x3 $halo"
    plan no_cut_5 "0..15 5x5 $halo"
    plan bands "0..15 19x1 $halo"
    plan columns "0..15 1x4 $halo"
    plan odd "0..2 7x3 $halo" "3..9 1x5 $halo" "10..15 4x3 $halo"
    for name in cut_4 cut_8 cut_8_coarse cut_12 no_cut_1 no_cut_2 no_cut_3 no_cut_5 bands columns odd; do
        compare "$name $halo" --plan $name.yaml
    done
done

if [ -n "$has_budgets" ]; then
    for search in dp mafat; do
        for memory in 96M 64M 40M 30M; do
            compare "$search within $memory" --search $search --memory $memory
        done
        run tiled --search $search --memory 1M >out 2>said
        least=$(sed -n 's/.*run again with --memory \([0-9]*K\).*/\1/p' said)
        compare "$search within the least, $least" --search $search --memory "$least"
    done
    compare "two threads" --search dp --memory 40M --threads 2
fi

run plain --untiled --kernels ref || failed "plain kernels"
for layer in $layers; do
    mv "plain.$layer" "whole.$layer"
done
compare "plain kernels, 5x5/8/2x2" --kernels ref --plan cut_8.yaml
finish
