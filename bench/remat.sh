#!/bin/sh
# Fits published graphs under their budgets: extra time, against what is known to do. Fails if a
# sequence is refused, over its budget, or takes more time than known.
#
# Usage: bench/remat.sh [OPTION=VALUE]...    of remat_known, see its source [30 s per row]
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
echo "Command: \`bench/remat.sh${*:+ $*}\`."
echo "Date: $(date -u +%F). Commit: $(git rev-parse --short HEAD 2>/dev/null || echo none)."
echo "Load: $(cut -d ' ' -f 1 /proc/loadavg), so many processes wanted a processor at the start."
echo
echo "Model base; at most 30 s of wall time per row, on one processor. Extra time is in percent of every"
echo "task once; known: what is known to do; bound: nothing takes less."
echo
exec taskset -c "${TESS_BENCH_CPU:-0}" "$program" "$@" "$graphs"/moccasin_*.json "$graphs"/checkmate_*.json
