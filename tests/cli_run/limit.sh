#!/bin/sh
# bench/limit.sh ends a command that needs more than its budget, and no other; what the command
# says and how it ends comes through.
. "$(dirname "$0")/cli_run.sh"
limit=$here/../../bench/limit.sh

"$limit" 64M --keep-cache -- true 2>said
if [ $? -eq 77 ]; then
    cat said
    exit 77
fi

# expect_limited CODE "WORDS" ARGUMENT...: limit.sh ends with CODE and says WORDS.
expect_limited() {
    code=$1 words=$2
    shift 2
    "$limit" "$@" >out 2>said </dev/null
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -q -e "$words" said; then
        failed "exit code $got, not $code and \"$words\": limit.sh $*"
        sed 's/^/    /' said
    else
        echo "ok: $code, limit.sh $*"
    fi
}

# Holds 40 MB at once.
holds_40="dd if=/dev/zero of=/dev/null bs=40M count=1"

echo "# what fits passes, what does not is ended"
# shellcheck disable=SC2086 # words
for keep in "" --keep-cache; do
    expect_limited 0 "limit 64.0 MiB, peak 4[0-9]\\." 64M $keep -- $holds_40
    expect_limited 137 "OOM killer ended the command" 32MiB $keep -- $holds_40
    expect_limited 137 "limit 32.0 MiB, peak 3[12]\\." 33554432 $keep -- $holds_40
done
# shellcheck disable=SC2086
expect_limited 3 "OOM killer ended 1 processes, but not the command" 32M --keep-cache -- \
    sh -c "$holds_40; exit 3"
expect_limited 0 "peak" 64M -- "$tessera" --version

echo "# what goes through"
expect_limited 5 "peak" 16M --keep-cache -- sh -c "exit 5"
expect_limited 0 "peak" 16M --keep-cache -- printf "%s|" "two words" "" "*"
check "arguments arrive as they are" [ "$(cat out)" = "two words||*|" ]
echo hello | "$limit" 16M --keep-cache -- cat >out 2>said
check "standard input arrives" [ "$(cat out)" = hello ]
expect_limited 127 "peak" 16M --keep-cache -- ./no-such-command
expect_limited 0 "peak" 16M --keep-cache -- sh -c "sleep 100 & echo"
"$limit" 16M --keep-cache -- sleep 100 2>said &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
check "a signal ends the command at once" [ $? -eq 143 ]

echo "# wrong calls"
expect_limited 2 "BUDGET is missing"
expect_limited 2 "such as 64M" 64X -- true
expect_limited 2 "such as 64M" M -- true
expect_limited 2 "-- is missing" 64M true
expect_limited 2 "command is missing" 64M --
expect_limited 2 "unknown option" 64M --wrong -- true
check "help" "$limit" --help

left=
for group in $(find /sys/fs/cgroup -name 'tessera-limit-*' 2>/dev/null); do
    kill -0 "${group##*-}" 2>/dev/null || left="$left $group" # else somebody else's
done
check "no group is left$left" [ -z "$left" ]
finish
