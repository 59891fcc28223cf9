#!/bin/sh
# tessera schedule: graphs of tasks, networks and plans; each memory model, each method; what is
# printed and what JSON says; mistakes of users and of files.
. "$(dirname "$0")/cli_run.sh"
make_small

# Two branches and a concat. The order given has both wide maps at once, and the narrow one of the
# first: 8 + 8 + 2. One branch after the other: 2 + 8 + 2, when the second ends.
cat >graph.json <<'END'
{"name": "branches",
 "nodes": [
  {"id": 10, "name": "wide one", "op": "conv", "inputs": [100], "outputs": [101]},
  {"id": 20, "name": "wide two", "op": "conv", "inputs": [100], "outputs": [103]},
  {"id": 30, "name": "narrow one", "op": "conv", "inputs": [101], "outputs": [102]},
  {"id": 40, "name": "narrow two", "op": "conv", "inputs": [103], "outputs": [104]},
  {"id": 50, "name": "both", "op": "concat", "inputs": [102, 104], "outputs": [105]},
  {"id": 60, "name": "end", "op": "relu", "inputs": [105], "outputs": [106]}],
 "tensors": [
  {"id": 100, "bytes": 1}, {"id": 101, "bytes": 8}, {"id": 102, "bytes": 2},
  {"id": 103, "bytes": 8}, {"id": 104, "bytes": 2}, {"id": 105, "bytes": 4},
  {"id": 106, "bytes": 4}],
 "inputs": [100], "outputs": [106]}
END

# is KEY VALUE: in out.json.
is() {
    check "$1 is $2" [ "$(number out.json "$1")" = "$2" ]
}

echo "# a graph"
expect 0 "proven: no order has a lower peak" schedule graph.json --json out.json
check "the gain over the order given is told" grep -q "33.3 % below the order given (18)" out
is peak_bytes 12
is lower_bound 12
is arena_bytes 12
is file_order_peak_bytes 18
check "proven" grep -q '"proven": true' out.json
check "the order, by the file's ids" grep -q '"order": \[10, 30, 20, 40, 50, 60\]' out.json
check "a place for each tensor, by its id" grep -q '"offsets": {"100": .*"106": [0-9]*}' out.json

echo "# models"
expect 0 "model base" schedule graph.json --model base --json out.json
is peak_bytes 12
sed 's/"bytes": 8/"bytes": 4/' graph.json >even.json
expect 0 "model base" schedule even.json --model base --json out.json
is peak_bytes 8
expect 0 "model view" schedule even.json --model view --json out.json
is peak_bytes 8
expect 0 "" schedule graph.json --align 64 --json out.json
is peak_bytes 192
is arena_bytes 192

echo "# methods"
for method in exact serenity ilp greedy dfs kahn file; do
    expect 0 "method $method" schedule graph.json --method "$method" --json out.json
    bound=$(number out.json lower_bound) peak=$(number out.json peak_bytes)
    check "bound $bound is none too high" [ "$bound" -le 12 ]
    check "peak $peak is none too low" [ "$peak" -ge 12 ]
done
is peak_bytes 18
check "not proven: a gap is told" grep -q "gap 80.00 %" out
expect 0 "" schedule graph.json --without fusion,cuts,beam,climb,safe,valleys,windows \
    --json out.json
is peak_bytes 12
expect 0 "" schedule graph.json --time-limit 0 --json out.json
check "bounds hold without time" [ "$(number out.json lower_bound)" -le 12 ]

echo "# rewriting"
# Two parts of 8, put together for a convolution: 8 + 8 + 1. Added up one by one: 8 + 1, and a sum.
cat >parts.json <<'END'
{"nodes": [
  {"id": 0, "name": "a", "op": "conv", "inputs": [0], "outputs": [1]},
  {"id": 1, "name": "b", "op": "conv", "inputs": [0], "outputs": [2]},
  {"id": 2, "name": "cat", "op": "concat", "inputs": [1, 2], "outputs": [3]},
  {"id": 3, "name": "c", "op": "conv", "inputs": [3], "outputs": [4]}],
 "tensors": [{"id": 0, "bytes": 1}, {"id": 1, "bytes": 8}, {"id": 2, "bytes": 8},
  {"id": 3, "bytes": 16}, {"id": 4, "bytes": 1}],
 "inputs": [0], "outputs": [4]}
END
expect 0 "" schedule parts.json --model view --no-rewrite --json out.json
is peak_bytes 17
expect 0 "1 of 1 concats are gone, 1 tasks sum over parts" schedule parts.json \
    --model view --rewrite --json out.json
is peak_bytes 10
is arena_bytes 10
is peak_without_rewriting_bytes 17
check "the parts are named" grep -q '"name": "c, part 2 of 2".*"origin": 3, "kind": "part"' out.json
cp out.json rewritten.json
expect 0 "10 B" schedule rewritten.json --model view
expect 0 "" schedule parts.json --model view --rewrite --accumulators 4 --json out.json
is peak_bytes 13

echo "# interruption"
# Layers of 12 tasks of odd sizes, each reading some of the layer before: nothing to be proven soon.
awk 'BEGIN {
    srand(1); n = 600
    printf "{\"inputs\": [], \"outputs\": [], \"nodes\": ["
    for (i = 0; i < n; i++) {
        printf "%s{\"id\": %d, \"op\": \"x\", \"outputs\": [%d], \"inputs\": [", i ? ", " : "", i, i
        for (k = 0; k < 3 && i >= 40; k++)
            printf "%s%d", k ? ", " : "", i - 1 - int(rand() * 40)
        printf "]}"
    }
    printf "], \"tensors\": ["
    for (i = 0; i < n; i++)
        printf "%s{\"id\": %d, \"bytes\": %d}", i ? ", " : "", i, 1 + int(rand() * 1000)
    printf "]}\n"
}' >wide.json
# A second signal would end it at once: without --foreground, timeout sends two.
timeout --foreground --preserve-status --signal INT 2 "$tessera" schedule wide.json --json out.json >out
check "exit code $?" [ $? -eq 130 ]
check "what was found by then is told" grep -q "closed by    interruption" out
check "and written" [ "$(number out.json peak_bytes)" -ge "$(number out.json lower_bound)" ]
expect 0 "closed by    " schedule wide.json --time-limit 0.5

echo "# where graphs come from, and results go to"
expect 0 '"peak_bytes": 12' schedule graph.json --json -
check "JSON alone on standard output" [ "$(head -c 1 out)" = "{" ]
expect 0 "" schedule graph.json --quiet
check "quiet says nothing" [ ! -s out ]
"$tessera" schedule - --quiet --json piped.json <graph.json
check "a graph from standard input" [ "$(number piped.json peak_bytes)" = 12 ]
cp graph.json graph.txt
expect 0 "branches: 6 tasks" schedule graph.txt

echo "# networks and plans"
expect 0 "small: 9 tasks" schedule small.cfg --model view --json net.json
check "its tasks are listed" grep -q '"name": "layer 0", "op": "conv"' net.json
expect 0 "peak" schedule net.json --model view --json again.json
check "the same as a graph" [ "$(number net.json peak_bytes)" = "$(number again.json peak_bytes)" ]
expect 0 "4 tasks" schedule small.cfg --layers 0..3
printf 'plan: 1\ngroups:\n  - layers: 0..3\n    grid: 2x1\n' >plan.yaml
expect 0 "small: 6 tasks" schedule small.cfg --plan plan.yaml --json plan.json
check "a group is a task" grep -q '"name": "layers 0..3", "op": "group"' plan.json

echo "# mistakes"
expect 2 "schedule needs a graph" schedule
expect 2 "one graph at a time" schedule graph.json even.json
expect 2 "expected base, inplace, view" schedule graph.json --model inpalce
expect 2 "did you mean inplace" schedule graph.json --model inpalce
expect 2 "expected exact, " schedule graph.json --method best
expect 2 "did you mean exact" schedule graph.json --method exakt
expect 2 "expected fusion, cuts" schedule graph.json --without speed
expect 2 "whole number from 1" schedule graph.json --align 0
expect 2 "number from 0" schedule graph.json --time-limit -1
expect 2 "takes no option --memory" schedule graph.json --memory 3M
expect 2 "plan is for models" schedule graph.json --plan plan.yaml
expect 2 "layers is for models" schedule graph.json --layers 0..1
expect 2 "exclude each other" schedule graph.json --rewrite --no-rewrite
expect 1 "missing.json" schedule missing.json
expect 1 "nowhere/x" schedule graph.json --json nowhere/x
sed 's/"bytes": 8/"bytes": 8.5/' graph.json >bad.json
expect 3 "^bad.json:10:49: error: bytes must be a whole number" schedule bad.json
expect 3 "hint: write all its digits" schedule bad.json
head -c 300 graph.json >bad.json
expect 3 "^bad.json:[0-9]*:[0-9]*: error: .*end of the file" schedule bad.json
: >bad.json
expect 3 "^bad.json:1:1: error: the file is empty" schedule bad.json
sed 's/"inputs": \[101\]/"inputs": [106]/' graph.json >bad.json
expect 3 "^bad.json:5:3: error: node 30: .*makes itself" schedule bad.json
cp small.raw bad.json
expect 3 "^bad.json:1:1: error: no valid JSON" schedule bad.json
expect 4 "^plan.yaml:1:" schedule plan.yaml
expect 0 "usage: tessera schedule" schedule --help
finish
