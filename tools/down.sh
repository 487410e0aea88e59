#!/bin/sh
# sudo make down: ends the cluster that make up started and takes back what it did to this machine.
# KEEP=1 keeps the data folder.
set -eu
cd "$(dirname "$0")/.."
DATA=${SKIFF_DATA:-/var/lib/skiff}
RUN=${SKIFF_RUN:-/run/skiff}
SOCK=$RUN/containerd/containerd.sock

[ "$(id -u)" = 0 ] || { echo "make down: needs root" >&2; exit 1; }

# end PIDFILE SECONDS: asks with TERM, then KILL.
end() {
	[ -f "$1" ] || return 0
	pid=$(cat "$1")
	kill -TERM "$pid" 2>/dev/null || { rm -f "$1"; return 0; }
	i=0
	while kill -0 "$pid" 2>/dev/null && [ $i -lt $(($2 * 20)) ]; do
		sleep 0.05
		i=$((i + 1))
	done
	kill -KILL "$pid" 2>/dev/null || true
	rm -f "$1"
}

if [ -d /run/systemd/system ] && [ -f /run/systemd/system/skiff.service ]; then
	systemctl stop skiff || true
	rm -f /run/systemd/system/skiff.service "$RUN/skiff.pid"
	systemctl daemon-reload
else
	end "$RUN/skiff.pid" 15
fi

netns=""
if [ -S "$SOCK" ]; then
	c() { ctr -a "$SOCK" -n k8s.io "$@"; }
	# The network namespaces of our sandboxes; those of other runtimes are not ours to delete.
	for id in $(c containers ls -q 2>/dev/null); do
		netns="$netns $(c containers info "$id" 2>/dev/null | grep -o 'netns/cni-[0-9a-f-]*' | sort -u)"
	done
	for id in $(c tasks ls -q 2>/dev/null); do
		c tasks kill -s KILL -a "$id" >/dev/null 2>&1 || true
	done
	for id in $(c containers ls -q 2>/dev/null); do
		c tasks delete -f "$id" >/dev/null 2>&1 || true
		c containers delete "$id" >/dev/null 2>&1 || true
	done
fi
end "$RUN/containerd/containerd.pid" 10
pkill -KILL -f "containerd-shim.*-address $SOCK" 2>/dev/null || true

# Mounts of sandboxes, volumes and network namespaces, innermost first.
awk '{print $2}' /proc/mounts | grep -E "^($RUN|$DATA)/" | sort -r | while read -r m; do
	umount -l "$m" 2>/dev/null || true
done
for ns in $netns; do
	ip netns delete "${ns#netns/}" 2>/dev/null || true
done
nft delete table ip skiff 2>/dev/null || true
# The chains that CNI made for pods of our network, by their comments.
chains=$(iptables-save 2>/dev/null | grep 'name: \\\?"skiff\\\?"' | grep -o 'CNI-[A-Za-z0-9-]*' | sort -u || true)
if [ -n "$chains" ]; then
	iptables-save | grep -v -F "$chains" | iptables-restore || true
fi
ip link delete skiff0 2>/dev/null || true
[ -f "$DATA/ip_forward.before" ] && cat "$DATA/ip_forward.before" >/proc/sys/net/ipv4/ip_forward
find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
rm -rf "$RUN" /var/log/pods /var/log/containers /var/lib/cni/networks/skiff
[ "${KEEP:-}" = 1 ] || rm -rf "$DATA"
echo "the cluster is gone"
