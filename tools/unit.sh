#!/bin/sh
# Prints the systemd unit that runs skiff.
#   tools/unit.sh LOG PROGRAM ARGUMENTS...
#
# KillMode=process: containerd, its shims and the containers are in this unit's cgroup, and go on
# running while skiff is replaced or restarted. Delegate=yes: systemd leaves what is below it alone.
# Their limits are not the unit's (TasksMax=infinity): a node runs as many processes as its pods want.
set -eu
log=$1
shift
cat <<UNIT
[Unit]
Description=skiff: Kubernetes in one binary
Documentation=https://kubernetes.io/docs/
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=$*
Restart=always
RestartSec=1
KillMode=process
TimeoutStopSec=30
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999
StandardError=append:$log

[Install]
WantedBy=multi-user.target
UNIT
