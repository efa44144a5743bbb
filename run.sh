#!/bin/bash
# run python with this tree
cd /tmp/engines-scratch/wt; export PYTHONPATH=$PWD/build/typed:$PWD MYPYPATH=build/typed; exec nice /tmp/wt/engines/.venv/bin/python "$@"
