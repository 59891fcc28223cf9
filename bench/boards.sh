# Sourced: boards emulated on this machine, as root. A board is a network namespace with the address
# 10.77.0.K and a link of its own to one switch, a share of one processor, and a memory limit:
#
#   link        veth into a bridge, token bucket (tc tbf) on both ends: each way MBIT megabits per
#               second, 16 KB at once, at most 50 ms of queue
#   processor   CFS quota in periods of 20 ms, always on the same processor. Longer periods would
#               stall heartbeats: at a tenth of 100 ms a process that used its share waits 90 ms.
#               Its weight is the greatest there is, so that other load takes nothing of the share
#   memory      a limit of the group, pages of files included, no swap
#
# All of it hangs on names that begin with tessera-board: what a run that was killed left behind is
# found by them. Written for cgroups v1 and v2; tried with v1.
#
# Needs $link_speed, the program. Ends with exit code 77 where a machine does not offer this.
# shellcheck shell=sh
: "${link_speed:?}"

boards_hub=tessera-boards-hub
boards_lock=/var/lock/tessera-boards
boards_period_us=20000

boards_cannot() {
    echo "$(basename "$0"): cannot emulate boards: $*" >&2
    exit 77
}

board_name() { # K
    echo "tessera-board-$1"
}

board_address() { # K
    echo "10.77.0.$1"
}

# --- control groups ---

# Where groups with this controller may be made: "VERSION FOLDER".
boards_parent_of() {
    mount=$(awk -v name="$1" \
        '$3 == "cgroup" && index("," $4 ",", "," name ",") { print $2; exit }' /proc/mounts)
    if [ -n "$mount" ]; then
        group=$(awk -F: -v name="$1" 'index("," $2 ",", "," name ",") { print $3; exit }' \
            /proc/self/cgroup)
        [ -d "$mount$group" ] || group=
        echo "1 $mount${group%/}"
        return
    fi
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -z "$mount" ] || ! grep -qw "$1" "$mount/cgroup.subtree_control" || echo "2 $mount"
}

boards_find_groups() {
    parent=$(boards_parent_of cpu)
    [ -n "$parent" ] || boards_cannot "no control groups with the controller cpu"
    cpu_version=${parent%% *} cpu_groups=${parent#* }/tessera-boards
    parent=$(boards_parent_of memory)
    [ -n "$parent" ] || boards_cannot "no control groups with the controller memory"
    memory_version=${parent%% *} memory_groups=${parent#* }/tessera-boards
}

# One line: the groups of a board; one folder if both controllers share a hierarchy.
board_groups() { # K
    echo "$cpu_groups/$1 $memory_groups/$1" | tr ' ' '\n' | sort -u | tr '\n' ' '
}

boards_set() { # FILE VALUE
    echo "$2" 2>/dev/null >"$1" || boards_cannot "the kernel refuses $2 in $1"
}

boards_make_groups() { # K
    for folder in "$cpu_groups" "$memory_groups"; do
        mkdir -p "$folder" 2>/dev/null || boards_cannot "no group can be made as $folder"
        [ ! -e "$folder/cgroup.subtree_control" ] ||
            boards_set "$folder/cgroup.subtree_control" "+cpu +memory"
        mkdir -p "$folder/$1"
    done
    if [ "$cpu_version" = 1 ]; then
        boards_set "$cpu_groups/cpu.shares" 262144
        boards_set "$cpu_groups/$1/cpu.shares" 262144
    else
        boards_set "$cpu_groups/cpu.weight" 10000
    fi
}

# The share of a processor that board K has, in percent; 0 for all of it.
board_cpu() { # K PERCENT
    period=$boards_period_us quota=$(awk -v part="$2" -v us="$boards_period_us" \
        'BEGIN { printf "%.0f", part * us / 100 }')
    if [ "$quota" -gt 0 ] && [ "$quota" -lt 1000 ]; then # the least that kernels take
        period=$((period * 1000 / quota)) quota=1000
    fi
    if [ "$cpu_version" = 1 ]; then
        boards_set "$cpu_groups/$1/cpu.cfs_quota_us" -1
        boards_set "$cpu_groups/$1/cpu.cfs_period_us" "$period"
        [ "$quota" -eq 0 ] || boards_set "$cpu_groups/$1/cpu.cfs_quota_us" "$quota"
    else
        [ "$quota" -gt 0 ] || quota=max
        boards_set "$cpu_groups/$1/cpu.max" "$quota $period"
    fi
}

# What processes on board K may hold, in bytes; 0 for no limit.
board_memory() { # K BYTES
    folder=$memory_groups/$1
    if [ "$memory_version" = 1 ]; then
        [ "$2" -gt 0 ] || set -- "$1" -1
        [ ! -e "$folder/memory.memsw.limit_in_bytes" ] ||
            boards_set "$folder/memory.memsw.limit_in_bytes" -1
        boards_set "$folder/memory.limit_in_bytes" "$2"
        [ ! -e "$folder/memory.memsw.limit_in_bytes" ] ||
            boards_set "$folder/memory.memsw.limit_in_bytes" "$2"
    else
        boards_set "$folder/memory.swap.max" 0
        [ "$2" -gt 0 ] || set -- "$1" max
        boards_set "$folder/memory.max" "$2"
    fi
}

# How many processes the kernel ended on board K for lack of memory.
board_oom_kills() { # K
    file=memory.oom_control
    [ "$memory_version" = 1 ] || file=memory.events
    sed -n 's/^oom_kill //p' "$memory_groups/$1/$file"
}

# "PERIODS THROTTLED" of board K so far: in how many periods it ran, and used its share up.
board_periods() { # K
    awk '$1 == "nr_periods" { n = $2 } $1 == "nr_throttled" { m = $2 } END { print n, m }' \
        "$cpu_groups/$1/cpu.stat"
}

# --- links ---

board_link() { # K: namespace, veth, bridge port
    space=$(board_name "$1")
    ip netns add "$space" 2>/dev/null || boards_cannot "no network namespace can be made"
    ip -n "$boards_hub" link add "port$1" type veth peer name eth0 netns "$space" ||
        boards_cannot "no veth pair can be made"
    ip -n "$boards_hub" link set "port$1" master switch up
    ip -n "$space" link set lo up
    ip -n "$space" address add "$(board_address "$1")/24" dev eth0
    ip -n "$space" link set eth0 up
}

boards_bucket() { # NAMESPACE DEVICE MBIT
    tc -n "$1" qdisc replace dev "$2" root tbf rate "${3}mbit" burst 16kb latency 50ms 2>/dev/null ||
        boards_cannot "this kernel has no token bucket (sch_tbf)"
}

# Links of MBIT each way; 0: as fast as this machine copies.
boards_shape() { # N MBIT
    for board in $(seq "$1"); do
        if [ "$2" = 0 ]; then
            tc -n "$boards_hub" qdisc delete dev "port$board" root 2>/dev/null || true
            tc -n "$(board_name "$board")" qdisc delete dev eth0 root 2>/dev/null || true
        else
            boards_bucket "$boards_hub" "port$board" "$2"
            boards_bucket "$(board_name "$board")" eth0 "$2"
        fi
    done
}

board_cut() { # K: pulls its plug
    ip -n "$boards_hub" link set "port$1" nomaster
}

board_heal() { # K
    ip -n "$boards_hub" link set "port$1" master switch
}

# Mbit/s of payload from one board to another.
board_link_speed() { # FROM TO
    board_exec "$1" "$link_speed" send "$(board_address "$2")" 5999 1500 >/dev/null &
    board_run "$2" "$link_speed" receive 5999
}

# Bytes that board K has sent so far.
board_sent_bytes() { # K
    ip netns exec "$boards_hub" cat "/sys/class/net/port$1/statistics/rx_bytes"
}

# --- processes ---

# Becomes the command, on board K. For `board_exec K COMMAND... &`, whose $! is the command's.
board_exec() { # K COMMAND...
    cpu=$((($1 - 1) % $(getconf _NPROCESSORS_ONLN)))
    space=$(board_name "$1")
    for folder in $(board_groups "$1"); do
        echo 0 >"$folder/cgroup.procs"
    done
    shift
    exec ip netns exec "$space" taskset -c "$cpu" "$@" 9>&-
}

# Runs it there and waits, so that signals to this script are heard.
board_run() { # K COMMAND...
    board_exec "$@" &
    wait $!
}

# --- all of it ---

boards_check() {
    [ "$(id -u)" -eq 0 ] || boards_cannot "only root may make network namespaces"
    for program in ip tc taskset flock; do
        command -v "$program" >/dev/null ||
            boards_cannot "there is no $program: Debian's packages iproute2 and util-linux"
    done
    boards_find_groups
    exec 9>"$boards_lock"
    flock -n 9 || boards_cannot "another run is at it"
}

# Makes boards 1 to N, without limits. Removes what a killed run left, and all of it at the end.
boards_make() { # N
    boards_check
    boards_remove
    trap boards_remove EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    ip netns add "$boards_hub" 2>/dev/null || boards_cannot "no network namespace can be made"
    ip -n "$boards_hub" link add switch type bridge || boards_cannot "no bridge can be made"
    ip -n "$boards_hub" link set switch up
    for board in $(seq "$1"); do
        boards_make_groups "$board"
        board_link "$board"
    done
}

boards_end_processes() { # of every group; whoever forks meanwhile is met the next time
    find /sys/fs/cgroup -path '*/tessera-boards/*' -name cgroup.procs -exec cat {} + 2>/dev/null |
        while read -r pid; do
            kill -KILL "$pid" 2>/dev/null || true
        done
}

boards_remove() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        boards_end_processes
        find /sys/fs/cgroup -depth -path '*/tessera-boards*' -type d -exec rmdir {} + 2>/dev/null ||
            true
        [ -n "$(find /sys/fs/cgroup -name tessera-boards 2>/dev/null)" ] || break
        sleep 0.2
    done
    for space in $(ip netns list | sed -n 's/^\(tessera-board[^ ]*\).*/\1/p'); do
        ip netns delete "$space"
    done
}
