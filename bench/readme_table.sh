#!/bin/sh
# Fills README.md between <!-- table:begin --> and <!-- table:end --> with the tables of
# bench/vs_darknet.sh: from a run of its own, or from what an earlier run printed.
#
# Usage: bench/readme_table.sh [FILE]    FILE: what bench/vs_darknet.sh printed; see bench_common.sh
case ${1:-} in
"" | /*) given=${1:-} ;;
*) given=$PWD/$1 ;;
esac
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"

if [ -z "$given" ]; then
    given=$cache/vs_darknet.md
    bench/vs_darknet.sh >"$given"
fi
grep -q '^| tessera, dp' "$given" || die "no table in $given"

# The circumstances become the caption.
{
    sed -n '/^| /,$p' "$given" | grep -v -e '^Against darknet' -e '^Every plan:'
    sed -n -e '/^One thread/p' -e "/^darknet's peak/p" "$given"
    sed -n -e 's/^Command: \(.*\)\.$/Measured by \1,/p' "$given"
    sed -n -e 's/^Date: \(.*\)\. Commit: \(.*\)\.$/\1, commit \2,/p' "$given"
    sed -n -e 's/^Processor: \(.*\)$/\1/p' "$given"
} | cat -s >"$cache/readme_table.md"

awk -v table="$cache/readme_table.md" '
    /<!-- table:end -->/ { is_inside = 0 }
    !is_inside
    /<!-- table:begin -->/ {
        n_found++
        is_inside = 1
        while ((getline text < table) > 0)
            print text
    }
    END { exit n_found != 1 || is_inside }' README.md >"$cache/README.md" ||
    die "README.md does not have the two marks once each"
cat "$cache/README.md" >README.md
