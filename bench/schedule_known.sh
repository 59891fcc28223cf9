#!/bin/sh
# Orders the benchmark graphs in every memory model and compares with the known peaks. Fails if a
# peak that is known to be the least is not found and proven, if a bound is wrong, or if another
# peak is more than 1 % above the best known.
#
# Usage: bench/schedule_known.sh [OPTION=VALUE]...    of schedule_known, see its source
#        TESS_GRAPHS_DIR   the graphs, and known.csv
#        SCHEDULE_KNOWN    the program   build/release/bench/schedule_known
#        TESS_BENCH_CPU    the processor [0]
set -eu
program=${SCHEDULE_KNOWN:-$(dirname "$0")/../build/release/bench/schedule_known}
graphs=${TESS_GRAPHS_DIR:-}
[ -r "$graphs/known.csv" ] || {
    echo "schedule_known.sh: no known.csv in TESS_GRAPHS_DIR '$graphs': nothing to compare with"
    exit 77
}
exec taskset -c "${TESS_BENCH_CPU:-0}" "$program" known="$graphs/known.csv" "$@" "$graphs"/*.json
