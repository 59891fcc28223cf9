#!/bin/sh
# layers_selfcheck.sh: does layers.sh find what is wrong in bad/, all of it and nothing else?
#
# TESS_TEST_BLESS=1 records its answer as the expected one.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r bad/. "$work"
awk 'BEGIN { for (i = 1; i <= 251; i++) print "/* line " i " of a header that is too long */" }' \
    >"$work/base/long.h"

code=0
./layers.sh "$work" >"$work/found" || code=$?
if [ -n "${TESS_TEST_BLESS:-}" ]; then
    cp "$work/found" bad/expected
fi
diff bad/expected "$work/found"
[ "$code" -eq 1 ] || { echo "exit code $code where violations should give 1"; exit 1; }
echo "layers_selfcheck: ok"
