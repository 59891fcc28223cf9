#!/bin/sh
# Runs every measurement of this folder and writes bench/results.md. Takes some minutes; wants a
# machine that does nothing else. Fails if one of them does, having written what there is.
#
# Usage: bench/write_results.sh [ROUNDS]    of vs_darknet.sh; see bench_common.sh
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
rounds=${1:-3}
code=0

section() { # TITLE SCRIPT ARGUMENT...
    script=$2
    printf '\n## %s\n\n' "$1"
    shift 2
    echo "bench/$script.sh" >&2
    "bench/$script.sh" "$@" >"$cache/$script.md" ||
        { code=1 && echo "**bench/$script.sh found faults.**" && echo; }
    cat "$cache/$script.md"
}

{
    echo "# Measured"
    echo
    echo "Written by bench/write_results.sh, no number by hand. Memory is that of whole processes."
    section "Predicted, verified, measured" memory_table
    section "Beside darknet" vs_darknet "$rounds"
    section "Chosen, and the best of many" exhaustive
    section "Published tilings" mafat_configs
    section "Difference from darknet" darknet_difference
    section "Convolutions of routes split" rewriting_table
    section "Plans with techniques left out" plan_ablation
    section "Halos kept, recomputed, or both" halo_policy
    section "Orders with parts of the search left out" schedule_ablation
    [ -z "${TESS_GRAPHS_DIR:-}" ] || section "Graphs within budgets" remat
    section "Beside Checkmate's programme" remat_solvers 60
} >"$cache/results.md"
cat "$cache/results.md" >bench/results.md
exit "$code"
