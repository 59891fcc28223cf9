#!/bin/sh
# The detector that comes along reads the three scenes beside it without a mistake, untiled and
# within the smallest budget, and says the same both times.
#
#   digits.sh TESSERA RAW_FLOATS MAKE_PICTURE FOLDER ROOT [budgets]
. "$(dirname "$0")/cli_run.sh"
model=$5/configs/models/digits
scenes=$5/configs/scenes
has_budgets=${6:-}

# "CLASS X Y W H" of each digit of a scene, from truth.json, which has a line for each.
truth() {
    awk -v name="\"$1\"" 'index($0, "\"image\"") { is_here = index($0, name) }
        is_here && index($0, "\"class\"") { gsub(/[^0-9. ]/, " "); print $1, $2, $3, $4, $5 }' \
        "$scenes/truth.json"
}

# "CLASS X Y W H" of each detection, and the detections alone, to compare.
found() {
    sed -n 's/.*"class_id": *\([^,]*\), "score": [^,]*, "box": {\(.*\)}}.*/\1 \2/p' "$1" |
        sed 's/"[a-z]*": *//g; s/,/ /g'
}

detections() {
    sed -n '/"class_id"/p' "$1"
}

# Is each digit of the truth found once, with half an overlap, and nothing else? Then prints the
# digits from left to right.
is_read() {
    awk '
        function least(a, b) { return a < b ? a : b }
        function most(a, b) { return a > b ? a : b }
        function overlap(a, b,   w, h) {
            w = least(x[a] + w_of[a], x[b] + w_of[b]) - most(x[a], x[b])
            h = least(y[a] + h_of[a], y[b] + h_of[b]) - most(y[a], y[b])
            if (w <= 0 || h <= 0) return 0
            return w * h / (w_of[a] * h_of[a] + w_of[b] * h_of[b] - w * h)
        }
        { digit[NR] = $1; x[NR] = $2; y[NR] = $3; w_of[NR] = $4; h_of[NR] = $5 }
        NR == FNR { n_true = NR }
        END {
            if (n_true == 0 || NR != 2 * n_true) {
                print n_true + 0, "digits,", NR - n_true, "found"
                exit 1
            }
            for (a = 1; a <= n_true; a++) {
                n_partners = 0
                for (b = n_true + 1; b <= NR; b++)
                    n_partners += digit[a] == digit[b] && overlap(a, b) >= 0.5
                if (n_partners != 1) { print digit[a], "found", n_partners, "times"; bad = 1 }
            }
            exit bad
        }' "$1" "$2"
}

n_scenes=0
for image in "$scenes"/*.jpg; do
    name=$(basename "$image")
    n_scenes=$((n_scenes + 1))
    set -- run "$model.cfg" --weights "$model.weights" --names "$model.names" --image "$image" \
        --quiet
    expect 0 "" "$@" --untiled --json untiled.json
    truth "$name" >truth
    found untiled.json >found
    check "$name is read: $(sort -k 2n found | cut -d ' ' -f 1 | tr -d '\n')" is_read truth found
    detections untiled.json >untiled
    [ -n "$has_budgets" ] || continue
    expect 5 "smallest budget that works" "$@" --memory 1M
    kib=$(sed -n 's/.*--memory \([0-9]*\)K.*/\1/p' said | tail -n 1)
    check "there is a smallest budget" [ -n "$kib" ]
    expect 0 "" "$@" --memory "$((${kib:-0} + 512))K" --json tiled.json
    detections tiled.json >tiled
    check "the same in $((kib + 512))K" cmp untiled tiled
    check "which is less than half" [ $((2 * $(number tiled.json measured_peak_bytes))) -lt \
        "$(number untiled.json measured_peak_bytes)" ]
done
check "three scenes" [ "$n_scenes" -ge 3 ]
finish
