#!/bin/sh
# A plan is written, read, changed by hand, verified and run.
. "$(dirname "$0")/cli_run.sh"
make_small
expect_small 0 "" --untiled --dump -1=whole

expect 0 "" plan small.cfg --memory 8M -o plan.yaml --search dp
expect 0 "the plan is right" verify small.cfg --plan plan.yaml
expect_small 0 "" --plan plan.yaml --dump -1=planned
check "as planned, the same bits" cmp whole planned

echo "# only the groups, other grids"
cat >hand.yaml <<'END'
# written by a person
plan: 1
groups:
  - layers: 0..1
    grid: 4x4
    halo: recompute
  - layers: [2, 3, 4] # a list is fine as well
    grid: 3x1
    halo: reuse
END
expect 0 "the plan is right" verify small.cfg --plan hand.yaml
expect 0 '"steps"' verify small.cfg --plan hand.yaml --json -
for key in steps macs predicted_peak_bytes verified_peak_bytes; do
    check "has $key: $(number out $key)" [ -n "$(number out $key)" ]
done
expect_small 0 "" --plan hand.yaml --dump -1=planned --json report.json
check "by hand, the same bits" cmp whole planned
check "the report says by hand" grep -q '"name": "hand"' report.json
check "4x4 in the report" grep -q '"tiling": "4x4 recompute"' report.json

echo "# a made plan, edited"
sed 's/^    grid: .*/    grid: 3x1/' plan.yaml >edited.yaml
expect 0 "the plan is right" verify small.cfg --plan edited.yaml
expect_small 0 "" --plan edited.yaml --dump -1=planned
check "edited, the same bits" cmp whole planned

echo "# with a budget"
expect_small 5 "this plan needs" --plan hand.yaml --memory 3M
expect 5 "" verify small.cfg --plan hand.yaml --memory 3M
expect_small 0 "" --plan hand.yaml --memory 16M

echo "# part of a network"
expect 0 "" plan small.cfg --layers 0..3 --search mafat --memory 8M -o part.yaml
expect 0 "the plan is right" verify small.cfg --layers 0..3 --plan part.yaml
expect_small 0 "" --layers 0..3 --plan part.yaml
finish
