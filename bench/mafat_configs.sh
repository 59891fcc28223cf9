#!/bin/sh
# Layers 0..15 of YOLOv2-608 under the tilings of configs/plans, those published for DeepThings and
# MAFAT among them. Fails if one bit of the output differs from untiled, or if the measured peak is
# above the predicted one.
#
# Usage: bench/mafat_configs.sh [REPEAT]    see bench_common.sh; TESS_BENCH_CPU is the processor [0]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
repeat=${1:-5}
cpu=${TESS_BENCH_CPU:-0}

cfg=$(cfg_of yolov2)
weights=$(weights_of yolov2)
input=$(input_of yolov2)
work=$cache/mafat_configs
rm -rf "$work"
mkdir -p "$work"
broken=0

part() { # OPTION...
    taskset -c "$cpu" "$tessera" run "$cfg" --layers 0..15 --weights "$weights" \
        --raw-input "$input" --threads 1 --quiet "$@" || die "failed: $*"
}

# Dumping takes time, so the run that is compared is not the one that is timed.
row() { # NAME OPTION...
    name=$1
    shift
    part --dump 15="$work/output" "$@"
    [ "$name" != untiled ] || mv "$work/output" "$work/untiled"
    [ "$name" = untiled ] || cmp "$work/untiled" "$work/output" || name="$name DIFFERENT"
    part --repeat "$repeat" --json "$work/report" "$@"
    [ "${name#* }" = "$name" ] || broken=$((broken + 1))
    ms=$(number "$work/report" median)
    measured=$(number "$work/report" measured_peak_bytes)
    predicted=$(number "$work/report" predicted_peak_bytes)
    [ "$measured" -le "$predicted" ] || broken=$((broken + 1))
    [ "$name" != untiled ] || { untiled_ms=$ms && untiled_bytes=$measured; }
    awk -v name="$name" -v ms="$ms" -v bytes="$measured" -v predicted="$predicted" \
        -v untiled_ms="$untiled_ms" -v untiled_bytes="$untiled_bytes" 'BEGIN {
            printf "| %s | %.0f | %.1f | %.1f | %.3f | %.3f |\n", name, ms, predicted / 1048576,
                bytes / 1048576, ms / untiled_ms, bytes / untiled_bytes
        }'
}

print_circumstances "bench/mafat_configs.sh $repeat"
echo "Layers 0..15 of YOLOv2-608; one thread on processor $cpu; medians of $repeat runs."
echo
echo "| plan | ms | predicted MiB | measured MiB | time / untiled | peak / untiled |"
echo "|---|---|---|---|---|---|"
row untiled --untiled
n_plans=0
for file in configs/plans/yolov2-608-*.yaml; do
    # A schedule names all layers of the network: such a plan cannot be cut to these.
    grep -q '^schedule:' "$file" && continue
    row "$(basename "$file" .yaml)" --plan "$file"
    n_plans=$((n_plans + 1))
done
echo
echo "$n_plans plans compared with untiled byte by byte, $broken faults."
[ "$n_plans" -gt 0 ] && [ "$broken" -eq 0 ]
