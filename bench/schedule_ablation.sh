#!/bin/sh
# What each part of the exact ordering method is worth: the same graphs with each left out. Fails if
# an order is not valid, a bound above a peak, or above a peak that is known.
#
# Usage: bench/schedule_ablation.sh [SECONDS [GRAPH...]]   limit per run [20]; graphs as
#        bench/schedule_known.c names them [some of each kind]; see bench_common.sh
#        TESS_GRAPHS_DIR   benchmark graphs, and known.csv [none: random ones of the same kinds only]
#        TESS_BENCH_CPU    the processor [0]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
seconds=${1:-20}
[ $# -eq 0 ] || shift
cpu=${TESS_BENCH_CPU:-0}
program=$build/bench/schedule_known
graphs=${TESS_GRAPHS_DIR:-}
work=$cache/schedule_ablation
parts="nothing fusion cuts beam climb safe valleys windows fusion+safe"
numbers="0 1 2 4 8 16 32 64 17" # of tess_order_part
[ -x "$program" ] || die "no $program: build first"
mkdir -p "$work"

if [ $# -eq 0 ]; then
    set -- randwire:3 nasnet:4 pnas:2 darts:6 bifpn:5 hrnet:1 swift:3 layered:1 layered:5
    for name in swiftnet_cellA amoebanet_a_large hmcos_nasnet_cifar randwire_cell_c78_s1 \
        randwire_cifar100_s1 efficientdet_d0_bifpn moccasin_rl100 moccasin_rl500; do
        [ ! -r "$graphs/$name.json" ] || set -- "$@" "$graphs/$name.json"
    done
fi
known=
[ ! -r "$graphs/known.csv" ] || known="known=$graphs/known.csv"

faults=0
for part in $parts; do
    off=${numbers%% *}
    numbers=${numbers#* }
    # shellcheck disable=SC2086 # no word if there is none
    taskset -c "$cpu" "$program" $known models=base gaps=1 seconds="$seconds" off="$off" "$@" \
        >"$work/$part" || faults=1
done

print_circumstances "bench/schedule_ablation.sh $seconds"
echo "Model base; at most $seconds s per run on processor $cpu. Per part left out: seconds of the"
echo "processor, and how far the bound was below the peak where they did not meet."
echo
echo "| graph | tasks | after fusion | $(echo "$parts" | sed 's/ / | /g') |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for part in $parts; do
    sed -n 's/ *| */|/gp' "$work/$part" | awk -F'|' -v part="$part" 'NR > 2 {
        print $2 "|" $5 "|" $6 "|" part "|" $12 ($9 == "proven" ? "" : ", " $9) "|" \
            ($14 == "ok" ? "" : " **" $14 "**") }'
done | awk -F'|' -v parts="$parts" '
    !($1 in tasks) { names[++n] = $1; tasks[$1] = $2; fused[$1] = $3 }
    { cell[$1, $4] = $5 $6 }
    END {
        n_parts = split(parts, part, " ")
        for (i = 1; i <= n; i++) {
            printf "| %s | %s | %s |", names[i], tasks[names[i]], fused[names[i]]
            for (k = 1; k <= n_parts; k++)
                printf " %s |", cell[names[i], part[k]]
            printf "\n"
        }
    }'
echo
echo "In all with nothing left out: $(tail -n 1 "$work/nothing")"
exit "$faults"
