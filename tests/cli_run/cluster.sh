#!/bin/sh
# A network over several processes: the same bits as on one, whatever happens to the workers.
. "$(dirname "$0")/cli_run.sh"
# shellcheck disable=SC2154 # set by cli_run.sh
. "$here/cluster_events.sh"
make_small
HOME=$folder
export HOME
net="small.cfg --weights small.weights"
raw="$net --raw-input small.raw"
expect_small 0 "" --untiled --dump -1=whole
n_port=$((20000 + $$ % 20000))

small_cluster_plan "" 2 >plan.yaml
sed 's/input: floats/input: bytes/' plan.yaml >plan_bytes.yaml

# Each cluster has ports of its own: those of one that ended may not be free yet.
next_port() {
    n_port=$((n_port + 2))
    address=tcp://127.0.0.1:$n_port
}

# shellcheck disable=SC2086 # lists of words
echo "# workers started by the run itself"
for n in 1 3; do
    expect 0 "local1" cluster run $raw --local $n --dump -1=dump --json report.json --repeat 3
    same "--local $n"
done
# shellcheck disable=SC2016 # a script of its own
check "nobody is left" sh -c 'for pid in $(pgrep -f "[w]orker --connect"); do
    ! grep -qzx "HOME=$0" /proc/$pid/environ || exit 1; done' "$folder"

echo "# a plan by hand, floats"
next_port
worker w1
worker w2
expect 0 "w2" cluster run $raw --plan plan.yaml --listen $address --dump -1=dump \
    --json report.json --trace trace.json --repeat 20
same "floats"
check "a picture of who did what" grep -q '"frame 19 stage 2 tile 1' trace.json
check "weights came over the wire" [ "$(sed -n 's/.*"w[12]".*"weights_bytes": \([0-9]*\).*/\1/p' report.json |
    awk '{s += $1} END {print s}')" -gt 0 ]

echo "# photographs, as bytes: fitted by each node"
"$make_picture" photo.jpg 200 150 || exit 1
mkdir album
for i in 1 2 3; do "$make_picture" album/$i.png 120 170 || exit 1; done
for fit in letterbox stretch; do
    expect 0 "" run $net --image photo.jpg --fit $fit --untiled --dump -1=whole --thresh 0.03 \
        --json one.json
    expect 0 "" cluster run $net --image photo.jpg --fit $fit --plan plan_bytes.yaml \
        --listen $address --dump -1=dump --json report.json --thresh 0.03
    same "photograph, $fit"
    check "found: $(grep -c '"class_id"' one.json)" [ "$(grep -c '"class_id"' one.json)" -eq \
        "$(grep -c '"class_id"' report.json)" ]
    check "weights are kept: none were sent" [ "$(grep -c '"weights_bytes": 0' report.json)" -eq 3 ]
done
expect 0 "album/3.png" cluster run $net --image album --in-flight 3 --plan plan_bytes.yaml \
    --listen $address --json report.json
check "three frames" [ "$(grep -c '"path"' report.json)" -eq 3 ]
echo "# photographs of several sizes, as floats"
expect 0 "photo.jpg" cluster run $net --image album --image photo.jpg --plan plan.yaml \
    --listen $address --dump -1=dump --json report.json --fit stretch
same "fitted by the coordinator"
expect 3 "sends bytes" cluster run $net --image album --image photo.jpg \
    --plan plan_bytes.yaml --listen $address
expect 2 "layer 3 never exists whole" cluster run $raw --plan plan.yaml --listen $address --dump 3=dump
expect 0 "" cluster run $raw --plan plan.yaml --listen $address --dump 1=dump
expect_small 0 "" --untiled --dump 1=whole
check "a layer between stages" cmp whole dump
expect_small 0 "" --untiled --dump -1=whole

echo "# every tile where it is planned, and every frame by one node"
for how in --static "--whole-frames --cluster plan.yaml"; do
    [ "$how" = --static ] && how="--static --plan plan.yaml"
    expect 0 "" cluster run $raw $how --listen $address --dump -1=dump --json report.json \
        --repeat 9 --in-flight 3
    same "$how"
done
check "whole frames have one stage" [ "$(number report.json n_stages)" -eq 1 ]
check "nine frames, nine tiles" [ "$(sed -n 's/.*"tiles": \([0-9]*\),.*/\1/p' report.json |
    awk '{s += $1} END {print s}')" -eq 9 ]
expect 2 "does not go with" cluster run $raw --whole-frames --plan plan.yaml --listen $address

echo "# a worker that dies, one that hangs, all of them"
steady="$raw --plan plan.yaml --listen $address --threads 1"
frames_for 8
n_most=$((n_frames < 1500 ? n_frames : 1500)) # where nobody is waited for
# shellcheck disable=SC2154 # set by eval
meanwhile $n_most 'kill -KILL $pid_w1; awaits 1 "w1 closed its connection"'
worker w1
meanwhile $n_frames 'kill -STOP $pid_w2; awaits 1 "w2 has been silent"; kill -CONT $pid_w2; awaits 2 "w2 joined"'
check "w2 is back at the end" grep -q '"w2", "state": "ready"' report.json
meanwhile $n_most 'kill -KILL $pid_w1; kill -KILL $pid_w2; awaits 2 "w[12] closed its connection"'
end_workers

echo "# who may join"
next_port
for who in gate w1 stranger; do expect 0 "" keygen $who.key --quiet; done
echo "w1 $(sed 's/public //' w1.key.pub)" >allowed
worker w1 --key w1.key --coordinator-key gate.key.pub
worker stranger --key stranger.key --coordinator-key gate.key.pub
worker nobody
expect 0 "refused" cluster run $raw --plan plan.yaml --listen $address --key gate.key \
    --allow allowed --wait 3 --dump -1=dump --json report.json --repeat 5
same "with keys"
check "w1 computed" sh -c 'grep "\"w1\"" report.json | grep -v -q "\"tiles\": 0"'
check "nobody else did" sh -c '! grep -q -E "stranger|nobody" report.json'
end_workers
expect 1 "File exists" keygen gate.key
chmod 644 gate.key
expect 3 "others" cluster run $raw --plan plan.yaml --listen $address --key gate.key --allow allowed

echo "# what is wrong is said"
expect 2 "no cluster given" cluster run $raw
expect 2 "do not go with it" cluster run $raw --local 2 --plan plan.yaml
expect 2 "expected tcp://HOST:PORT" worker --connect localhost
expect 2 "needs --connect" worker
expect 2 "goes with --coordinator-key" worker --connect $address --key w1.key
expect 3 "only addresses of this machine" cluster run $raw --plan plan.yaml \
    --listen tcp://0.0.0.0:$n_port
expect 7 "no worker came" cluster status --listen $address --wait 0.2

echo "# a worker without memory says so, and the others go on"
next_port
worker w1 --memory 2M
worker w2
expect 0 "w1" cluster run $raw --plan plan.yaml --listen $address --dump -1=dump --json report.json
same "one too small"
check "the reason" grep -q "a tile of layers .* takes .* --memory is 2" w1.said
expect 0 "w2 .*ready" cluster status --listen $address --wait 3 --json status.json
check "links in JSON" grep -q '"link_mbit": [1-9]' status.json

echo "# a worker that is told to stop leaves in order"
# shellcheck disable=SC2154
kill -TERM "$pid_w2"
# shellcheck disable=SC2154
wait "$pid_w2"
check "exit code $?" [ $? -eq 0 ]
end_workers

echo "# a damaged cache is noticed"
for blob in cache/*; do
    size=$(wc -c <"$blob")
    printf 'XXXX' | dd of="$blob" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
done
next_port
worker w1
worker w2
expect 0 "" cluster run $raw --plan plan.yaml --listen $address --dump -1=dump --json report.json
same "after damage"
end_workers
finish
