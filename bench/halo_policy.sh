#!/bin/sh
# Layers 0..15 of YOLOv2 at budgets, with halos kept, recomputed, or chosen group by group:
# predicted time, processor time (which a busy machine changes less than time) and memory. Rounds
# are interleaved, so that the machine is as busy for each. All plans of a run of this script are
# made for one set of kernel facts; from run to run the memory of the process itself differs by
# some 128 KiB, and with it which plan a budget has. Results must be the same bytes.
#
# Usage: bench/halo_policy.sh [ROUNDS [BUDGET...]]    [3 8300K 9650K 9813K 10382K 11660K 13600K
#        16400K]; see bench_common.sh
#        TESS_PROFILE     a device profile to plan with [none]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
rounds=${1:-3}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 8300K 9650K 9813K 10382K 11660K 13600K 16400K
planner=$(dirname "$tessera")/tessera-planner
cfg=$(cfg_of yolov2)
[ -n "$cfg" ] || die "no yolov2.cfg"
weights=$(weights_of yolov2)
input=$(input_of yolov2)
work=$cache/halo_policy
mkdir -p "$work"
repeats=10 # in one process, whose start counts too

# make_plan BUDGET POLICY: false if nothing fits.
make_plan() {
    "$planner" plan "$cfg" --layers 0..15 --threads 1 --memory "$1" --halo "$2" --facts-from-stdin \
        ${TESS_PROFILE:+--profile "$TESS_PROFILE"} --quiet <"$work/facts" >"$work/plan" \
        2>"$work/said" || return 1
    sed '/^budget/d; /^kernel_facts/,$d' "$work/plan" >"$work/$2.plan"
}

# tiled PLAN HALO: how many groups of more than one tile do that about halos.
tiled() {
    awk -v halo="$2" '/grid:/ { grid = $2 } /halo:/ { n += $2 == halo && grid != "1x1" }
        END { print n + 0 }' "$1"
}

# Milliseconds of processor that children of this shell have had. Not for a subshell.
children_ms() {
    times >"$work/times"
    awk 'NR == 2 { gsub(/[ms]/, " "); print ($1 * 60 + $2 + $3 * 60 + $4) * 1000 }' "$work/times"
}

run_plan() { # POLICY
    children_ms >"$work/before"
    "$tessera" run "$cfg" --layers 0..15 --weights "$weights" --raw-input "$input" --threads 1 \
        --plan "$work/$1.plan" --dump "15=$work/$1.out" --quiet --json "$work/$1.json" \
        --repeat "$repeats"
    children_ms >"$work/after"
    awk -v before="$(cat "$work/before")" -v repeats="$repeats" \
        '{ printf "%.1f\n", ($1 - before) / repeats }' "$work/after" >>"$work/$1.ms"
    cmp -s "$work/$1.out" "$work/first.out" || {
        [ ! -e "$work/first.out" ] || die "$1: other results"
        cp "$work/$1.out" "$work/first.out"
    }
}

print_circumstances "bench/halo_policy.sh $rounds $*"
echo "Groups: of more than one tile, keeping + recomputing halos. Time in ms: predicted, and of the"
echo "processor, the least and the median of $rounds interleaved processes of $repeats runs. Memory in MiB,"
echo "measured."
echo
echo "| budget | halos | groups | predicted | least | median | memory |"
echo "|---|---|---|---|---|---|---|"
rm -f "$work/first.out"
"$tessera" plan "$cfg" --layers 0..15 --memory 1G --threads 1 --quiet -o "$work/any"
sed -n '/^kernel_facts/,$p' "$work/any" >"$work/facts"
for budget; do
    fitting=
    for policy in reuse recompute any; do
        rm -f "$work/$policy.ms"
        if make_plan "$budget" "$policy"; then
            fitting="$fitting $policy"
        else
            echo "| $budget | $policy | nothing fits | | | | |"
        fi
    done
    round=0
    while [ "$round" -lt "$rounds" ]; do
        for policy in $fitting; do
            run_plan "$policy"
        done
        round=$((round + 1))
    done
    for policy in $fitting; do
        plan=$work/$policy.plan
        echo "| $budget | $policy | $(tiled "$plan" reuse) + $(tiled "$plan" recompute) |" \
            "$(sed -n 's/^  time_ms: //p' "$plan") | $(sort -g "$work/$policy.ms" | head -n 1) |" \
            "$(median <"$work/$policy.ms") | $(mib "$(number "$work/$policy.json" measured_peak_bytes)") |"
    done
done
