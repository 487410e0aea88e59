#!/bin/sh
# make fuzz: each parser under libFuzzer for SECONDS_EACH (60) from its corpus; stops at the first finding.
set -eu
cd "$(dirname "$0")/.."
tools/deps.sh build test
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzzer=true \
	-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
targets=$(ls tests/fuzz/fuzz_*.c | sed 's,.*/\(.*\)\.c,\1,')
for target in $targets; do
	ninja -C $build "tests/fuzz/$target" >/dev/null
	found=build-fuzz/corpus-${target#fuzz_}
	mkdir -p "$found"
	echo "== $target"
	if ! "$build/tests/fuzz/$target" -max_total_time="${SECONDS_EACH:-60}" -print_final_stats=0 \
		-artifact_prefix="$found/" "$found" "tests/fuzz/corpus/${target#fuzz_}" \
		>"$build/$target.log" 2>&1; then
		tail -40 "$build/$target.log"
		echo "fuzz: $target found something; its input is in $found" >&2
		exit 1
	fi
	tail -1 "$build/$target.log"
done
