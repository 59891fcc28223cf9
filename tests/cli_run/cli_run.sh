# Sourced by the tests of this folder. Each is called as
#
#   TEST.sh TESSERA RAW_FLOATS MAKE_PICTURE FOLDER
#
# and works in FOLDER, which is made anew and deleted. Every check prints one line; the test fails
# if any of them did.
# shellcheck shell=sh
set -u

# shellcheck disable=SC2034 # make_picture and here are for the tests
tessera=$1 raw_floats=$2 make_picture=$3 folder=$4
here=$(cd "$(dirname "$0")" && pwd)
n_failed=0

rm -rf "$folder"
mkdir -p "$folder"
cd "$folder" || exit 1
trap 'cd / && rm -rf "$folder"' EXIT

failed() {
    echo "FAILED: $*"
    n_failed=$((n_failed + 1))
}

# check WHAT COMMAND...: the command succeeds.
check() {
    what=$1
    shift
    if "$@" >check.log 2>&1; then
        echo "ok: $what"
    else
        failed "$what"
        sed 's/^/    /' check.log
    fi
}

# expect CODE "WORDS" ARGUMENT...: tessera ends with CODE and says WORDS (grep's basic regular
# expression; . for anything). Standard output and error stay in `out` and `said`.
expect() {
    code=$1 words=$2
    shift 2
    "$tessera" "$@" >out 2>said
    got=$?
    if [ "$got" -ne "$code" ]; then
        failed "exit code $got instead of $code: tessera $*"
        sed 's/^/    /' said
    elif [ "$code" -ne 0 ] && [ "$(grep -c "error: " said)" -ne 1 ]; then
        failed "not one sentence of error: tessera $*"
        sed 's/^/    /' said
    elif [ -n "$words" ] && ! cat out said | grep -q -e "$words"; then
        failed "no \"$words\" in what it says: tessera $*"
        sed 's/^/    /' said
    else
        echo "ok: $code, tessera $*"
    fi
}

# The value of a number KEY in a JSON file, the first one.
number() {
    sed -n "s/.*\"$2\": *\\(-\\{0,1\\}[0-9][0-9.e+-]*\\).*/\\1/p" "$1" | head -n 1
}

# small.cfg, small.weights and small.raw in the folder.
make_small() {
    cp "$here/small.cfg" small.cfg
    "$tessera" synth small.cfg --seed 1 --quiet -o small.weights || exit 1
    "$raw_floats" random $((96 * 64 * 3)) 1 small.raw || exit 1
}

# small ARGUMENT...: runs the small network. expect_small CODE "WORDS" ARGUMENT... expects it to.
small() {
    "$tessera" run small.cfg --weights small.weights --raw-input small.raw "$@"
}

expect_small() {
    small_code=$1 small_words=$2
    shift 2
    expect "$small_code" "$small_words" run small.cfg --weights small.weights \
        --raw-input small.raw "$@"
}

# small_cluster_plan "GATE'S OPTIONS" N: a plan by hand for it and N workers; every node gets tiles,
# and their parts are of unlike shapes.
small_cluster_plan() {
    echo "cluster: 1"
    echo "nodes:"
    echo "  - {name: gate, $1mbit: 1000, latency_ms: 0.1}"
    for k in $(seq "$2"); do echo "  - {name: w$k, mbit: 1000, latency_ms: 0.1}"; done
    cat <<'PLAN'
model: small
input: floats
stages:
  - layers: 0..1
    grid: 5x3
  - layers: 2..6
    grid: 3x2
  - layers: 7..8
    grid: 2x1
PLAN
}

finish() {
    [ "$n_failed" -eq 0 ] || echo "$n_failed checks failed"
    [ "$n_failed" -eq 0 ]
    exit
}
