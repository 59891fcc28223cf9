#!/bin/sh
# How far the outputs of whole networks are from those of Debian's package darknet: the figures of
# the tests in tests/reference, as a table. Fails where a test fails, or none runs.
#
# Usage: bench/darknet_difference.sh [REGEX]    of test names; see bench_common.sh
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
only=${1:-^reference_}

code=0
ctest --test-dir "$build" -V -R "$only" >"$cache/darknet_difference.log" 2>&1 || code=$?

print_circumstances "bench/darknet_difference.sh${1:+ $1}"
echo "Greatest difference, absolute and as a part of the greatest magnitude in darknet's output;"
echo "1e-4 is allowed. Heads and softmax, and the convolution or connected layer before each."
echo
echo "| test | layer | floats | difference | relative |"
echo "|---|---|---|---|---|"
awk '
    /^ *Start / { name = $3; sub(/^reference_/, "", name) }
    /^[0-9]+: layer / {
        for (i = 1; i <= NF; i++) {
            if ($i == "difference") difference = $(i + 1)
            if ($i == "is" && $(i - 1) == "that") relative = $(i + 1)
            if ($i == "floats") n_elems = $(i - 1)
        }
        verdict = /: equal:/ ? "" : " DIFFERENT"
        sub(/:$/, "", $3)
        printf "| %s | %s | %s | %s | %s%s |\n", name, $3, n_elems, difference, relative, verdict
        n_layers++
    }
    /^[0-9]+: skipped/ { print "| " name " | skipped | | | |" }
    END { exit n_layers == 0 }' "$cache/darknet_difference.log" || code=1
echo
sed -n 's/^\([0-9]*% tests passed.*\)/\1./p' "$cache/darknet_difference.log"
exit "$code"
