#!/bin/sh
# Control-C ends a run at once, and the shell sees 130.
. "$(dirname "$0")/cli_run.sh"
make_small
timeout --preserve-status --signal INT 1 "$tessera" run small.cfg --weights small.weights \
    --raw-input small.raw --repeat 100000 --threads 1 \
    --quiet --json report.json
check "exit code $?" [ $? -eq 130 ]
check "no report of a run that did not end" [ ! -e report.json ]
finish
