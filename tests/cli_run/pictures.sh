#!/bin/sh
# Photographs in, annotated photographs out.
. "$(dirname "$0")/cli_run.sh"
make_small
"$make_picture" photo.jpg 200 150 || exit 1
"$make_picture" photo.png 200 150 || exit 1
printf 'cat\ndog\nbicycle\n' >names

magic() {
    head -c "$2" "$1" | od -An -tx1 | tr -d ' \n'
}

net="small.cfg --weights small.weights --thresh 0.03"
# shellcheck disable=SC2086 # $net is a list of words
for suffix in jpg png; do
    for fit in letterbox stretch; do
        expect 0 "" run $net --image photo.$suffix --fit $fit --json report.json \
            --names names --annotate out.png
        check "out.png is PNG" [ "$(magic out.png 4)" = 89504e47 ]
        check "it can be read" "$tessera" run $net --image out.png
        expect 0 "" run $net --image photo.$suffix --fit $fit --annotate out.jpg --memory 64M
        check "out.jpg is JPEG" [ "$(magic out.jpg 3)" = ffd8ff ]
        check "it can be read" "$tessera" run $net --image out.jpg
        n_found=$(grep -c '"class_id"' report.json)
        check "objects to draw: $n_found" [ "$n_found" -gt 0 ]
        check "named" grep -q -E '"class": "(cat|dog|bicycle)"' report.json
    done
done
check "boxes leave a trace" sh -c '! cmp -s photo.png out.png'
# shellcheck disable=SC2086
expect 2 ".png or .jpg" run $net --image photo.jpg --annotate out.gif
# shellcheck disable=SC2086
expect 0 "nothing found" run small.cfg --weights small.weights --image photo.jpg --thresh 1
finish
