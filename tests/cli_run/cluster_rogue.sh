#!/bin/sh
# Messages that are spoilt between a worker and its coordinator, each in one way: frames complete
# with the same bits, somebody says what is wrong, and nobody grows or spins. Long.
# shellcheck disable=SC2086,SC2154 # lists of words; set by what is sourced, and by eval
. "$(dirname "$0")/cli_run.sh"
rogue_link=$5 has_budgets=${6:-}
. "$here/cluster_events.sh"
make_small
HOME=$folder
export HOME
raw="small.cfg --weights small.weights --raw-input small.raw"
expect_small 0 "" --untiled --dump -1=whole
small_cluster_plan "computes: no, " 4 >plan.yaml
n_port=$((14000 + $$ % 8000 * 2))
n_link=$n_port
has_keys=
mkfifo orders

# next_cluster OPTIONS: another one, on ports of its own.
next_cluster() {
    n_port=$((n_link + 2)) n_link=$((n_link + 2))
    address=tcp://127.0.0.1:$n_port
    steady="$raw --plan plan.yaml --listen $address --threads 1 $*"
}

# begins_waiting: a run that waits for a fourth worker, w3 being behind a link that obeys what is
# written to `orders` and tells `spoilt`.
begins_waiting() {
    n_link=$((n_link + 2))
    : >spoilt
    "$rogue_link" $n_link $n_port <>orders >>spoilt &
    workers="$workers $!"
    : >said
    "$tessera" cluster run $steady --dump -1=dump --json report.json --repeat "$n_frames" \
        --wait 100 >out 2>said &
    run=$!
    starts_w3
    awaits 1 "w3 joined"
}

# comes NAME: a worker, with its key if there are keys.
comes() {
    if [ -n "$has_keys" ]; then
        worker "$1" --key "$1.key" --coordinator-key gate.key.pub
    else
        worker "$1"
    fi
}

starts_w3() {
    direct=$address address=tcp://127.0.0.1:$n_link
    comes w3
    address=$direct
}

# another_w3: in place of the one that is there.
another_w3() {
    kill -KILL $pid_w3
    wait $pid_w3 2>/dev/null
    starts_w3
}

# again: the same, and it joins.
again() {
    n=$(count_says said "w3 joined")
    another_w3
    awaits $((n + 1)) "w3 joined"
}

# goes_on: the fourth worker comes, frames are computed.
goes_on() {
    comes w4
    awaits 1 "w4 joined"
}

# ends: so does the run, with the same bits in each frame.
ends() {
    wait $run
    check "exit code $?" [ $? -eq 0 ]
    same "after all that"
    right=$(sed -n 's/.*"output_crc32c": "\(.*\)".*/\1/p' report.json | head -n 1)
    check "$n_frames frames with the right bits" \
        [ "$(grep -c "\"output_crc32c\": \"$right\"" report.json)" -eq "$n_frames" ]
    check "none failed" sh -c '! grep "no node" said'
    rm -f report.json
    end_workers
}

peak_kib() { # PID
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}

ticks() { # PID; hundredths of a second
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

grew_little() { # NAME PID KIB
    now=$(peak_kib "$2")
    [ -z "$has_budgets" ] ||
        check "$1 had $3 KiB, has $now" [ "${now:-999999}" -lt $(($3 + 16384)) ]
}

# count_says FILE WORDS
count_says() {
    grep -c -e "$2" "$1"
}

# spoils ORDER FILE WORDS [COMMAND]: what is ordered happens, after the command, and FILE says WORDS
# once more, in 20 s at most. Neither the coordinator nor w3 takes 16 MB more for it.
spoils() {
    n_said=$(count_says "$2" "$3") n_spoilt=$(count_says spoilt "")
    kib=$(peak_kib $run) kib_w3=$(peak_kib $pid_w3)
    echo "$1" >orders
    ${4:-:}
    for _ in $(seq 200); do
        if [ "$(count_says spoilt "")" -gt "$n_spoilt" ] &&
            [ "$(count_says "$2" "$3")" -gt "$n_said" ]; then
            break
        fi
        sleep 0.1
    done
    check "$1 was done" [ "$(count_says spoilt "")" -gt "$n_spoilt" ]
    check "$1: $3" [ "$(count_says "$2" "$3")" -gt "$n_said" ]
    grew_little "the coordinator" $run $kib
    grew_little w3 $pid_w3 $kib_w3
}

# begins_badly ORDER FILE WORDS: the same while another w3 begins, which joins all the same.
begins_badly() {
    n=$(count_says said "w3 joined")
    : >w3.said
    spoils "$1" "$2" "$3" another_w3
    awaits $((n + 1)) "w3 joined"
}

unread="message.* of w3 "
unread_there="messages* of the coordinator "

echo "# while nothing is computed"
n_frames=20
next_cluster
comes w1
comes w2
begins_waiting
for how in flip truncated garbage bomb burst; do
    for which in W:HB W:CREDIT; do spoils "$how $which 1" said "$unread"; done
    spoils "$how C:HB 1" w3.said "$unread_there"
done
spoils "bulk W:HB 1" said "w3 closed its connection" # no payload may come there
used=$(ticks "$run") used_w3=$(ticks "$pid_w3")
sleep 3
check "the coordinator is quiet" [ $(($(ticks $run) - used)) -lt 100 ]
check "w3 is quiet" [ $(($(ticks $pid_w3) - used_w3)) -lt 100 ]
check "few sentences: $(count_says said "") and $(count_says w3.said "")" \
    [ $(($(count_says said "") + $(count_says w3.said ""))) -lt 200 ]
goes_on
ends

echo "# while frames are computed"
next_cluster
comes w1
comes w2
frames_for 80
begins_waiting
goes_on
spoils "flip W:RESULT 1" said "a result of w3 arrived damaged"
spoils "flip C:TASK 1" said "a task for w3 arrived damaged"
for how in short truncated garbage bomb; do
    spoils "$how W:RESULT 1" said "$unread"
    spoils "$how C:TASK 1" w3.said "$unread_there"
done
for how in burst bulk; do # after such a wait w3 counts as slow: another one does not
    spoils "$how W:RESULT 1" said "$unread"
    again
    spoils "$how C:TASK 1" w3.said "$unread_there"
    again
done
echo "# frames that are too long"
spoils "long W:RESULT 1" said "w3 closed its connection"
spoils "long C:TASK 1" said "w3 joined"
echo "# when a session begins"
begins_badly "version W:HELLO 1" said "unknown peer at 127.0.0.1 is of another protocol version"
begins_badly "version C:WELCOME 1" w3.said "$unread_there"
begins_badly "early W:HELLO 1" w3.said "no such session"
echo "# results that cannot be right"
for how in outside other; do
    spoils "$how W:RESULT 1" said "w3 sent a result of another shape"
    again
done
spoils "flip W:RESULT 8" said "w3 sends nothing but damaged results"
again
spoils "outside C:TASK 1" said "w3 has another plan than the coordinator"
ends

echo "# with keys"
n_frames=20 has_keys=yes
for who in gate w1 w2 w3 w4; do expect 0 "" keygen $who.key --quiet; done
for who in w1 w2 w3 w4; do echo "$who $(sed 's/public //' $who.key.pub)"; done >allowed
next_cluster --key gate.key --allow allowed
comes w1
comes w2
begins_waiting
spoils "flip W:? 1" said "w3 closed its connection\|failed while keys were exchanged"
goes_on
ends
finish
