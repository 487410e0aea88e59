#!/bin/sh
# make bench: the budgets, each measured beside its yardstick in the same run. Never passes or fails.
set -eu
cd "$(dirname "$0")/.."
tools/deps.sh build bench
make -s build
ninja -C build tests/bench/bench_store tests/bench/bench_etcd tests/unit/store/test_churn >/dev/null
python3 tests/bench/bench.py --build build "$@"
echo
python3 tests/bench/bench_etcd.py --build build
echo
exec python3 tests/bench/bench_node.py --build build
