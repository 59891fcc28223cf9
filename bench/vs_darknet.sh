#!/bin/sh
# Tessera beside Debian's package darknet: the same weights, the same raw input, one thread on one
# processor. The systems take turns, so that a slow minute of the machine slows all of them; times
# are medians. Peaks are VmHWM of the whole process, the greatest of all rounds.
#
# tessera runs the compiled form of the weights, from the page cache.
#
#   1. YOLOv2-608, whole. Fails if the outputs differ by more than 1e-4 of the greatest magnitude,
#      or if one bit differs between tessera's own.
#   2. Layers 0..15 of it: searches dp and mafat against tessera's own untiled run. Fails if one
#      bit differs.
#
# Usage: bench/vs_darknet.sh [ROUNDS]    see bench_common.sh; TESS_BENCH_CPU is the processor [0]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
rounds=${1:-3}
cpu=${TESS_BENCH_CPU:-0}
export OMP_NUM_THREADS=1

[ -x "$darknet_forward" ] || die "no $darknet_forward: install Debian's package libdarknet-dev"

cfg=$(cfg_of yolov2)
weights=$(weights_of yolov2)
compiled=$(compiled_of yolov2)
input=$(input_of yolov2)
work=$cache/vs_darknet
rm -rf "$work"
mkdir -p "$work"

# darknet takes memory for the whole batch of a cfg.
sed 's/^batch *=.*/batch=1/; s/^subdivisions *=.*/subdivisions=1/' "$cfg" >"$work/whole.cfg"
awk '/^\[/ { n_sections++ } n_sections <= 17' "$work/whole.cfg" >"$work/part.cfg"

# Two runs of each process: the second finds its memory mapped. A file of times and one of peaks
# for each system.
run_darknet() { # NAME CFG DUMP
    taskset -c "$cpu" "$darknet_forward" "$2" "$weights" "$input" 2 "$3" \
        >"$work/said" 2>"$work/talk" || die "darknet failed, see $work/talk"
    sed -n 's/^time_ms //p' "$work/said" >>"$work/$1.ms"
    sed -n 's/^peak_bytes //p' "$work/said" >>"$work/$1.bytes"
}

run_tessera() { # NAME OPTION...
    system=$1
    shift
    taskset -c "$cpu" "$tessera" run "$compiled" --raw-input "$input" \
        --threads 1 --repeat 2 --quiet --json "$work/report" "$@" || die "tessera failed: $*"
    number "$work/report" min >>"$work/$system.ms"
    number "$work/report" max >>"$work/$system.ms"
    number "$work/report" measured_peak_bytes >>"$work/$system.bytes"
}

# A line of the table: NAME "WHAT" "BUDGET" and the systems that it is compared with.
line() {
    awk -v what="$2" -v budget="$3" -v ms="$(median <"$work/$1.ms")" \
        -v bytes="$(sort -g "$work/$1.bytes" | tail -n 1)" \
        -v their_ms="$(median <"$work/$4.ms")" \
        -v their_bytes="$(sort -g "$work/$4.bytes" | tail -n 1)" \
        -v own_ms="$(median <"$work/$5.ms")" \
        -v own_bytes="$(sort -g "$work/$5.bytes" | tail -n 1)" 'BEGIN {
            if (budget ~ /K$/)
                budget = sprintf("%.1fM", budget / 1024)
            printf "| %s | %s | %.0f | %.1f | %.3f | %.3f | %.3f | %.3f |\n", what, budget, ms,
                bytes / 1048576, ms / their_ms, bytes / their_bytes, ms / own_ms, bytes / own_bytes
        }'
}

heading() {
    echo
    echo "| $1 | budget | ms | peak MiB | time / darknet | peak / darknet | time / untiled |" \
        "peak / untiled |"
    echo "|---|---|---|---|---|---|---|---|"
}

# systems: NAME SEARCH BUDGET of tessera, one a line; "least" is what the planner names.
resolve() { # OPTION...: replaces "least" in the lines of standard input
    while read -r name search budget; do
        [ "$budget" != least ] ||
            budget=$(smallest_budget "$compiled" --raw-input "$input" --threads 1 \
                --search "$search" "$@")
        echo "$name $search $budget"
    done
}

limits() { # SEARCH BUDGET: the options; a budget of "none" leaves it to the time
    case $1,$2 in
    untiled,*) echo --untiled ;;
    *,none) echo "--search $1" ;;
    *) echo "--search $1 --memory $2" ;;
    esac
}

take_turns() { # PART LAST OPTION...: all systems of $work/PART.systems, in turns
    part=$1 last=$2
    shift 2
    for round in $(seq "$rounds"); do
        run_darknet "$part.darknet" "$work/$part.cfg" "$last=$work/$part.darknet.raw"
        while read -r name search budget; do
            # shellcheck disable=SC2046 # a list of words
            run_tessera "$part.$name" $(limits "$search" "$budget") "$@"
        done <"$work/$part.systems"
        echo "$part: round $round of $rounds" >&2
    done
}

print_part() { # PART
    line "$1.darknet" "darknet, Debian" - "$1.darknet" "$1.untiled"
    while read -r name search budget; do
        [ "$budget" != none ] || budget=-
        line "$1.$name" "tessera, $search" "$budget" "$1.darknet" "$1.untiled"
    done <"$work/$1.systems"
}

dump() { # FILE LAYER OPTION...: outside the timed runs, since dumps take time
    file=$1 layer=$2
    shift 2
    "$tessera" run "$compiled" --raw-input "$input" --threads 1 --quiet \
        --dump "$layer=$file" "$@" || die "tessera failed: $*"
}

resolve >"$work/whole.systems" <<'CASES'
untiled untiled none
dp dp none
dp128 dp 128M
dp64 dp 64M
dp32 dp 32M
dp16 dp 16M
dp_least dp least
mafat256 mafat 256M
mafat_least mafat least
CASES
resolve --layers 0..15 >"$work/part.systems" <<'CASES'
untiled untiled none
dp64 dp 64M
dp24 dp 24M
dp16 dp 16M
dp_least dp least
mafat96 mafat 96M
mafat64 mafat 64M
mafat40 mafat 40M
mafat_least mafat least
CASES

take_turns whole 30
take_turns part 15 --layers 0..15

print_circumstances "bench/vs_darknet.sh $rounds"
echo "One thread on processor $cpu, float32, random weights; medians of $((2 * rounds)) runs in turns."
echo "darknet's peak holds $(mib "$(sed -n 's/^library_bytes //p' "$work/said")") MiB that its" \
    "libraries take before it begins."
heading "YOLOv2-608"
print_part whole
heading "layers 0..15 of it"
print_part part
echo

result=0
printf 'Against darknet, layer 30: '
dump "$work/ours.raw" 30 --untiled
"$raw_floats" compare "$work/ours.raw" "$work/whole.darknet.raw" 1e-4 || result=1
printf 'Against darknet, layer 15: '
dump "$work/untiled.raw" 15 --untiled --layers 0..15
"$raw_floats" compare "$work/untiled.raw" "$work/part.darknet.raw" 1e-4 || result=1
alike() { # PART LAST UNTILED OPTION...: every plan's output beside the untiled one
    part=$1 last=$2 untiled=$3
    shift 3
    while read -r name search budget; do
        [ "$search" != untiled ] || continue
        # shellcheck disable=SC2046 # a list of words
        dump "$work/tiled.raw" "$last" $(limits "$search" "$budget") "$@"
        cmp "$untiled" "$work/tiled.raw" || { result=1 && echo "DIFFERENT: $part $name"; }
    done <"$work/$part.systems"
}
alike whole 30 "$work/ours.raw"
alike part 15 "$work/untiled.raw" --layers 0..15
[ "$result" -ne 0 ] || echo "Every plan: each bit as untiled."
exit "$result"
