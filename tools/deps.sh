#!/bin/sh
# Installs the Debian packages that a step needs and are not there yet.
#   tools/deps.sh build|node|test|bench...
set -eu

packages_build="gcc meson ninja-build pkg-config python3 libuv1-dev libssl-dev libnghttp2-dev
libhttp-parser-dev liblmdb-dev libyaml-dev libprotobuf-c-dev protobuf-c-compiler libnftables-dev libmnl-dev
libldns-dev libpcre2-dev zlib1g-dev libcurl4-openssl-dev libexpat1-dev libcmocka-dev"
packages_node="containerd runc containernetworking-plugins nftables iproute2 iptables busybox-static"
packages_test="clang libclang-rt-14-dev clang-format python3-pytest python3-kubernetes python3-yaml
python3-requests python3-cryptography curl nghttp2-client procps universal-ctags git etcd-server
etcd-client"
packages_bench="nghttp2-client nghttp2-server curl procps etcd-server"

want=""
for step in "$@"; do
	case "$step" in
	build) want="$want $packages_build" ;;
	node) want="$want $packages_node" ;;
	test) want="$want $packages_test" ;;
	bench) want="$want $packages_bench" ;;
	*) echo "deps.sh: unknown step '$step' (build, node, test, bench)" >&2; exit 2 ;;
	esac
done

missing=""
for package in $want; do
	status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
	[ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing; install them as root and try again:" >&2
	echo "  apt-get install$missing" >&2
	exit 1
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# containerd's package would start its own service; skiff runs one of its own.
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
	tail -20 "$log" >&2
	rm -f "$log"
	echo "deps.sh: apt-get failed" >&2
	exit 1
fi
rm -f "$log"
