#!/bin/sh
# Every test: installs what tests need, builds with ASan and UBSan, runs, counts.
# Ends with "N passed, N failed, N skipped"; the exit status says whether any failed.
set -eu
cd "$(dirname "$0")/.."
tools/deps.sh build node test

build=build-test
if [ ! -f $build/build.ninja ]; then
	meson setup $build -Db_sanitize=address,undefined -Dwerror=true >/dev/null
fi
echo "building with sanitizers in $build"
ninja -C $build -k 20 >$build/build.log 2>&1 || { grep -E "error|FAILED" $build/build.log | head -40; exit 1; }
if [ ! -f build/build.ninja ]; then
	meson setup build --buildtype=release -Doptimization=2 -Db_ndebug=false -Dstrip=true >/dev/null
fi
echo "building the release binary in build"
ninja -C build src/cmd/skiff >build/build.log 2>&1 || { grep -E "error|FAILED" build/build.log | head -40; exit 1; }
exec python3 tools/run_tests.py --build $build "$@"
