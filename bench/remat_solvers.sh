#!/bin/sh
# The programme of gaps and greedy splitting beside Checkmate's programme, in the same GLPK, on the
# same graphs and budgets: seconds, and extra time of what is found. Fails if Checkmate's programme
# finds something cheaper, or if both finish and the programme of gaps is not ten times faster.
#
# Small random graphs are made here; training graphs come from TESS_GRAPHS_DIR, if it has any.
#
# Usage: bench/remat_solvers.sh [SECONDS [PERCENT...]]    limit [120], budgets [90]
#        TESS_GRAPHS_DIR   checkmate_*_train.json, see bench_common.sh for others
#        TESS_BENCH_CPU    the processor [0]
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
limit=${1:-120}
[ $# -eq 0 ] || shift
percents=${*:-90}
graphs=${TESS_GRAPHS_DIR:-}
code=0

# random_graph TASKS SEED: each task reads the one before it and up to two others.
random_graph() {
    awk -v n="$1" -v seed="$2" 'function draw(most) {
            seed = (seed * 16807) % 2147483647
            return seed % most
        }
        BEGIN {
            printf "{\"name\": \"random_%d_%d\", \"nodes\": [", n, seed
            for (i = 0; i < n; i++) {
                reads = i > 0 ? i - 1 : ""
                for (k = 0; k < 2 && i > 2; k++)
                    if ((other = draw(2 * i)) < i - 1 && !((i, other) in seen)) {
                        seen[i, other] = 1
                        reads = reads ", " other
                    }
                printf "%s{\"id\": %d, \"op\": \"generic\", \"inputs\": [%s], \"outputs\": [%d], \"cost\": %d}",
                    i ? ", " : "", i, reads, i, 1 + draw(50)
            }
            printf "], \"tensors\": ["
            for (i = 0; i < n; i++)
                printf "%s{\"id\": %d, \"bytes\": %d}", i ? ", " : "", i, 10 + draw(90)
            print "], \"inputs\": [], \"outputs\": []}"
        }'
}

# solve GRAPH PERCENT METHOD: seconds and extra percent, or "-" for none within the budget, then
# why there is nothing more to say: finished, limit, large.
solve() {
    report=$cache/remat_solvers.json
    start=$(date +%s.%N)
    if ! said=$(taskset -c "${TESS_BENCH_CPU:-0}" "$tessera" schedule "$1" --budget "$2%" \
        --keep-order --model base --remat "$3" --time-limit "$limit" --json "$report" \
        --quiet 2>&1); then
        case $said in
        *"too large"*) echo "- - large" ;;
        *within*) date +%s.%N | awk -v start="$start" -v limit="$limit" '{
                seconds = $1 - start
                printf "%.3f - %s\n", seconds, seconds < 0.9 * limit ? "finished" : "limit"
            }' ;;
        *) die "$1: $said" ;;
        esac
        return
    fi
    awk -v seconds="$(number "$report" seconds)" -v extra="$(number "$report" extra_time_percent)" \
        -v limit="$limit" -v fits="$(sed -n 's/.*"fits": \([a-z]*\).*/\1/p' "$report")" 'BEGIN {
            printf "%.3f %s %s\n", seconds, fits == "true" ? sprintf("%.3f", extra) : "-",
                seconds < 0.9 * limit ? "finished" : "limit"
        }'
}

row() { # GRAPH PERCENT
    gap=$(solve "$1" "$2" gap)
    greedy=$(solve "$1" "$2" greedy)
    checkmate=$(solve "$1" "$2" checkmate)
    name=$(basename "$1" .json)
    echo "$gap $greedy $checkmate" | awk -v name="${name#checkmate_}" -v percent="$2" '{
        both = $3 == "finished" && $9 == "finished" && $8 != "-"
        ratio = both ? sprintf("%.0f", $7 / ($1 > 0.001 ? $1 : 0.001)) : "-"
        shown = $9 == "large" ? "too large" : $9 == "limit" ? $7 ", limit" : $7
        printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
            name, percent, $1, $2, $4, $5, shown, $8, ratio
        better = $2 == "-" ? $5 : $5 == "-" || $2 + 0 < $5 + 0 ? $2 : $5
        exit $8 != "-" && (better == "-" || better > $8 + 0.0006) || both && ratio < 10
    }' || code=1
}

print_circumstances "bench/remat_solvers.sh $limit $percents"
echo "Budgets in percent of the peak of the order given, which is kept; at most ${limit} s per run on"
echo "one processor. Extra time in percent, - where nothing within the budget was found."
echo
echo "| graph | budget | gaps: s | extra | greedy: s | extra | Checkmate: s | extra | times slower |"
echo "|---|---|---|---|---|---|---|---|---|"
for size in 12 16 20 24; do
    for seed in 1 2; do
        random_graph "$size" "$seed" >"$cache/random_${size}_$seed.json"
        for percent in $percents; do
            row "$cache/random_${size}_$seed.json" "$percent"
        done
    done
done
for graph in "$graphs"/checkmate_*_train.json; do
    [ -r "$graph" ] || continue
    for percent in $percents; do
        row "$graph" "$percent"
    done
done
exit "$code"
