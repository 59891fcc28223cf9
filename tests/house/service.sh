#!/bin/sh
# service.sh TESSERA FOLDER: does the systemd unit in FOLDER go with the program and its worker.conf?
#
# Each option that it gives exists; its limit of memory leaves room above the worker's; and where
# there is a systemd-analyze, that understands it and finds it well locked up.
set -eu
tessera=$1
unit=$2/tessera-worker.service
conf=$2/worker.conf
code=0

wrong() {
    echo "service: $*"
    code=1
}

mebibytes() { # FILE KEY: of a line KEY=400M
    sed -n "s/^$2=\([0-9]*\)M\$/\1/p" "$1"
}

options=$(sed -n 's/^ExecStart=//p; s/^OPTIONS=//p' "$unit" "$conf" | tr ' ' '\n' | grep '^--')
for option in $options; do
    "$tessera" worker --help | grep -q -- "^  $option " ||
        wrong "tessera worker has no option $option"
done
[ "$(echo "$options" | wc -l)" -ge 6 ] || wrong "the unit gives hardly any options: $options"

for name in $(sed -n 's/^ExecStart=//p' "$unit" | grep -o '\$[{]*[A-Z]*' | tr -cd 'A-Z\n'); do
    grep -q "^$name=" "$conf" || wrong "worker.conf does not set $name"
done

memory=$(mebibytes "$conf" MEMORY)
most=$(mebibytes "$unit" MemoryMax)
[ "$most" -ge $((memory + 32)) ] || wrong "MemoryMax is ${most}M, the worker may hold ${memory}M"

if command -v systemd-analyze >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    sed "s,^ExecStart=tessera,ExecStart=$tessera," "$unit" >"$folder/tessera-worker.service"
    said=$(systemd-analyze verify --man=no "$folder/tessera-worker.service" 2>&1) ||
        wrong "systemd-analyze does not accept the unit"
    [ -z "$said" ] || wrong "systemd-analyze: $said"
    systemd-analyze security --offline=true --threshold=20 --no-pager \
        "$folder/tessera-worker.service" >"$folder/report" 2>&1 ||
        wrong "$(tail -n 1 "$folder/report")"
else
    echo "service: no systemd-analyze here, so systemd was not asked"
fi
[ $code -ne 0 ] || echo "service: ok"
exit $code
