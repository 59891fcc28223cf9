#!/bin/sh
# What each technique of the planner saves: the smallest budget that works, and a plan for a quarter
# more than that, with each technique left out in turn.
#
# Usage: bench/plan_ablation.sh [NETWORK...]    of the cfgs of darknet [yolov2 yolov3 yolov3-tiny
#        densenet201 resnext50 yolov4]; those whose cfg is not there are left out; see bench_common.sh
# shellcheck source=bench/bench_common.sh
. "$(dirname "$0")/bench_common.sh"
[ $# -gt 0 ] || set -- yolov2 yolov3 yolov3-tiny densenet201 resnext50 yolov4
work=$cache/plan_ablation
mkdir -p "$work"

# The least budget that works, in KiB: what an impossible one is answered with.
smallest_kib() {
    "$tessera" plan "$1" --memory 1K --threads 1 --quiet 2>&1 >"$work/none" |
        sed -n 's/.*run again with --memory \([0-9]*\)K.*/\1/p'
}

echo "Command: \`bench/plan_ablation.sh\`."
echo "Date: $(date +%F). Commit: $(git rev-parse --short HEAD)."
echo
echo "Smallest: the least budget that some plan fits. Peak, arena and predicted time are of the plan"
echo "for the budget, a quarter more than the least with everything; - where no plan fits it."
echo
echo "| network | budget | planned with | smallest | peak | arena | predicted ms |"
echo "|---|---|---|---|---|---|---|"
for name; do
    cfg=$darknet_cfgs/$name.cfg
    [ -r "$cfg" ] || continue
    least=$(smallest_kib "$cfg")
    [ -n "$least" ] || die "$name: no smallest budget"
    budget=$((least * 5 / 4))K
    "$tessera" plan "$cfg" --memory "$budget" --threads 1 --savings --quiet >"$work/$name" ||
        die "$name: no savings"
    sed -n '2,$ { /^smallest:/d; s/  \{1,\}/ | /g; p; }' "$work/$name" |
        sed "s/^/| $name | $budget | /; s/\$/ |/"
done
