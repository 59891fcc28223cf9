#!/bin/sh
# A compiled model stands where a cfg and its weights stand, and gives the same bits; a
# damaged one is noticed before anything is computed with it.
. "$(dirname "$0")/cli_run.sh"
make_small

# same_files FOUND EXPECTED
same_files() { check "$1 is $2" cmp "$1" "$2"; }

echo "# compile"
expect 0 "small.tess: small, .* of packed weights" compile small.cfg small.weights -o small.tess
expect 0 "" compile small.cfg small.weights -o again.tess --quiet
check "nothing said when quiet" [ ! -s said ]
same_files small.tess again.tess
expect 0 "usage: tessera compile MODEL.cfg WEIGHTS" compile --help
expect 2 "compile needs a model" compile
expect 2 "compile needs WEIGHTS" compile small.cfg -o x.tess
expect 2 "compile needs -o FILE" compile small.cfg small.weights
expect 2 "files only" compile small.cfg small.weights -o -
expect 2 "one model at a time" compile small.cfg small.weights small.cfg -o x.tess
expect 2 "compiled already" compile small.tess small.weights -o x.tess
expect 4 "small.raw" compile small.cfg small.raw -o x.tess
expect 1 "nowhere/x" compile small.cfg small.weights -o nowhere/x
check "nothing left behind" [ "$(echo x.tess*)" = "x.tess*" ]

echo "# it stands for cfg and weights, whatever it is called"
mv again.tess again.cfg
for kernels in ref xnn nat; do
    small --kernels $kernels --quiet --dump 4=want4 --dump 7=want7 --dump 8=want8
    expect 0 "" run again.cfg --raw-input small.raw --kernels $kernels --quiet \
        --dump 4=got4 --dump 7=got7 --dump 8=got8
    for layer in 4 7 8; do same_files "got$layer" "want$layer"; done
    "$raw_floats" random $((48 * 32 * 16)) 2 middle.raw
    "$tessera" run small.cfg --weights small.weights --layers 2..6 --raw-input middle.raw \
        --kernels $kernels --quiet --dump 6=want
    expect 0 "" run small.tess --layers 2..6 --raw-input middle.raw --kernels $kernels \
        --quiet --dump 6=got
    same_files got want
done
"$tessera" info small.cfg >want
expect 0 "" info small.tess
same_files out want
expect 0 "" plan small.tess --memory 4G --quiet -o compiled.yaml
check "the plan is for the network small" grep -q "^model: small$" compiled.yaml
expect_small 0 "" --plan compiled.yaml --quiet
expect 0 "the plan is right" verify small.tess --plan compiled.yaml
expect 0 "untiled" bench small.tess --memory 4G
expect 0 "" synth small.tess --seed 1 --quiet -o same.weights
same_files same.weights small.weights
for verb in info plan run; do
    expect 2 "carries its weights" $verb small.tess --weights small.weights
done
expect 2 "has layers 0..8" info small.tess --layers 3..12

echo "# damage"
size=$(wc -c <small.tess)
# flip OFFSET: bad.tess is small.tess with all bits of a byte flipped
flip() {
    byte=$(od -An -tu1 -j "$1" -N 1 small.tess | tr -d ' ')
    cp small.tess bad.tess
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %o $((255 - byte)))" |
        dd of=bad.tess bs=1 seek="$1" conv=notrunc 2>/dev/null
}
run_bad() { expect 4 "$1" run bad.tess --raw-input small.raw --dump 8=bad.raw; }
flip 3
expect 4 "bad.tess" info bad.tess
flip 8
run_bad "format 254, this program reads format 1"
flip 20
run_bad "checksum"
flip 100
run_bad "checksum of cfg and tables"
flip $((size - 1))
expect 0 "" info bad.tess
run_bad "layer 7, block 1 of its 2: the weights. checksum is wrong"
flip 4096
run_bad "layer 0, block 0 of its 1: the weights. checksum is wrong"
check "no result from damaged weights" [ ! -s bad.raw ]
for n in 8 63 64 4095 4096 $((size - 1)); do
    head -c "$n" small.tess >bad.tess
    run_bad "bad.tess: error: "
done
cat small.tess small.cfg >bad.tess
run_bad "bytes, but the file has"
finish
