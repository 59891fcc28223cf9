# Sourced by the scripts of this folder. What they measure with, from the environment:
#   TESSERA          the program; the helpers of the same build go with it   build/release/bin/tessera
#   TESS_BENCH_DIR   weights and inputs are made here   build/bench
#   TESS_MODELS_DIR  trained models and dog.jpg         none: those rows are left out
#   DARKNET_CFG_DIR  cfg files of Debian's darknet      /usr/share/darknet/cfg
# shellcheck shell=sh
set -eu

[ -z "${TESSERA:-}" ] || tessera=$(cd "$(dirname "$TESSERA")" && pwd)/$(basename "$TESSERA")
cd "$(dirname "$0")/.."
tessera=${tessera:-build/release/bin/tessera}
build=$(dirname "$tessera")/..
cache=${TESS_BENCH_DIR:-build/bench}
models=${TESS_MODELS_DIR:-}
darknet_cfgs=${DARKNET_CFG_DIR:-/usr/share/darknet/cfg}
raw_floats=$build/tests/reference/raw_floats
# shellcheck disable=SC2034 # for the scripts
darknet_forward=$build/tests/reference/darknet_forward

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

for program in "$tessera" "$raw_floats"; do
    [ -x "$program" ] || die "no $program: build first, or set TESSERA"
done
mkdir -p "$cache"

# The cfg of a network by name; empty where it is not installed.
cfg_of() {
    for folder in configs/models "$darknet_cfgs" "$models"; do
        if [ -n "$folder" ] && [ -r "$folder/$1.cfg" ]; then
            echo "$folder/$1.cfg"
            return
        fi
    done
}

# Its weights: trained ones beside the cfg, or random ones made once.
weights_of() {
    if [ -n "$models" ] && [ -r "$models/$1.weights" ]; then
        echo "$models/$1.weights"
        return
    fi
    if [ ! -e "$cache/$1.weights" ]; then
        "$tessera" synth "$(cfg_of "$1")" --seed 1 --quiet -o "$cache/$1.weights.part"
        mv "$cache/$1.weights.part" "$cache/$1.weights"
    fi
    echo "$cache/$1.weights"
}

# Both in one compiled file, made once.
compiled_of() {
    if [ ! -e "$cache/$1.tess" ]; then
        "$tessera" compile "$(cfg_of "$1")" "$(weights_of "$1")" --quiet -o "$cache/$1.tess.part"
        mv "$cache/$1.tess.part" "$cache/$1.tess"
    fi
    echo "$cache/$1.tess"
}

# A number of the [net] section of a cfg.
net_number() {
    sed -n "/^\[net/,/^\[[^n]/s/^$2 *= *//p" "$1" | tail -n 1
}

# A random input for it, made once. Not for networks that begin with [crop].
input_of() {
    if [ ! -e "$cache/$1.raw" ]; then
        cfg=$(cfg_of "$1")
        "$raw_floats" random "$(($(net_number "$cfg" width) * $(net_number "$cfg" height) * \
            $(net_number "$cfg" channels)))" 1 "$cache/$1.raw"
    fi
    echo "$cache/$1.raw"
}

# number FILE KEY: a number of a report, the first with that key.
number() {
    sed -n "s/.*\"$2\": *\\(-\\{0,1\\}[0-9][0-9.e+-]*\\).*/\\1/p" "$1" | head -n 1
}

# smallest_budget CFG OPTION...: what a run with these options names, such as 25928K.
smallest_budget() {
    "$tessera" run "$@" --memory 1K --quiet 2>&1 >/dev/null |
        sed -n 's/.*run again with --memory \([0-9]*K\).*/\1/p'
}

median() { # of the lines of standard input; the lower one of two
    sort -g | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

mib() { # of bytes
    awk -v bytes="$1" 'BEGIN { printf "%.1f", bytes / 1048576 }'
}

# Where and when: the heading of every table that is kept.
print_circumstances() {
    echo "Command: \`$1\`."
    echo "Date: $(date -u +%Y-%m-%d). Commit: $(git rev-parse --short HEAD 2>/dev/null || echo none)."
    echo "Processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
        "$(env -u OMP_NUM_THREADS nproc) usable, load $(cut -d " " -f 1 /proc/loadavg)."
    echo
}
