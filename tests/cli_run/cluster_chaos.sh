#!/bin/sh
# Many frames while workers are killed, stopped, and started again at random: every frame has the
# right bits, and every attempt at every tile is accounted for. Long.
#
# TESS_TEST_SEED and TESS_TEST_CASES (frames) say another course.
. "$(dirname "$0")/cli_run.sh"
make_small
n_frames=${TESS_TEST_CASES:-8000}
seed=${TESS_TEST_SEED:-$(date +%s)}
echo "TESS_TEST_SEED=$seed, $n_frames frames"
address=tcp://127.0.0.1:$((20000 + $$ % 20000 / 2 * 2))
raw="small.cfg --weights small.weights --raw-input small.raw"

small_cluster_plan "computes: no, " 3 >plan.yaml

start() {
    "$tessera" worker --connect $address --name "w$1" --cache "$folder/cache$1" --threads 1 --quiet &
    eval "pid$1=$!"
}

stop_all() {
    # shellcheck disable=SC2154 # set by start
    for pid in $pid1 $pid2 $pid3; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
}
trap 'stop_all; cd / && rm -rf "$folder"' EXIT

# pick N: sets `picked` to a number below N, from the seed.
pick() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    picked=$((seed / 65536 % $1))
}

# doze MOST: for less than MOST seconds.
doze() {
    pick "$1"
    seconds=$picked
    pick 10
    sleep "$seconds.$picked"
}

n_kills=0 n_stops=0
disturb() {
    pick 3
    which=$((picked + 1))
    eval "pid=\$pid$which"
    pick 2
    if [ "$picked" -eq 0 ]; then
        kill -KILL "$pid"
        wait "$pid" 2>/dev/null
        n_kills=$((n_kills + 1))
        doze 1
        start $which
    else
        kill -STOP "$pid"
        n_stops=$((n_stops + 1))
        doze 3
        kill -CONT "$pid"
    fi
}

for i in 1 2 3; do start $i; done
# shellcheck disable=SC2086 # a list of words
expect 0 "" cluster run $raw --plan plan.yaml --listen $address --json calm.json
# shellcheck disable=SC2086
"$tessera" cluster run $raw --plan plan.yaml --listen $address --json report.json \
    --repeat "$n_frames" --quiet 2>said &
run=$!
sleep 2
while kill -0 $run 2>/dev/null; do
    disturb
    doze 1
done
wait $run
check "exit code $?" [ $? -eq 0 ]
echo "$n_kills killed, $n_stops stopped"
check "workers were killed and stopped" [ $((n_kills > 0 && n_stops > 0)) -eq 1 ]
right=$(sed -n 's/.*"output_crc32c": "\(.*\)".*/\1/p' calm.json)
check "a checksum: $right" [ ${#right} -eq 8 ]
check "$n_frames frames with the right bits" \
    [ "$(grep -c "\"output_crc32c\": \"$right\"" report.json)" -eq "$n_frames" ]
check "all accounts are closed" [ "$(grep -c '"closed": true' report.json)" -eq "$n_frames" ]
check "attempts came to nothing, too" grep -q -e '"\(lost\|late\|duplicate\|cancelled\)": [1-9]' report.json
grep -e '"median"' -e '"max"' report.json
finish
