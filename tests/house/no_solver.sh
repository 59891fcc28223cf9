#!/bin/sh
# no_solver.sh TESSERA: does the program that runs plans stay clear of the solver and the planner,
# and of the libraries that only nodes of a cluster need?
#
# Its licence and its size depend on that (docs/decisions/0001-separate-planner.md).
set -eu
if readelf -d "$1" | grep NEEDED | grep glpk; then
    echo "$1 needs the solver's library"
    exit 1
fi
if readelf -d "$1" | grep NEEDED | grep -E 'zmq|sodium'; then
    echo "$1 loads libraries of nodes that it does not need"
    exit 1
fi
if nm "$1" | grep -E ' [Tt] (tess_planner_|tess_search_|tess_milp_|glp_)'; then
    echo "$1 holds functions of the planner"
    exit 1
fi
echo "no_solver: ok"
