#!/bin/sh
# headers.sh COMPILER FLAGS...: compiles each header of the repository alone, included twice.
#
# A header that compiles needs nothing included before it and may be included again. The working
# directory is the root of the repository.
set -eu
n_headers=0
n_failed=0
for header in $(find . -path ./build -prune -o -path ./tests/house/bad -prune -o \
    -name '*.h' -print | LC_ALL=C sort); do
    header=${header#./}
    n_headers=$((n_headers + 1))
    printf '#include "%s"\n#include "%s"\ntypedef int tess_not_empty;\n' "$header" "$header" |
        "$@" -I. -x c -fsyntax-only - ||
        { echo "$header does not compile alone"; n_failed=$((n_failed + 1)); }
done
echo "headers: $n_headers compiled, $n_failed failed"
[ "$n_headers" -gt 0 ] && [ "$n_failed" -eq 0 ]
