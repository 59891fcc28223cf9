# Sourced by tests of clusters, after cli_run.sh: workers, and things that happen while frames are
# computed. Whatever ends the test ends its workers.
#
# `whole` is the output of one process; workers w1 and w2 are there or on their way; `steady` has the
# words of their `cluster run`. It names one thread for the coordinator, as workers have: two that
# wait for each other are slow where other processes compute, too.
# shellcheck shell=sh disable=SC2086 # lists of words

workers= # process numbers

end_workers() {
    for pid in $workers; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    workers=
}
trap 'end_workers; cd / && rm -rf "$folder"' EXIT

# worker NAME OPTION...: in the background, to `address`.
worker() {
    name=$1
    shift
    "$tessera" worker --connect $address --name "$name" --cache "$folder/cache" --threads 1 \
        "$@" 2>"$name.said" &
    workers="$workers $!"
    eval "pid_$name=$!"
}

# same WHAT: the dump is that of one process, and the accounts of all frames are closed.
same() {
    check "the same bits: $1" cmp whole dump
    check "accounts are closed: $1" sh -c '! grep -q "\"closed\": false" report.json'
    rm -f dump
}

# frames_for SECONDS: sets n_frames so that computing takes that long at least, on this build: no
# frame is faster than the fastest of fifty.
frames_for() {
    expect 0 "" cluster run $steady --json report.json --repeat 50 --wait 5
    n_frames=$(awk -v ms="$(number report.json min)" -v s="$1" 'BEGIN { print int(1000 * s / ms) }')
    echo "$n_frames frames"
}

# awaits N WORDS: the coordinator has said them N times, in 20 s at most.
awaits() {
    for _ in $(seq 200); do
        [ "$(grep -c -e "$2" said)" -ge "$1" ] && return
        sleep 0.1
    done
    failed "the coordinator did not say $1 times: $2"
}

# begins N: N frames in the background; both workers have joined and frames are being computed.
begins() {
    rm -f report.json
    : >said
    "$tessera" cluster run $steady --dump -1=dump --json report.json --repeat "$1" --wait 5 \
        >out 2>said &
    run=$!
    awaits 1 "w1 joined"
    awaits 1 "w2 joined"
    sleep 0.5
}

# meanwhile N COMMAND: the command is run while N frames are computed, by all nodes at first. The
# report is written after the last frame.
meanwhile() {
    n=$1
    shift
    begins "$n"
    eval "$*"
    check "when it had happened frames were still to come: $*" [ ! -e report.json ]
    wait $run
    check "exit code $?" [ $? -eq 0 ]
    same "$*"
    for name in w1 w2; do
        check "$name computed" grep -q "\"$name\".*\"tiles\": [1-9]" report.json
    done
    grep -e '^time' out
}
