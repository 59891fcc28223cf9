#!/bin/sh
# Detects on a real photograph with a trained network and compares boxes and scores with those of
# plain loops in double precision (naive_detect).
#
#   check_photo.sh TESSERA NAIVE_DETECT MODEL IMAGE FOLDER
#
# MODEL.cfg, MODEL.weights and IMAGE are looked for in $TESS_MODELS_DIR; exits with 77 (skipped)
# where there are none. FOLDER is made, filled and deleted.
set -eu
# shellcheck source=tests/reference/detections.sh
. "$(dirname "$0")/detections.sh"

tessera=$1 naive=$2 model=$3 image=$4 folder=$5
models=${TESS_MODELS_DIR:-}

if [ -z "$models" ]; then
    echo "skipped: TESS_MODELS_DIR does not name a folder with trained models"
    exit 77
fi
for file in "$model.cfg" "$model.weights" "$image"; do
    if [ ! -r "$models/$file" ]; then
        echo "skipped: no $file in $models"
        exit 77
    fi
done

rm -rf "$folder"
mkdir -p "$folder"
trap 'rm -rf "$folder"' EXIT

result=0
judge() { # NAME THEIRS REPORT: scores within 0.01, edges within 2 pixels
    detections "$3" >"$folder/ours"
    if are_same "$2" "$folder/ours" 0.01; then
        echo "equal: $1, $(wc -l <"$2") objects"
    else
        echo "DIFFERENT: $1"
        result=1
    fi
}

run() {
    "$tessera" run "$models/$model.cfg" --weights "$models/$model.weights" --quiet --threads 1 \
        --json "$folder/report" "$@"
}

for fit in letterbox stretch; do
    "$naive" "$models/$model.cfg" "$models/$model.weights" "$models/$image" "$fit" \
        "$folder/tensor" >"$folder/found"
    sed -n 's/^picture //p' "$folder/found" >"$folder/on_picture"
    sed -n 's/^tensor //p' "$folder/found" >"$folder/on_tensor"

    run --raw-input "$folder/tensor"
    judge "$fit, same input tensor" "$folder/on_tensor" "$folder/report"
    run --raw-input "$folder/tensor" --untiled --kernels ref
    judge "$fit, same input tensor, plain kernels" "$folder/on_tensor" "$folder/report"
    run --image "$models/$image" --fit "$fit"
    judge "$fit, photograph" "$folder/on_picture" "$folder/report"
    run --image "$models/$image" --fit "$fit" --search mafat
    judge "$fit, photograph, search mafat" "$folder/on_picture" "$folder/report"
done
exit $result
