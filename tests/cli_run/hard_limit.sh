#!/bin/sh
# All of YOLOv2-608, with 204 MB of weights, inside memory limits that the kernel enforces: at each
# budget, the smallest one included, the run survives a limit of just that size, with cold caches,
# and its output is that of the untiled run, byte for byte.
. "$(dirname "$0")/cli_run.sh"
limit=$here/../../bench/limit.sh
cfg=$here/../../configs/models/yolov2.cfg

"$limit" 64M --keep-cache -- true 2>said
if [ $? -eq 77 ]; then
    cat said
    exit 77
fi

"$tessera" synth "$cfg" --seed 1 --quiet -o weights
"$tessera" compile "$cfg" weights --quiet -o model
"$raw_floats" random $((608 * 608 * 3)) 1 input
check "untiled" "$tessera" run model --untiled --raw-input input --quiet --dump 30=wanted

# survives BUDGET MODEL...: the run within the limit, and what it puts out.
survives() {
    budget=$1
    shift
    rm -f got
    check "$budget, $1: within the limit" "$limit" "$budget" -- "$tessera" run "$@" \
        --memory "$budget" --raw-input input --quiet --dump 30=got
    check "$budget, $1: same bytes" cmp wanted got
}

# The smallest budget of a model, as its error names it.
least_of() {
    "$tessera" run "$@" --memory 1K --raw-input input --quiet 2>&1 |
        sed -n 's/.*run again with --memory \([0-9]*K\).*/\1/p'
}

least=$(least_of model)
check "the smallest budget, $least, is at most 12 MiB" [ "${least%K}" -le 12288 ]
for budget in 64M 32M 16M "$least"; do
    survives "$budget" model
done
survives 32M "$cfg" --weights weights
survives "$(least_of "$cfg" --weights weights)" "$cfg" --weights weights

finish
