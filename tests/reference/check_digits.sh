#!/bin/sh
# Do tessera and Debian's darknet find the same with the detector that comes along?
#
#   check_digits.sh TESSERA DARKNET_DETECT ROOT FOLDER
#
# Each scene of ROOT/configs/scenes: class, score within 0.02, edges within 2 pixels. darknet
# decodes JPEG by itself, so pixels may differ by a level. FOLDER is made, filled and deleted.
# Exits with 77 (skipped) where Debian's package darknet is missing.
set -eu

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

# "CLASS SCORE X Y W H" of each detection in a report of tessera.
detections() {
    sed -n 's/.*"class_id": *\([^,]*\), "score": *\([^,]*\), "box": {\(.*\)}}.*/\1 \2 \3/p' "$1" |
        sed 's/"[a-z]*": *//g; s/,/ /g'
}

# Does each line of the second file have a partner in the first? Scores so close to the threshold
# that rounding decides need none.
have_partners() {
    awk '
        function near(a, b, limit) { return a - b <= limit && b - a <= limit }
        NR == FNR { for (i = 1; i <= 6; i++) other[NR, i] = $i; n_other = NR; next }
        {
            found = $2 < 0.25 + 0.02
            for (j = 1; j <= n_other; j++)
                if ($1 == other[j, 1] && near($2, other[j, 2], 0.02) &&
                    near($3, other[j, 3], 2) && near($4, other[j, 4], 2) &&
                    near($3 + $5, other[j, 3] + other[j, 5], 2) &&
                    near($4 + $6, other[j, 4] + other[j, 6], 2))
                    found = 1
            if (!found) { print "no partner for", $0; bad = 1 }
            n++
        }
        END { exit bad || n == 0 || n_other == 0 }' "$1" "$2"
}

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
    if have_partners "$folder/theirs" "$folder/ours" &&
        have_partners "$folder/ours" "$folder/theirs"; then
        echo "equal: ${scene##*/}, $(wc -l <"$folder/ours") digits"
    else
        echo "DIFFERENT: ${scene##*/}"
        result=1
    fi
done
[ "$n_scenes" -ge 3 ] || { echo "only $n_scenes scenes in $root/configs/scenes"; result=1; }
exit $result
