#!/bin/sh
# Three peaks of memory, over networks, budgets and searches: predicted from the plan, verified by
# the independent checker, measured by the operating system (VmHWM). Fails if any case breaks
#
#     measured <= predicted <= 1.03 * measured + 0.5 MB
#
# Usage: bench/memory_table.sh [WORD]    only cases that contain WORD; see bench_common.sh
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
only=${1:-}

# network (NAME.tess: its compiled form), layers ("all" or A..B), search ("untiled": no plan),
# budget ("none", or "least": the smallest that the planner names), threads
cases() {
    sed 's/#.*//; /^ *$/d' <<'END'
yolov2      0..15  untiled  none   1
yolov2      0..15  dp       128M   1
yolov2      0..15  dp       96M    1
yolov2      0..15  dp       64M    1
yolov2      0..15  dp       64M    2
yolov2      0..15  dp       48M    1
yolov2      0..15  dp       40M    1
yolov2      0..15  dp       32M    1
yolov2      0..15  dp       least  1
yolov2      0..15  mafat    96M    1
yolov2      0..15  mafat    64M    1
yolov2      0..15  mafat    48M    1
yolov2      0..15  mafat    least  1
yolov2      all    untiled  none   1
yolov2      all    dp       256M   1
yolov2      all    dp       224M   1
yolov2      all    dp       128M   1
yolov2      all    dp       64M    1
yolov2      all    dp       32M    2
yolov2      all    dp       16M    1
yolov2      all    dp       least  1
yolov2.tess all    dp       none   1
yolov2.tess all    dp       64M    1
yolov2.tess all    dp       32M    1
yolov2.tess all    dp       16M    1
yolov2.tess all    dp       16M    2
yolov2.tess all    dp       least  1
yolov2.tess 0..15  dp       24M    1
yolov2.tess 0..15  dp       least  1
yolov2      all    mafat    256M   1
yolov2-tiny all    untiled  none   1
yolov2-tiny all    dp       56M    1
yolov2-tiny all    dp       least  1
yolov2-tiny all    mafat    64M    1
yolov3-tiny all    untiled  none   1
yolov3-tiny all    dp       48M    1
yolov3-tiny all    dp       least  1
yolov3      all    untiled  none   1
yolov3      all    dp       288M   1
yolov3      all    dp       64M    1
yolov3      all    dp       32M    1
yolov3      all    dp       least  1
yolov3.tess all    dp       32M    1
yolov3.tess all    dp       least  1
yolov3-spp  all    dp       least  1
darknet19   all    untiled  none   1
darknet19   all    dp       least  1
resnet50    all    untiled  none   1
resnet50    all    dp       least  1
resnet50    all    mafat    104M   1
densenet201 all    untiled  none   1
densenet201 all    dp       least  1
densenet201 all    mafat    96M    1
yolo-fastest-1.1 all untiled none  1
yolo-fastest-1.1 all dp      16M   1
yolo-fastest-1.1 all dp      8M    1
yolo-fastest-1.1 all dp      least 1
yolo-fastest-1.1 all dp      least 2
END
}

report=$cache/memory_table.json
count=0
broken=0

run_case() { # NETWORK LAYERS SEARCH BUDGET THREADS
    network=${1%.tess}
    cfg=$(cfg_of "$network")
    if [ -z "$cfg" ]; then
        echo "| $1 | | | left out: no $network.cfg |"
        return
    fi
    if [ -r "$models/dog.jpg" ] && [ -r "$models/$network.cfg" ]; then
        input="--image $models/dog.jpg"
    else
        input="--raw-input $(input_of "$network")"
    fi
    options="$input --threads $5"
    if [ "$network" = "$1" ]; then
        options="--weights $(weights_of "$1") $options"
    else
        cfg=$(compiled_of "$network")
    fi
    [ "$2" = all ] || options="$options --layers $2"
    [ "$3" = untiled ] || options="$options --search $3"
    budget=$4
    # shellcheck disable=SC2086 # a list of words
    [ "$4" != least ] || budget=$(smallest_budget "$cfg" $options)
    limit="--memory $budget"
    [ "$budget" != none ] || limit=
    [ "$3" != untiled ] || limit=--untiled
    code=0
    # shellcheck disable=SC2086
    "$tessera" run "$cfg" $options $limit --quiet --json "$report" \
        2>"$cache/memory_table.said" || code=$?
    # Exit code 6, budget exceeded, comes with a report.
    if [ "$code" -ne 0 ] && [ "$code" -ne 6 ]; then
        cat "$cache/memory_table.said" >&2
        die "exit code $code of $1 $2 $3 $4"
    fi
    count=$((count + 1))
    row "$1" "$2" "$3" "$budget" "$5" || broken=$((broken + 1))
}

row() {
    awk -v network="$1" -v layers="$2" -v search="$3" -v budget="$4" -v threads="$5" \
        -v predicted="$(number "$report" predicted_peak_bytes)" \
        -v verified="$(number "$report" verified_peak_bytes)" \
        -v measured="$(number "$report" measured_peak_bytes)" \
        -v ms="$(number "$report" median)" 'BEGIN {
            mib = 1048576
            verdict = measured > predicted ? "ABOVE" : \
                predicted > 1.03 * measured + 0.5e6 ? "LOOSE" : "ok"
            if (budget ~ /K$/)
                budget = sprintf("%.1fM", budget / 1024)
            printf "| %s | %s | %s | %s | %d | %.2f | %.2f | %.2f | %+d | %.0f | %s |\n", network, \
                layers, search, budget, threads, predicted / mib, verified / mib, measured / mib, \
                (predicted - measured) / 1024, ms, verdict
            exit verdict != "ok"
        }'
}

print_circumstances "bench/memory_table.sh${only:+ $only}"
echo "Memory in MiB; gap: predicted - measured, in KiB; time of one run, in ms."
echo
echo "| network | layers | search | budget | threads | predicted | verified | measured | gap | time | rule |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
cases | grep -e "$only" >"$cache/memory_table.cases"
while read -r network layers search budget threads; do
    run_case "$network" "$layers" "$search" "$budget" "$threads"
done <"$cache/memory_table.cases"
echo
echo "$count cases, $broken break the rule."
[ "$broken" -eq 0 ]
