#!/bin/sh
# Fits published graphs under their budgets: extra time, against what is known to do. Fails if a
# sequence is refused, over its budget, or takes more time than known.
#
# Usage: bench/remat.sh [OPTION=VALUE]...    of remat_known, see its source
#        TESS_GRAPHS_DIR   the graphs moccasin_*.json and checkmate_*.json
#        REMAT_KNOWN       the program   build/release/bench/remat_known
#        TESS_BENCH_CPU    the processor [0]
set -eu
program=${REMAT_KNOWN:-$(dirname "$0")/../build/release/bench/remat_known}
graphs=${TESS_GRAPHS_DIR:-}
[ -r "$graphs/moccasin_rl100.json" ] || {
    echo "remat.sh: no moccasin_rl100.json in TESS_GRAPHS_DIR '$graphs': nothing to fit"
    exit 77
}
exec taskset -c "${TESS_BENCH_CPU:-0}" "$program" "$@" "$graphs"/moccasin_*.json "$graphs"/checkmate_*.json
