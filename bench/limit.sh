#!/bin/sh
# limit.sh BUDGET [--keep-cache] -- COMMAND [ARGUMENT...]
#
# Runs a command in a memory cgroup of its own, whose limit is BUDGET: 64M, 32MiB or 9437184 bytes;
# K, M and G are powers of 1024. What the command cannot have within the limit it does not get: there
# is no swap, and where nothing more can be reclaimed the kernel's OOM killer ends it. Everything
# counts that is charged to the group: memory, page tables, and pages of files that it is the first
# to read. The latter can be reclaimed, so a peak at the limit is usual and no failure. Caches are
# dropped before, so that libraries count, too; --keep-cache leaves them.
#
# Says on standard error what happened, and ends with the command's exit code (137 if it was killed).
# 2: called wrongly. 77: this machine or user cannot limit memory, and the command was not run.
set -u

name=$(basename "$0")

say() {
    echo "$name: $*" >&2
}

wrong() {
    say "$*"
    echo "usage: $name BUDGET [--keep-cache] -- COMMAND [ARGUMENT...]" >&2
    exit 2
}

cannot() {
    say "cannot limit memory: $*"
    exit 77
}

bytes_of() { # 64M to 67108864; empty if it is no size
    digits=${1%%[!0-9]*}
    case ${1#"$digits"} in
    '' | B) factor=1 ;;
    K | KB | KiB) factor=1024 ;;
    M | MB | MiB) factor=1048576 ;;
    G | GB | GiB) factor=1073741824 ;;
    *) return ;;
    esac
    case $digits in
    '' | 0* | ????????????*) ;;
    *) echo $((digits * factor)) ;;
    esac
}

mib() {
    awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'
}

# --- what is asked for ---

budget='' keeps_cache=no
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    --keep-cache) keeps_cache=yes ;;
    --) break ;;
    -*) wrong "unknown option $1" ;;
    *)
        [ -z "$budget" ] || wrong "-- is missing before the command"
        budget=$1
        ;;
    esac
    shift
done
[ -n "$budget" ] || wrong "BUDGET is missing"
bytes=$(bytes_of "$budget")
[ -n "$bytes" ] || wrong "BUDGET is a size such as 64M, not $budget"
[ $# -gt 1 ] || wrong "the command is missing"
shift

# --- where groups are made ---

[ "$(id -u)" -eq 0 ] || cannot "only root may make memory cgroups"

# The mount point of a hierarchy: of type cgroup with the memory controller, or cgroup2.
mount_of() {
    awk -v type="$1" '$3 == type && (type == "cgroup2" || "," $4 "," ~ /,memory,/) { print $2; exit }' \
        /proc/mounts
}

# Our own group there, below the mount point; its root where a container hides the rest.
own_group() {
    group=$(awk -F: -v version="$1" '
        version == 1 && "," $2 "," ~ /,memory,/ || version == 2 && $1 == 0 {
            sub(/^[^:]*:[^:]*:/, ""); print; exit }' /proc/self/cgroup)
    [ -d "$2$group" ] && echo "$2${group%/}" || echo "$2"
}

mount=$(mount_of cgroup)
if [ -n "$mount" ]; then
    version=1
    parent=$(own_group 1 "$mount")
else
    version=2
    mount=$(mount_of cgroup2)
    [ -n "$mount" ] || cannot "no cgroups are mounted"
    parent=$(own_group 2 "$mount")
    # Groups with processes of their own cannot have limited ones below, except for the root.
    while ! grep -qw memory "$parent/cgroup.subtree_control" 2>/dev/null; do
        [ "$parent" != "$mount" ] || cannot "no cgroup here hands down the memory controller"
        parent=${parent%/*}
    done
fi

# --- the group ---

group=$parent/tessera-limit-$$
command_pid=''

# shellcheck disable=SC2317 # called by the traps below
clean_up() {
    trap - EXIT
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -d "$group" ] || return
        while read -r pid; do
            kill -KILL "$pid" 2>/dev/null
        done <"$group/cgroup.procs"
        rmdir "$group" 2>/dev/null && return
        sleep 0.2
    done
    say "could not remove $group"
}

# shellcheck disable=SC2317
stop() {
    [ -z "$command_pid" ] || kill -TERM "$command_pid" 2>/dev/null
}

mkdir "$group" 2>/dev/null || cannot "no group can be made in $parent"
trap clean_up EXIT
trap stop INT TERM HUP

# set_limit FILE VALUE
set_limit() {
    echo "$2" 2>/dev/null >"$group/$1"
}

has_swap() {
    [ "$(wc -l </proc/swaps)" -gt 1 ]
}

# Swap first where it is the smaller one: memory.memsw is never below memory.
if [ $version = 1 ]; then
    limit=memory.limit_in_bytes peak=memory.max_usage_in_bytes
    set_limit $limit "$bytes" || cannot "the kernel refuses $budget in $group/$limit"
    set_limit memory.memsw.limit_in_bytes "$bytes" || ! has_swap ||
        cannot "there is swap, and this kernel does not count it"
else
    limit=memory.max peak=memory.peak
    set_limit $limit "$bytes" || cannot "the kernel refuses $budget in $group/$limit"
    set_limit memory.swap.max 0 || ! has_swap ||
        cannot "there is swap, and this kernel does not count it"
fi
granted=$(cat "$group/$limit")
if [ "$granted" -gt "$bytes" ] || [ "$granted" -le $((bytes - 65536)) ]; then # whole pages
    cannot "the kernel made $granted bytes of $budget"
fi

# --- the command ---

if [ $keeps_cache = no ]; then
    sync
    echo 3 2>/dev/null >/proc/sys/vm/drop_caches || cannot "caches cannot be dropped here"
fi

# A shell joins the group and becomes the command: what it has up to then is charged outside. In the
# background, so that signals are passed on at once.
exec 3<&0
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$group" "$@" <&3 3<&- &
command_pid=$!
while
    wait "$command_pid"
    code=$?
    # Interrupted by a signal of ours, the command not having ended yet?
    kill -0 "$command_pid" 2>/dev/null
do :; done

# --- what happened ---

# counter FILE KEY: the number after KEY; empty if this kernel does not have it.
counter() {
    sed -n "s/^$2 //p" "$group/$1" 2>/dev/null
}

if [ $version = 1 ]; then
    # Of two equal limits the one with swap is met first.
    n_failures=$(cat "$group/memory.failcnt" "$group/memory.memsw.failcnt" 2>/dev/null |
        awk '{ n += $1 } END { print n }')
    n_killed=$(counter memory.oom_control oom_kill)
else
    n_failures=$(counter memory.events max)
    n_killed=$(counter memory.events oom_kill)
fi
highest=$(cat "$group/$peak" 2>/dev/null)
[ -n "$highest" ] && highest=$(mib "$highest")
# Some kernels have the counter of failures and do not count.
[ "${n_failures:-0}" -eq 0 ] || n_failures=", at the limit $n_failures times"
say "limit $(mib "$granted"), peak ${highest:-unknown}${n_failures#0}"
if [ "${n_killed:-0}" -gt 0 ]; then
    if [ $code -eq 137 ]; then
        say "the kernel's OOM killer ended the command"
    else
        say "the kernel's OOM killer ended $n_killed processes, but not the command"
    fi
elif [ $code -eq 137 ]; then
    say "the command was killed${n_killed:+, but not by the OOM killer}"
fi
exit $code
