#!/bin/sh
# Each kind of mistake ends with its exit code and says what is wrong and where.
. "$(dirname "$0")/cli_run.sh"
make_small

echo "# 2: usage"
expect 2 "tessera --help" frobnicate
expect 2 "did you mean tessera run" rum small.cfg
expect 2 "" # no verb
expect 2 "run needs a model" run
expect 2 "did you mean --weights" run small.cfg --weigths small.weights
expect 2 "takes no option" info small.cfg --annotate out.png
expect_small 2 "needs a value" --memory
expect_small 2 "a size such as 64M" --memory lots
expect_small 2 "a size such as 64M" --memory -5M
expect_small 2 "one size" --memory 5M,6M
expect_small 2 "whole number" --repeat 0
expect_small 2 "number from 0 to 1" --thresh 1.5
expect_small 2 "a range such as 0..15" --layers 3
expect_small 2 "layers 0..8" --layers 3..20
expect_small 2 "layers 0..8" --layers 3..2
expect_small 2 "no layer 9" --dump 9=x
expect_small 2 "no layer -10" --dump -10=x
expect_small 2 "LAYER=FILE" --dump 3
expect_small 2 "not among those run" --layers 0..4 --dump 6=x
expect_small 2 "takes no value" --untiled=yes
expect_small 2 "exclude each other" --image dog.jpg
expect_small 2 "exclude each other" --plan x.yaml --untiled
expect 2 "nothing to look at" run small.cfg --weights small.weights
expect 2 "needs --weights" run small.cfg --raw-input small.raw
expect_small 2 "give one" --annotate out.png
expect_small 2 "unknown kernels" --kernels quick
expect_small 2 "methods: dp, mafat" --search daft
expect 2 "needs -o" synth small.cfg
expect 2 "needs --plan" verify small.cfg

echo "# 3: plan"
plan() { # LINES...: a plan file
    printf '%s\n' "plan: 1" "$@" >plan.yaml
}
plan "groups:" "  - layers: 0..3" "    gird: 2x2"
expect_small 3 "plan.yaml:4:5: error:" --plan plan.yaml
expect 3 "did you mean .grid" verify small.cfg --plan plan.yaml
plan "groups:" "  - layers: 0..3" "    grid: 2x"
expect_small 3 "plan.yaml:4:.*grid must be" --plan plan.yaml
plan "groups:" "  - layers: 0..30"
expect_small 3 "plan.yaml:3:" --plan plan.yaml
plan "groups:" "  - layers: 0..3" "    grid: 40x1"
expect_small 3 "plan.yaml:4:" --plan plan.yaml
plan "groups:" "  - layers: 0..3" "    halo: both"
expect_small 3 "recompute or reuse" --plan plan.yaml
plan "model_hash: 0123456789abcdef"
expect_small 3 "plan.yaml:2:" --plan plan.yaml
plan "schedule: [1, 0, 2..8]"
expect_small 3 "plan.yaml:2:" --plan plan.yaml
printf 'plan: [1\n' >plan.yaml
expect_small 3 "plan.yaml:" --plan plan.yaml
expect 3 "plan.yaml:" verify small.cfg --plan plan.yaml

echo "# 4: model, weights, input"
sed 's/^filters=16/filters=none/' small.cfg >bad.cfg
expect 4 "bad.cfg:[0-9]*:[0-9]*: error:" info bad.cfg
sed 's/^\[upsample\]/[upsampel]/' small.cfg >bad.cfg
expect 4 "bad.cfg:39:1: .*upsampel" info bad.cfg
sed 's/^layers=.*/layers=-1,77/' small.cfg >bad.cfg
expect 4 "bad.cfg:" plan bad.cfg
sed 's/^width=96/width=0/' small.cfg >bad.cfg
expect 4 "bad.cfg:" run bad.cfg --weights small.weights --raw-input small.raw
: >bad.cfg
expect 4 "bad.cfg" info bad.cfg
head -c 1000 small.weights >short.weights
expect 4 "short.weights" run small.cfg --weights short.weights --raw-input small.raw
cat small.weights small.raw >long.weights
expect 4 "long.weights" run small.cfg --weights long.weights --raw-input small.raw
head -c 1000 small.raw >short.raw
expect 4 "3 channels of 64x96" run small.cfg --weights small.weights --raw-input short.raw

echo "# 1: files that are not there or cannot be read"
"$make_picture" photo.jpg 200 100
head -c 1500 photo.jpg >torn.jpg
expect 1 "torn.jpg: error: cannot decode" run small.cfg --weights small.weights --image torn.jpg
cp small.raw photo.png
expect 1 "neither a JPEG nor a PNG" run small.cfg --weights small.weights --image photo.png
expect 1 "missing.cfg" info missing.cfg
expect 1 "missing.weights" run small.cfg --weights missing.weights --raw-input small.raw
expect 1 "missing.raw" run small.cfg --weights small.weights --raw-input missing.raw
expect 1 "missing.jpg" run small.cfg --weights small.weights --image missing.jpg
expect_small 1 "missing.yaml" --plan missing.yaml
expect_small 1 "nowhere/x" --dump 8=nowhere/x
expect 1 "nowhere/x" synth small.cfg -o nowhere/x

echo "# 0: help"
expect 0 "Exit codes" --help
expect 0 "tessera [0-9]" --version
for verb in info plan verify run bench synth doctor; do
    expect 0 "usage: tessera $verb" "$verb" --help
done
finish
