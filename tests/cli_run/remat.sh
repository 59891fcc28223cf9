#!/bin/sh
# tessera schedule --budget: tasks that run more than once, in the order given or not; what is
# printed and what JSON says; budgets that nothing keeps; mistakes of users.
. "$(dirname "$0")/cli_run.sh"

# a is read by b, and at last by e. Within 14 bytes a must not wait while c and d run: 4 + 8 + 4.
cat >graph.json <<'END'
{"name": "waits",
 "nodes": [
  {"id": 1, "op": "conv", "inputs": [], "outputs": [11], "cost": 5},
  {"id": 2, "op": "conv", "inputs": [11], "outputs": [12], "cost": 20},
  {"id": 3, "op": "conv", "inputs": [12], "outputs": [13], "cost": 50},
  {"id": 4, "op": "conv", "inputs": [13], "outputs": [14], "cost": 20},
  {"id": 5, "op": "conv", "inputs": [11, 14], "outputs": [15], "cost": 5}],
 "tensors": [
  {"id": 11, "bytes": 4}, {"id": 12, "bytes": 4},
  {"id": 13, "bytes": 8}, {"id": 14, "bytes": 4}, {"id": 15, "bytes": 1}],
 "inputs": [], "outputs": [15]}
END

# is KEY VALUE: in out.json.
is() {
    check "$1 is $2" [ "$(number out.json "$1")" = "$2" ]
}

echo "# a budget"
expect 0 "1 runs more" schedule graph.json --budget 14 --json out.json
is budget_bytes 14
is file_order_peak_bytes 16
is extra_time_percent 5
is cost 105
is runs 6
check "it is proven, and fits" grep -q '"proven": true' out.json
check "it fits" [ "$(number out.json peak_bytes)" -le 14 ]
check "the first task runs twice" grep -q '"sequence": \[1, 2, 3, 4, 1, 5\]' out.json
check "a place for both copies" [ "$(grep -c '"tensor": 11,' out.json)" = 2 ]
expect 0 "proven: nothing takes less" schedule graph.json --budget 85% --keep-order --json out.json
is budget_bytes 14
expect 0 "0 runs more than once" schedule graph.json --budget 100% --json out.json
is extra_time_percent 0
is runs 5

echo "# methods"
expect 2 "expected best, exact" schedule graph.json --budget 14 --remat besst
for method in $(sed -n 's/.*: expected //p' said | tr -d ,); do
    expect 0 "" schedule graph.json --budget 14 --remat "$method" --json out.json
    is extra_time_percent 5
done

echo "# too little"
expect 5 "nothing runs within 11 B: proven" schedule graph.json --budget 11 --json out.json
check "the smallest budget is told" grep -q "smallest budget found that works is 12" said
check "JSON says so, too" grep -q '"fits": false' out.json
expect 5 "nothing runs within 13 B" schedule graph.json --budget 13 --most-runs 1

echo "# odd graphs"
echo '{"nodes": [], "tensors": [], "inputs": [], "outputs": []}' >empty.json
expect 0 "fits" schedule empty.json --budget 0
echo '{"nodes": [], "tensors": [{"id": 1, "bytes": 7}], "inputs": [1], "outputs": [1]}' >kept.json
expect 0 "fits" schedule kept.json --budget 7
expect 5 "proven" schedule kept.json --budget 6
sed 's/"cost": 5}/"cost": 9000000000000000000}/' graph.json >dear.json
expect 4 "cost of task" schedule dear.json --budget 14
sed 's/, "cost": [0-9]*//' graph.json >free.json
expect 0 "1 runs more" schedule free.json --budget 14 --json out.json
is least_cost 5
is cost 6
for model in base inplace view; do
    expect 0 "fits" schedule graph.json --budget 14 --model "$model" --align 2
done
head -c 300 graph.json >bad.json
expect 3 "^bad.json:[0-9]*:[0-9]*: error: .*end of the file" schedule bad.json --budget 14

echo "# mistakes"
expect 2 "expected bytes or a percentage" schedule graph.json --budget many
expect 2 "expected bytes or a percentage" schedule graph.json --budget -3%
expect 2 "exclude each other" schedule graph.json --budget 14 --rewrite
finish
