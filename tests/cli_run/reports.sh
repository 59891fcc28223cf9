#!/bin/sh
# What a run reports: JSON with the three peaks in order, tables on standard output, talk on
# standard error, the same plan for the same question.
. "$(dirname "$0")/cli_run.sh"
make_small

echo "# JSON of a run"
expect_small 0 "" --memory 6M --repeat 3 --json report.json --quiet
check "quiet is quiet" [ ! -s out ]
check "quiet on standard error" [ ! -s said ]
for key in median min max predicted budget_bytes predicted_peak_bytes verified_peak_bytes \
    measured_peak_bytes base_bytes threads_bytes weights_bytes workspace_bytes arena_bytes \
    window_bytes input_bytes n_groups n_streamed threads; do
    check "has $key: $(number report.json $key)" [ -n "$(number report.json $key)" ]
done
for key in detections groups name hash model kernels; do
    check "has $key" grep -q "\"$key\":" report.json
done
measured=$(number report.json measured_peak_bytes)
verified=$(number report.json verified_peak_bytes)
predicted=$(number report.json predicted_peak_bytes)
check "measured $measured <= verified $verified" [ "$measured" -le "$verified" ]
check "verified $verified <= predicted $predicted" [ "$verified" -le "$predicted" ]
check "predicted $predicted <= budget" [ "$predicted" -le "$(number report.json budget_bytes)" ]
sum=0
for term in base threads weights workspace arena window input; do
    sum=$((sum + $(number report.json ${term}_bytes)))
done
check "the terms add up to $sum" [ "$sum" -eq "$predicted" ]
check "least <= median <= most" awk -v least="$(number report.json min)" \
    -v median="$(number report.json median)" -v most="$(number report.json max)" \
    'BEGIN { exit !(0 < least && least <= median && median <= most) }'

echo "# JSON on standard output, and nothing but JSON"
expect_small 0 "" --json -
check "begins with a brace" [ "$(head -c 1 out)" = "{" ]
check "ends with a brace" [ "$(tail -n 1 out)" = "}" ]
expect_small 0 '"measured_peak_bytes"' --json - --quiet
expect 0 '"macs": 2654208' info small.cfg --json -
check "one line per layer" [ "$(grep -c '"layer":' out)" -eq 9 ]

echo "# tables"
expect_small 0 "memory  predicted .* verified .* measured .* budget 6.0 MiB" --memory 6M
expect_small 0 "median of 3" --repeat 3
expect 0 "small: 9 layers" info small.cfg
expect 0 "2 *convolutional *32x48x32" info small.cfg --layers 2..4
expect 0 "kernels .*nat: our own" doctor
expect 0 "kernels .*xnn: " doctor --kernels xnn

echo "# what each budget buys"
expect 0 "memory buys nothing" plan small.cfg --curve
expect 0 '"budget_bytes"' plan small.cfg --curve --json -
check "the curve is JSON alone" [ "$(tail -n 1 out)" = "}" ]
least=$(number out budget_bytes)
expect 0 "memory buys nothing" plan small.cfg --curve --json curve.json
check "and a table beside a file" grep -q '"read_bytes"' curve.json
expect 0 "" plan small.cfg --memory "$((least + 65536))" -o least.yaml --quiet
expect 0 "no-placement .* MiB" plan small.cfg --savings --memory 8M
expect 2 "ask for one" plan small.cfg --savings --curve
expect 0 "placement: greedy" plan small.cfg --no-placement --quiet
expect 2 "leave out --memory" plan small.cfg --curve --memory 8M
expect 2 "goes with --curve" plan small.cfg --json -

echo "# the same question, the same answer"
expect 0 "" plan small.cfg --memory 8M -o one.yaml --threads 1 --quiet
expect 0 "" plan small.cfg --memory 8M -o two.yaml --threads 1 --quiet
grep -v -e base_bytes -e peak_bytes one.yaml >one
grep -v -e base_bytes -e peak_bytes two.yaml >two
check "plans are equal but for the process itself" cmp one two
expect 0 "" synth small.cfg -o again.weights --seed 1
check "weights are equal" cmp small.weights again.weights
expect 0 "" synth small.cfg -o other.weights --seed 2
check "other seeds give other weights" sh -c '! cmp -s small.weights other.weights'
finish
