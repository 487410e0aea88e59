#!/bin/sh
# sudo make down: ends the cluster that make up started and takes back what it did to this machine.
# KEEP=1 keeps the data folder.
#   tools/down.sh --folders    prints which of the shared folders that a node uses are there
set -eu
cd "$(dirname "$0")/.."
DATA=${SKIFF_DATA:-/var/lib/skiff}
RUN=${SKIFF_RUN:-/run/skiff}
SOCK=$RUN/containerd/containerd.sock

# Folders that others use too, innermost first: what is ours in them goes, and they themselves go if
# they were not there before.
FOLDERS="/var/log/pods /var/log/containers /var/lib/cni/networks /var/lib/cni/results
/var/lib/cni/cache /var/lib/cni /run/containerd/runc/k8s.io /run/containerd/runc
/run/containerd/fifo /run/containerd/s /run/containerd
/run/netns /opt/containerd/bin /opt/containerd/lib /opt/containerd /opt/nri/plugins /opt/nri
/etc/nri/conf.d /etc/nri /etc/cni/net.d /etc/cni"
if [ "${1:-}" = --folders ]; then
	for f in $FOLDERS; do
		[ ! -d "$f" ] || echo "$f"
	done
	exit 0
fi

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

netns="" ids="" uids=$(ls "$DATA/kubelet/pods" 2>/dev/null || true)
if [ -S "$SOCK" ]; then
	c() { ctr -a "$SOCK" -n k8s.io "$@"; }
	# The network namespaces of our sandboxes; those of other runtimes are not ours to delete.
	ids=$(c containers ls -q 2>/dev/null || true)
	for id in $ids; do
		info=$(c containers info "$id" 2>/dev/null || true)
		netns="$netns $(echo "$info" | grep -o 'netns/cni-[0-9a-f-]*' | sort -u)"
		uids="$uids $(echo "$info" | sed -n 's/.*"io.kubernetes.pod.uid": "\([0-9a-f-]*\)".*/\1/p' | sort -u)"
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
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
	[ ! -d "$root/skiff" ] || find "$root/skiff" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
# The logs of our pods, and the links to them.
for uid in $(printf '%s\n' $uids | sort -u); do
	rm -rf /var/log/pods/*_"$uid"
	find /var/log/containers -lname "/var/log/pods/*_$uid/*" -delete 2>/dev/null || true
done
# What the CNI library keeps about our sandboxes.
for id in $ids; do
	rm -f /var/lib/cni/results/*-"$id"-* /var/lib/cni/cache/results/*-"$id"-*
done
rm -rf "$RUN" /var/lib/cni/networks/skiff
if [ -f "$DATA/folders.before" ]; then
	for f in $FOLDERS; do
		grep -qxF "$f" "$DATA/folders.before" && continue
		[ "$f" != /run/netns ] || umount /run/netns 2>/dev/null || true
		rmdir "$f" 2>/dev/null || true
	done
fi
[ "${KEEP:-}" = 1 ] || rm -rf "$DATA"
echo "the cluster is gone"
