#!/bin/sh
# layers.sh [ROOT]: does every #include below ROOT keep the law of layers.txt?
#
# Prints one line "FILE:LINE: what" per violation and fails if there are any. Checks includes,
# system headers, private headers, base names, and that CMakeLists.txt links what the law says.
# Lines that begin with "warning:" (budgets of STYLE: file and function lengths) do not fail.
# Reads text line by line: an #include made by a macro would escape it, so there are none.
set -eu
law=$(cd "$(dirname "$0")" && pwd)/layers.txt
cd "${1:-$(dirname "$0")/../..}"

folders=$(awk '$1 == "folder" || $1 == "outside" { print $2 }' "$law")
existing=
for folder in $folders; do
    [ ! -d "$folder" ] || existing="$existing $folder"
done
# shellcheck disable=SC2086 # a list of names without blanks
files=$(find $existing -path tests/house/bad -prune -o \( -name '*.c' -o -name '*.h' \) -print |
    LC_ALL=C sort)
[ -n "$files" ] || { echo "layers: no sources here" >&2; exit 1; }
links=
[ ! -f CMakeLists.txt ] || links=CMakeLists.txt

# shellcheck disable=SC2086
exec awk -f "${law%.txt}.awk" "$law" $links $files
