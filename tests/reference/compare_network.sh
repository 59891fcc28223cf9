#!/bin/sh
# Runs one network in darknet and in tessera on the same weights and input, and compares layers.
#
#   compare_network.sh TESSERA DARKNET_FORWARD RAW_FLOATS CFG FOLDER "LAYERS" [option of run ...]
#
# LAYERS are darknet's numbers, separated by spaces. FOLDER is made, filled and deleted. Exits
# with 77 (skipped) where Debian's package darknet is missing.
set -eu

tessera=$1 forward=$2 floats=$3 cfg=$4 folder=$5 layers=$6
shift 6
tolerance=1e-4

if [ ! -r "$cfg" ] || [ ! -x "$forward" ]; then
    echo "skipped: Debian's package darknet is not installed ($cfg)"
    exit 77
fi

rm -rf "$folder"
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT

# darknet allocates for the whole training batch of the cfg; one image is all there is here.
sed 's/^batch *=.*/batch=1/; s/^subdivisions *=.*/subdivisions=1/' "$cfg" >"$folder/one.cfg"

net_value() {
    sed -n "/^\[net/,/^\[[^n]/s/^$1 *= *//p" "$cfg" | tail -n 1
}
n_elems=$(($(net_value width) * $(net_value height) * $(net_value channels)))

"$tessera" synth "$cfg" --seed 1 --quiet -o "$folder/weights"
"$floats" random "$n_elems" 1 "$folder/input"

their_dumps=
our_dumps=
for layer in $layers; do
    their_dumps="$their_dumps $layer=$folder/theirs.$layer"
    our_dumps="$our_dumps --dump $layer=$folder/ours.$layer"
done

# A [crop] layer belongs to the picture in tessera: its output is the network's input.
our_input=$folder/input
if [ "$(sed -n 's/^\[\([a-z]*\)\].*/\1/p' "$cfg" | sed -n 2p)" = crop ]; then
    our_input=$folder/cropped
    their_dumps="$their_dumps 0=$our_input"
fi

# libdarknet leaks; that is not our concern.
# shellcheck disable=SC2086 # lists of words
if ! ASAN_OPTIONS=detect_leaks=0 "$forward" "$folder/one.cfg" "$folder/weights" \
    "$folder/input" 1 $their_dumps >"$folder/talk" 2>&1; then
    cat "$folder/talk"
    exit 1
fi
# shellcheck disable=SC2086
"$tessera" run "$cfg" --weights "$folder/weights" --raw-input "$our_input" $our_dumps \
    --json "$folder/run.json" --quiet "$@"
grep -E '"(budget|measured_peak)_bytes"' "$folder/run.json"

result=0
for layer in $layers; do
    printf 'layer %s: ' "$layer"
    "$floats" compare "$folder/ours.$layer" "$folder/theirs.$layer" "$tolerance" || result=1
done
exit $result
