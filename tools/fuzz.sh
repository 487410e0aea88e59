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
	"$build/tests/fuzz/$target" -max_total_time="${SECONDS_EACH:-60}" -print_final_stats=0 \
		-close_fd_mask=3 "$found" "tests/fuzz/corpus/${target#fuzz_}" 2>&1 | tail -2
done
