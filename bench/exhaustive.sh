#!/bin/sh
# Is the plan that the planner chooses really about the fastest? Measures more than 200 hand-made
# configurations of layers 0..15 of YOLOv2-608 (the part that MAFAT tiles), then compares, for five
# budgets, the chosen plan with the fastest configuration that fits the budget.
#
# Every configuration is measured once; per budget the FINALISTS best of those that fit are measured
# again together with the chosen plan, in turns, and medians of those turns are compared: the best of
# 200 noisy numbers is not the best of 200 configurations. Fails if the chosen plan takes more than
# 1.03 times the best one's time at any budget.
#
# Usage: bench/exhaustive.sh [TURNS [REPEAT]]   turns of the finals [9], runs a turn [3]
#        see bench_common.sh; TESS_BENCH_CPU is the processor [0], TESS_BENCH_PROFILE a device
#        profile [measured first]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
turns=${1:-9}
repeat=${2:-3}
cpu=${TESS_BENCH_CPU:-0}
budgets="12M 16M 24M 36M 64M"
finalists=5

model=$(compiled_of yolov2)
input=$(input_of yolov2)
work=$cache/exhaustive
rm -rf "$work"
mkdir -p "$work/plans" "$work/reports"

# --- configurations: one plan file each ---

# plan NAME STREAMED LAYERS GRID HALO [LAYERS GRID HALO]...
plan() {
    file=$work/plans/$1.yaml
    streamed=$2
    shift 2
    {
        echo "plan: 1"
        echo "groups:"
        while [ $# -gt 0 ]; do
            printf '  - layers: %s\n    grid: %s\n    halo: %s\n' "$1" "$2" "$3"
            shift 3
        done
        [ -z "$streamed" ] || printf 'streamed: [%s]\nslice: 512K\n' "$streamed"
    } >"$file"
}

# MAFAT's own space: two groups, square grids, halos recomputed.
for cut in 4 8 12; do
    for top in 1 2 3 4 5; do
        for bottom in 1 2 3; do
            plan "mafat-$top-$cut-$bottom" "" "0..$((cut - 1))" "${top}x$top" recompute \
                "$cut..15" "${bottom}x$bottom" recompute
        done
    done
done
for side in 1 2 3 4 5; do
    plan "mafat-$side-nocut" "" 0..15 "${side}x$side" recompute
done

# Bands: one to three groups, from 304 bands (of the first pool's rows) to 2. Layer 12 on is where
# weights are large: they are held, or streamed.
for bands in 152 76 38 19 10 5 2; do
    plan "bands-$bands" "" 0..15 "${bands}x1" reuse
    plan "bands-$bands-streamed" "12, 14" 0..15 "${bands}x1" reuse
done
for streamed in "" "12, 14" "8, 10, 12, 13, 14"; do
    name=$(echo "$streamed" | tr -d ' ' | tr , -)
    for cut in 4 8 12; do
        for top in 304 152 76 38 19 8; do
            for bottom in 19 8 4 2; do
                [ "$top" -ge "$bottom" ] || continue
                plan "bands-$top-$cut-$bottom${name:+-streamed-$name}" "$streamed" \
                    "0..$((cut - 1))" "${top}x1" reuse "$cut..15" "${bottom}x1" reuse
            done
        done
    done
    for top in 152 76 38; do
        for bottom in 1 2 4; do
            plan "bands-$top-$((top / 2))-$bottom${name:+-streamed-$name}" "$streamed" \
                0..7 "${top}x1" reuse 8..11 "$((top / 2))x1" reuse 12..15 "${bottom}x1" reuse
        done
    done
done
n_plans=$(find "$work/plans" -name '*.yaml' | wc -l)
[ "$n_plans" -ge 200 ] || die "only $n_plans configurations"

# --- measuring ---

run() { # REPORT REPEAT OPTION...
    report=$1
    times=$2
    shift 2
    taskset -c "$cpu" "$tessera" run "$model" --layers 0..15 --raw-input "$input" --threads 1 \
        --repeat "$times" --quiet --json "$report" "$@" 2>"$work/said" || {
        cat "$work/said" >&2
        die "failed: $*"
    }
}

profile=${TESS_BENCH_PROFILE:-$work/profile.yaml}
[ -r "$profile" ] || taskset -c "$cpu" "$tessera" bench --profile --threads 1 -o "$profile" --quiet

for file in "$work"/plans/*.yaml; do
    name=$(basename "$file" .yaml)
    run "$work/reports/$name" "$repeat" --plan "$file"
    echo "$(number "$work/reports/$name" median) $(number "$work/reports/$name" measured_peak_bytes) $name"
done >"$work/all"
sort -g "$work/all" >"$work/sorted"

bytes_of() { # 12M
    echo $((${1%M} * 1048576))
}

finals() { # BUDGET: one line of the table
    most=$(bytes_of "$1")
    awk -v most="$most" '$2 <= most { print $3 }' "$work/sorted" | head -n "$finalists" \
        >"$work/finalists"
    n_fitting=$(awk -v most="$most" '$2 <= most' "$work/sorted" | wc -l)
    "$tessera" plan "$model" --layers 0..15 --memory "$1" --threads 1 --profile "$profile" --quiet \
        -o "$work/chosen.yaml"
    rm -f "$work"/times.*
    turn=0
    while [ "$turn" -lt "$turns" ]; do
        run "$work/report" "$repeat" --plan "$work/chosen.yaml" --memory "$1"
        number "$work/report" median >>"$work/times.chosen"
        peak=$(number "$work/report" measured_peak_bytes)
        while read -r name; do
            run "$work/report" "$repeat" --plan "$work/plans/$name.yaml"
            number "$work/report" median >>"$work/times.$name"
        done <"$work/finalists"
        turn=$((turn + 1))
    done
    best=none
    best_ms=1e9
    while read -r name; do
        ms=$(median <"$work/times.$name")
        if awk "BEGIN { exit !($ms < $best_ms) }"; then
            best=$name
            best_ms=$ms
        fi
    done <"$work/finalists"
    awk -v budget="$1" -v n="$n_fitting" -v best="$best" -v best_ms="$best_ms" -v peak="$peak" \
        -v ms="$(median <"$work/times.chosen")" 'BEGIN {
            printf "| %s | %d | %s | %.1f | %.1f | %.1f | %.3f |\n", budget, n, best, best_ms, ms,
                peak / 1048576, ms / best_ms
            exit ms > 1.03 * best_ms
        }'
}

print_circumstances "bench/exhaustive.sh $turns $repeat"
echo "$n_plans configurations of layers 0..15 of YOLOv2-608, one thread on processor $cpu; medians" \
    "of $turns turns of $repeat runs."
echo
echo "| budget | fit | best of them | ms | chosen plan, ms | its peak, MiB | chosen / best |"
echo "|---|---|---|---|---|---|---|"
n_slow=0
for budget in $budgets; do
    finals "$budget" || n_slow=$((n_slow + 1))
done
echo
echo "$n_slow budgets at which the chosen plan is more than 3 % slower than the best."
[ "$n_slow" -eq 0 ]
