#!/bin/sh
# What a cluster of processes survives beside what cluster.sh has: its coordinator killed, links
# cut, a slow worker, two workers with one key, a cache on a full disk. Long.
#
# Links and disks are those of namespaces that vanish with the processes in them. Exit code 77: the
# rest passed, but this machine lets nobody make such.
if unshare --net --mount true 2>/dev/null; then
    is_apart=yes
elif unshare --user --map-root-user --net --mount true 2>/dev/null; then
    is_apart=yes own_user="--user --map-root-user"
fi
if [ -n "${is_apart:-}" ] && [ -z "${TESS_TEST_IS_APART:-}" ]; then
    # shellcheck disable=SC2086 # words
    TESS_TEST_IS_APART=yes exec unshare ${own_user:-} --net --mount "$0" "$@"
fi
. "$(dirname "$0")/cli_run.sh"
# shellcheck disable=SC2154 # set by cli_run.sh
. "$here/cluster_events.sh"
[ -z "${TESS_TEST_IS_APART:-}" ] || ip link set lo up || exit 1
has_budgets=${5:-}
make_small
HOME=$folder
export HOME
raw="small.cfg --weights small.weights --raw-input small.raw"
expect_small 0 "" --untiled --dump -1=whole
small_cluster_plan "" 2 >plan.yaml
n_port=$((20000 + $$ % 10000 * 2))

resident_kib() { # PID
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

# none_sent: the report says that no worker was sent weights.
none_sent() {
    check "no weights were sent" [ "$(grep -c '"weights_bytes": 0' report.json)" -eq 3 ]
}

# shellcheck disable=SC2086,SC2154 # lists of words; set by eval
echo "# a coordinator that is killed, and another in its place"
address=tcp://127.0.0.1:$n_port
steady="$raw --plan plan.yaml --listen $address --threads 1"
worker w1
worker w2
frames_for 8
before=$(resident_kib $pid_w1)
begins "$n_frames"
kill -KILL $run
wait $run 2>/dev/null
check "frames were still to come" [ ! -e report.json ]
sleep 2 # the lease of its workers
check "its workers are there" kill -0 $pid_w1 $pid_w2
expect 0 "" cluster run $steady --dump -1=dump --json report.json --repeat 20 --wait 10
same "after the coordinator's end"
none_sent
for name in w1 w2; do
    check "$name computed" grep -q "\"$name\".*\"tiles\": [1-9]" report.json
done
after=$(resident_kib $pid_w1)
[ -z "$has_budgets" ] || check "w1 had $before KiB, has $after" [ "$after" -lt $((before + 16384)) ]

echo "# a coordinator with workers of its own is killed: they end"
"$tessera" cluster run $raw --local 2 --listen tcp://127.0.0.1:$((n_port + 2)) --repeat "$n_frames" \
    >out 2>said &
run=$!
awaits 1 "local1 joined"
awaits 1 "local2 joined"
kill -KILL $run
wait $run 2>/dev/null
for _ in $(seq 100); do
    pgrep -f "worker --connect tcp://127.0.0.1:$((n_port + 2))" >left || break
    sleep 0.1
done
check "nobody is left" [ ! -s left ]

echo "# a worker that becomes slow"
# slowed PID: it runs for a quarter of the time, for 4 s.
slowed() {
    for _ in $(seq 50); do
        kill -STOP "$1"
        sleep 0.06
        kill -CONT "$1"
        sleep 0.02
    done
}
meanwhile "$n_frames" 'slowed $pid_w2'
check "nobody was taken for dead" sh -c '! grep -e "closed its connection" -e "silent" said'
end_workers

if [ -z "${TESS_TEST_IS_APART:-}" ]; then
    echo "skipped: links and disks; no namespaces can be made here"
    [ "$n_failed" -gt 0 ] || exit 77
    finish
fi

# plugged K NAME OPTION...: a worker on a network of its own, 10.78.0.K, at the port of that number
# of this one's switch.
plugged() {
    k=$1 name=$2
    shift 2
    unshare --net sh -c '
        until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
        ip link set lo up
        ip address add "10.78.0.$1/24" dev eth0
        ip link set eth0 up
        shift
        exec "$@"' sh "$k" "$tessera" worker --connect $address --name "$name" \
        --cache "$folder/cache" --threads 1 --coordinator-key gate.key.pub "$@" 2>"$name.said" &
    pid=$!
    workers="$workers $pid"
    eval "pid_$name=$pid"
    while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do
        sleep 0.05
    done
    ip link add "port$k" type veth peer name eth0 netns $pid || failed "no veth pair can be made"
    ip link set "port$k" master switch up
}

# cut SECONDS K...: pulls the plugs of these workers for that long.
cut_for() {
    seconds=$1
    shift
    for k; do ip link set "port$k" nomaster; done
    sleep "$seconds"
    for k; do ip link set "port$k" master switch; done
}

echo "# a link that is cut for 2 s, and two for 10 s"
ip link add switch type bridge && ip address add 10.78.0.1/24 dev switch &&
    ip link set switch up || failed "no bridge can be made"
for who in gate w1 w2; do expect 0 "" keygen $who.key --quiet; done
for who in w1 w2; do echo "$who $(sed 's/public //' $who.key.pub)"; done >allowed
address=tcp://10.78.0.1:5570
steady="$raw --plan plan.yaml --listen $address --threads 1 --key gate.key --allow allowed"
frames_for 14 # alone, as the coordinator is while both are cut off
plugged 11 w1 --key w1.key
plugged 12 w2 --key w2.key
meanwhile "$((n_frames / 2))" 'cut_for 2 12; awaits 2 "w2 joined"'
check "it was noticed: $(grep "w2 [^j]" said)" grep -q -e "w2 has been silent" \
    -e "w2 closed its connection" -e "w2 never answered" said
check "w2 is back at the end" grep -q '"w2", "state": "ready"' report.json
none_sent
meanwhile "$n_frames" 'cut_for 10 11 12; awaits 2 "w1 joined"; awaits 2 "w2 joined"'
check "both are back at the end" [ "$(grep -c '"w[12]", "state": "ready"' report.json)" -eq 2 ]
none_sent

echo "# a second worker with a key that is at work; whichever is first is w2"
plugged 13 twin --key w2.key
meanwhile "$((n_frames / 4))" 'awaits 1 "a second worker with the key of w2 was refused"'
check "the other is not at work" sh -c '! grep -q "\"twin\"" report.json'
end_workers

echo "# a cache on a full disk"
address=tcp://127.0.0.1:$((n_port + 4))
mkdir full
mount -t tmpfs -o size=20k none full || failed "no small disk can be mounted"
worker w1 --cache "$folder/full"
worker w2
expect 0 "" cluster run $raw --plan plan.yaml --listen $address --dump -1=dump --json report.json \
    --repeat 20 --wait 5
same "a full disk"
check "the coordinator says whose" grep -q "w1 cannot run the plan.*No space left on device" said
check "w2 computed" grep -q '"w2".*"tiles": [1-9]' report.json
check "w1 did not" grep -q '"w1".*"tiles": 0' report.json
end_workers
umount full
finish
