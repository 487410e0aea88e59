#!/bin/sh
# sudo make up: builds skiff, starts a one-node cluster on this machine, runs examples/hello, shows its
# answer. make down takes everything back.
set -eu
cd "$(dirname "$0")/.."
DATA=${SKIFF_DATA:-/var/lib/skiff}
RUN=${SKIFF_RUN:-/run/skiff}
PORT=${SKIFF_PORT:-6443}
SKIFF=${SKIFF_BINARY:-$PWD/build/src/cmd/skiff}
LOG=$DATA/server.log

say() { printf '%s\n' "$*"; }
fail() { say "make up: $*" >&2; exit 1; }
now_ms() { date +%s%3N; }

[ "$(id -u)" = 0 ] || fail "a node needs root: sudo make up"

say "[1/6] packages"
tools/deps.sh build node
command -v curl >/dev/null || tools/deps.sh bench
say "[2/6] building skiff"
[ -n "${SKIFF_BINARY:-}" ] || make -s build >/dev/null || fail "the build failed; run make to see why"
say "      $SKIFF, $(($(stat -c %s "$SKIFF") / 1024)) KiB"
say "[3/6] checking this machine"
checked=0
CHECK=$(mktemp)
"$SKIFF" check --data-dir="$DATA" >"$CHECK" || checked=1
sed 's/^/      /' "$CHECK"
rm -f "$CHECK"
[ $checked = 0 ] || fail "see the checks above"

if [ -f "$RUN/skiff.pid" ] && kill -0 "$(cat "$RUN/skiff.pid")" 2>/dev/null; then
	fail "a cluster runs already (pid $(cat "$RUN/skiff.pid")); make down ends it"
fi
mkdir -p "$DATA" "$RUN"
chmod 0700 "$DATA"
# What make down puts back, and what it leaves since it was there before.
[ -f "$DATA/ip_forward.before" ] || cat /proc/sys/net/ipv4/ip_forward >"$DATA/ip_forward.before"
[ -f "$DATA/folders.before" ] || tools/down.sh --folders >"$DATA/folders.before"

say "[4/6] starting the cluster"
began=$(now_ms)
set -- "$SKIFF" server --data-dir="$DATA" --run-dir="$RUN" --secure-port="$PORT"
if [ -d /run/systemd/system ]; then
	tools/unit.sh "$LOG" "$@" >/run/systemd/system/skiff.service
	systemctl daemon-reload
	systemctl start skiff
	systemctl show -p MainPID --value skiff >"$RUN/skiff.pid"
else
	setsid nohup "$@" >>"$LOG" 2>&1 </dev/null &
	echo $! >"$RUN/skiff.pid"
fi

export KUBECONFIG="$DATA/admin.kubeconfig"
k() { "$SKIFF" kubectl "$@"; }
waited=0
until [ -f "$KUBECONFIG" ] && k get --raw /readyz >/dev/null 2>&1; do
	kill -0 "$(cat "$RUN/skiff.pid")" 2>/dev/null || { tail -5 "$LOG" >&2; fail "the server ended"; }
	waited=$((waited + 1))
	[ $waited -lt 600 ] || { tail -5 "$LOG" >&2; fail "the API did not become ready in 30 s"; }
	sleep 0.05
done
say "      API ready after $(($(now_ms) - began)) ms; kubeconfig: $KUBECONFIG"

say "[5/6] examples/hello"
examples/hello/image.sh "$RUN/hello.tar"
waited=0
until ctr -a "$RUN/containerd/containerd.sock" -n k8s.io images import "$RUN/hello.tar" >/dev/null 2>&1; do
	waited=$((waited + 1))
	[ $waited -lt 200 ] || fail "the image could not be imported; see $DATA/containerd.log"
	sleep 0.05
done
rm -f "$RUN/hello.tar"
waited=0
until k apply -f examples/hello/hello.yaml >"$RUN/apply.out" 2>&1; do
	waited=$((waited + 1))
	[ $waited -lt 100 ] || { cat "$RUN/apply.out" >&2; fail "examples/hello could not be applied"; }
	sleep 0.05
done
sed 's/^/      /' "$RUN/apply.out"
rm -f "$RUN/apply.out"
available=$(k wait --for=condition=Available deployment/hello --timeout=60s) ||
	{ k get pods -o wide; fail "hello did not become available"; }
say "      $available"

say "[6/6] the answer"
ip=$(k get service hello -o jsonpath='{.spec.clusterIP}')
waited=0
until answer=$(curl -fsS --max-time 2 "http://$ip/" 2>/dev/null); do
	waited=$((waited + 1))
	[ $waited -lt 100 ] || fail "no answer at http://$ip/"
	sleep 0.05
done
say "      from this machine, http://$ip/: $answer"
pod=$(k get pods -l app=hello -o name | head -1)
waited=0
until answer=$(k exec "${pod#pod/}" -- fetch hello 2>/dev/null); do
	waited=$((waited + 1))
	[ $waited -lt 50 ] || fail "no answer at http://hello/ from inside $pod"
	sleep 0.1
done
say "      from inside $pod, http://hello/: $answer"
say "start to answer: $(($(now_ms) - began)) ms"
say
k get nodes,pods,services -A -o wide
say
say "export KUBECONFIG=$KUBECONFIG    # then: $SKIFF kubectl get pods"
