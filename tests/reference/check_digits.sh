#!/bin/sh
# Do tessera and Debian's darknet find the same with the detector that comes along?
#
#   check_digits.sh TESSERA DARKNET_DETECT ROOT FOLDER
#
# Each scene of ROOT/configs/scenes: class, score within 0.02, edges within 2 pixels. darknet
# decodes JPEG by itself, so pixels may differ by a level. FOLDER is made, filled and deleted.
# Exits with 77 (skipped) where Debian's package darknet is missing.
set -eu
# shellcheck source=tests/reference/detections.sh
. "$(dirname "$0")/detections.sh"

tessera=$1 darknet=$2 root=$3 folder=$4
model=$root/configs/models/digits

if [ ! -x "$darknet" ]; then
    echo "skipped: Debian's package darknet is not installed"
    exit 77
fi

rm -rf "$folder"
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT
sed 's/^\[net\]$/[net]\nbatch=1/' "$model.cfg" >"$folder/one.cfg"

result=0
n_scenes=0
for scene in "$root"/configs/scenes/*.jpg; do
    n_scenes=$((n_scenes + 1))
    # libdarknet leaks; that is not our concern.
    if ! ASAN_OPTIONS=detect_leaks=0 "$darknet" "$folder/one.cfg" "$model.weights" "$scene" \
        0.25 0.45 >"$folder/theirs" 2>"$folder/talk"; then
        cat "$folder/talk"
        exit 1
    fi
    "$tessera" run "$model.cfg" --weights "$model.weights" --image "$scene" --quiet \
        --thresh 0.25 --nms 0.45 --fit letterbox --json "$folder/report"
    detections "$folder/report" >"$folder/ours"
    if are_same "$folder/theirs" "$folder/ours" 0.02; then
        echo "equal: ${scene##*/}, $(wc -l <"$folder/ours") digits"
    else
        echo "DIFFERENT: ${scene##*/}"
        result=1
    fi
done
[ "$n_scenes" -ge 3 ] || { echo "only $n_scenes scenes in $root/configs/scenes"; result=1; }
exit $result
