# SPDX-License-Identifier: Apache-2.0
"""make up, then make down: the machine is as it was."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, why_not

FOLDERS = ("/etc", "/var/log", "/var/lib/cni", "/opt", "/run", "/usr/local")
# Files that come and go by themselves, whoever runs.
NOISE = re.compile(r"^/run/(lock|user|systemd|udev|xtables\.lock|mount/utab|blkid)|^/var/log/(journal|apt|dpkg)")


def run(*args):
    p = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return p.stdout.decode()


def tree(path, only_folders=False):
    found = set()
    for folder, folders, files in os.walk(path):
        for name in folders if only_folders else folders + files:
            found.add(os.path.join(folder, name))
    return {f for f in found if not NOISE.match(f)}


def iptables():
    """Rules and chains, without counters; tables that exist but are empty do no harm."""
    return sorted(re.sub(r"\[\d+:\d+\]", "", l) for l in run("iptables-save").splitlines()
                  if not re.match(r"#|\*|COMMIT|:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ", l))


def snapshot(data):
    with open("/proc/mounts", encoding="utf-8") as f:
        mounts = sorted(l.split()[1] for l in f)
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as f:
        forward = f.read()
    return {
        "nft tables": sorted(l for l in run("nft", "list", "tables").splitlines()
                             if " skiff" in l),
        "iptables": iptables(),
        "links": sorted(re.sub(r"^\d+: ([^:@]+).*", r"\1", l)
                        for l in run("ip", "-o", "link").splitlines()),
        "addresses": sorted(re.sub(r"^\d+: | valid_lft.*|\\.*", "", l)
                            for l in run("ip", "-o", "address").splitlines()),
        "routes": run("ip", "route").splitlines(),
        "namespaces": sorted(run("ip", "netns").splitlines()),
        "mounts": mounts,
        "cgroups": sorted(tree("/sys/fs/cgroup", True)),
        "forwarding": forward,
        "files": sorted(set().union(*(tree(f) for f in FOLDERS))),
        "processes": sorted(l for l in run("ps", "-eo", "args").splitlines()
                            if re.match(r"(\S*/)?(containerd\S*|runc|pause)( |$)", l)
                            or str(data) in l),
    }


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_down_takes_back_what_up_did(tmp_path):
    env = dict(os.environ, SKIFF_DATA=str(tmp_path / "data"), SKIFF_RUN=str(tmp_path / "run"),
               SKIFF_PORT="26444", SKIFF_BINARY=os.path.join(
                   os.environ.get("SKIFF_RELEASE", ROOT + "/build"), "src/cmd/skiff"))
    log = "/var/log/pods/other_pod_0-1"
    foreign = [log, "/sys/fs/cgroup/cpu/kubepods", "/sys/fs/cgroup/kubepods"]
    made = [f for f in foreign if os.path.isdir(os.path.dirname(os.path.dirname(f)))
            and not os.path.exists(f)]
    for f in made:  # someone else's, empty: not ours to remove
        os.makedirs(f)
    try:
        before = snapshot(tmp_path)
        up = subprocess.run([ROOT + "/tools/up.sh"], env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=300, check=False)
        during = snapshot(tmp_path)
        down = subprocess.run([ROOT + "/tools/down.sh"], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        after = snapshot(tmp_path)
    finally:
        for f in made:
            os.removedirs(f) if f == log else os.rmdir(f)
    assert up.returncode == 0, up.stdout.decode()
    assert "http://hello/: hello from skiff" in up.stdout.decode()
    assert down.returncode == 0, down.stdout.decode()
    assert "skiff0" in during["links"] and during["nft tables"]
    for what, was in before.items():
        gone = [x for x in was if x not in after[what]]
        new = [x for x in after[what] if x not in was]
        assert not gone and not new, "%s: gone %r, new %r" % (what, gone, new)
    assert not (tmp_path / "data").exists() and not (tmp_path / "run").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_unit_is_valid(tmp_path):
    """The unit that make up writes where systemd runs."""
    unit = tmp_path / "skiff.service"
    unit.write_bytes(subprocess.check_output(
        [ROOT + "/tools/unit.sh", "/var/log/skiff.log", "/bin/true", "server", "--secure-port=1"]))
    assert "ExecStart=/bin/true server --secure-port=1\n" in unit.read_text()
    p = subprocess.run(["systemd-analyze", "verify", str(unit)], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, check=False)
    assert (p.returncode, p.stdout.decode()) == (0, "")
