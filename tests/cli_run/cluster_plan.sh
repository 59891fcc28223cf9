#!/bin/sh
# Plans for clusters: found, predicted again to the same bytes, edited, refused with a place; and
# the plans of one node's tiles.
. "$(dirname "$0")/cli_run.sh"
make_small

# Computing it on one node takes long enough for another of half the speed to be worth its messages.
sed 's/^width=96/width=192/; s/^height=64/height=128/' small.cfg >wide.cfg
cat >two.yaml <<'END'
cluster: 1
nodes:
  - {name: gate, speed: 0.001, mbit: 1000}
  - {name: w1, speed: 0.0005, memory: 40M, mbit: 1000}
END

# pixels NODE PLAN: of the maps that the node's tiles make.
pixels() {
    awk -v node="$1" '
        /rows:|cols:/ {
            n = split($NF, end, "[.][.]")
            area = /rows:/ ? end[n] - end[1] + 1 : area * (end[n] - end[1] + 1)
        }
        /node:/ && $2 == node { sum += area }
        END { print sum + 0 }' "$2"
}

# shares FASTER SLOWER PLAN: both have tiles, the faster node has more.
shares() {
    fast=$(pixels "$1" "$3") slow=$(pixels "$2" "$3")
    check "$2 has tiles: $slow pixels" [ "$slow" -gt 0 ]
    check "$1, which is faster, has more: $fast" [ "$fast" -gt "$slow" ]
}

echo "# found, and predicted again"
expect 0 "times as fast as gate" cluster plan wide.cfg --threads 1 --cluster two.yaml -o plan.yaml
check "the table has the nodes" grep -q "^w1 .* 40.0 MiB" said
shares gate w1 plan.yaml
expect 0 "" cluster plan wide.cfg --threads 1 --plan plan.yaml --quiet -o again.yaml
check "quiet says nothing" test ! -s said
expect 0 "" cluster plan wide.cfg --threads 1 --plan plan.yaml --quiet
for made in plan.yaml again.yaml out; do # peaks move by what the process happens to hold itself
    grep -v "peak: " $made >$made.rest
done
check "predicted again, the plan is the same" cmp plan.yaml.rest again.yaml.rest
check "standard output is the plan, too" cmp plan.yaml.rest out.rest
expect 0 "" cluster plan wide.cfg --threads 1 --cluster two.yaml --sends floats -o floats.yaml
check "floats are sent" grep -q "^input: floats" floats.yaml

echo "# other nodes, another limit"
sed 's/0.0005/0.004/' two.yaml >quick.yaml
expect 0 "" cluster plan wide.cfg --plan plan.yaml --cluster quick.yaml --memory 50M -o moved.yaml
check "the cluster file's speed" grep -q "speed: 0.004" moved.yaml
check "the coordinator's memory" grep -q "memory: 50M" moved.yaml
expect 0 "times as fast as w1" cluster plan wide.cfg --threads 1 --cluster quick.yaml -o quick_plan.yaml
shares w1 gate quick_plan.yaml
sed 's/w1/w2/' two.yaml >other.yaml
expect 3 "other.yaml: error: there is no node w1" cluster plan wide.cfg --plan plan.yaml \
    --cluster other.yaml

echo "# a stage whose layers are no range is printed as the plan names them"
{
    printf '[net]\nwidth=32\nheight=32\nchannels=3\n'
    for layer in conv conv conv route=-2 conv route=-1,-3; do
        if [ "$layer" = conv ]; then
            printf '[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n'
        else
            printf '[route]\nlayers=%s\n' "${layer#*=}"
        fi
    done
} >fork.cfg
printf 'cluster: 1\nnodes: [{name: a}]\nstages:\n  - layers: [0..1, 4]\n  - layers: [2, 5]\n' >holes.yaml
expect 0 "^0..1, 4  " cluster plan fork.cfg --threads 1 --plan holes.yaml -o fork.yaml
check "the second stage" grep -q "^2, 5  " said
check "in the plan, too" grep -F -q -e "- layers: [0..1, 4]" fork.yaml

echo "# mistakes"
expect 2 "no cluster given" cluster plan wide.cfg
expect 2 "expected bytes or floats" cluster plan wide.cfg --cluster two.yaml --sends halves
printf 'cluster: 1\nnodes:\n  - {name: a, sped: 1}\n' >bad.yaml
expect 3 "bad.yaml:3:15: error" cluster plan wide.cfg --cluster bad.yaml
printf 'cluster: 1\nnodes: [{name: a}]\nstages:\n  - {layers: 0..8, grid: 99x1}\n' >bad.yaml
expect 3 "bad.yaml:4:26: error: grid must be" cluster plan wide.cfg --plan bad.yaml
expect 5 "node gate has 1.0 MiB" cluster plan wide.cfg --cluster two.yaml --memory 1M

echo "# the plans of one node's tiles"
planner=$(dirname "$tessera")/tessera-planner
"$tessera" plan wide.cfg --quiet -o own.yaml || exit 1
sed -n '/^kernel_facts:/,$p' own.yaml >facts.yaml
strings() { # FILE...: each ended by a zero byte
    for file in "$@"; do
        cat "$file"
        printf '\0'
    done
}
tiles_of() { # NODE ARGUMENT...
    node=$1
    shift
    "$planner" cluster plan - --tiles-of "$node" --facts-from-stdin --threads 1 "$@"
}
strings facts.yaml plan.yaml wide.cfg | tiles_of w1 >tiles || failed "tiles of w1"
check "without a limit weights are kept" sh -c "tr '\\0' '\\n' <tiles | grep -q '^keeps_weights: yes'"
strings facts.yaml plan.yaml wide.cfg | tiles_of w1 --memory 1M >tiles || failed "tiles in 1M"
check "what does not fit says what it takes" sh -c "tr '\\0' '\\n' <tiles | grep -q '^least: [0-9]'"
for part in facts.yaml plan.yaml; do
    strings "$part" | tiles_of w1 >tiles 2>said
    check "$part alone is refused" test $? -eq 3
    check "and nothing is put out" test ! -s tiles
done
finish
