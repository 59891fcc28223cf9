#!/bin/sh
# What splitting convolutions of routes saves: the smallest budget with and without --rewrite, what
# running that plan measures, and how far the results are from the network's own.
#
# Both plans are made for one set of kernel facts, so that they differ by what is asked here and not
# by what one start of the program measures more than another; and run without a budget.
#
# Usage: bench/rewriting_table.sh [WORD]    only networks that contain WORD; see bench_common.sh
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
only=${1:-}
planner=$(dirname "$tessera")/tessera-planner
facts=$cache/rewriting.facts
spread_kib=256 # TESS_BASE_SPREAD_BYTES, which a smallest budget that is named has in it

# plan CFG OPTION...: the planner with these facts
plan() {
    "$planner" plan "$@" --facts-from-stdin --threads 1 --quiet <"$facts"
}

# The median of three lines, each a number.
median() {
    sort -n | sed -n 2p
}

# measure NETWORK NAME OPTION...: the smallest plan, run thrice; its columns. The plan stays in
# NAME.plan, the results in NAME.out.
measure() {
    network=$1 name=$cache/rewriting.$2
    cfg=$(cfg_of "$network")
    shift 2
    said=$(plan "$cfg" --memory 1M "$@" 2>&1 >/dev/null) || true
    kib=$(echo "$said" | sed -n 's/.*run again with --memory \([0-9]*\)K$/\1/p')
    [ -n "$kib" ] || die "$network: $said"
    kib=$((kib - spread_kib))
    plan "$cfg" --memory "${kib}K" "$@" | sed '/^budget/d; /^kernel_facts/,$d' >"$name.plan"
    : >"$name.bytes"
    : >"$name.ms"
    for _ in 1 2 3; do
        "$tessera" run "$cfg" --weights "$(weights_of "$network")" \
            --raw-input "$(input_of "$network")" --threads 1 --plan "$name.plan" \
            --dump "-1=$name.out" --quiet --json "$name.json"
        number "$name.json" measured_peak_bytes >>"$name.bytes"
        number "$name.json" median >>"$name.ms"
    done
    awk -v kib="$kib" -v arena="$(number "$name.json" arena_bytes)" \
        -v bytes="$(median <"$name.bytes")" -v ms="$(median <"$name.ms")" 'BEGIN {
            printf "%.2f | %.2f | %.2f | %.0f", kib / 1024, arena / 1048576, bytes / 1048576, ms
        }'
}

row() { # NETWORK
    if [ -z "$(cfg_of "$1")" ]; then
        echo "| $1 | left out: no $1.cfg |"
        return
    fi
    "$tessera" plan "$(cfg_of "$1")" --memory 1G --threads 1 --quiet -o "$cache/rewriting.any"
    sed -n '/^kernel_facts/,$p' "$cache/rewriting.any" >"$facts"
    without=$(measure "$1" without)
    with=$(measure "$1" with --rewrite)
    split=$(sed -n 's/^split: //p' "$cache/rewriting.with.plan")
    said=$("$raw_floats" compare "$cache/rewriting.with.out" "$cache/rewriting.without.out" \
        1e-5) || die "$1: $said"
    far=$(echo "$said" | sed 's/.* that is \([^ ]*\) of the .*/\1/')
    echo "| $1 | $without | $with | ${split:-none} | $far |"
}

print_circumstances "bench/rewriting_table.sh${only:+ $only}"
echo "Memory in MiB: the smallest budget that the planner finds, its arena, what the system measured;"
echo "time in ms, medians of 3. Difference: of the last layer's output, of its greatest magnitude."
echo
echo "| network | budget | arena | measured | time | --rewrite: budget | arena | measured | time | split layers | difference |"
echo "|---|---|---|---|---|---|---|---|---|---|---|"
for network in yolov3-tiny yolov3 densenet201 resnext50; do
    case $network in
    *"$only"*) row "$network" ;;
    esac
done
