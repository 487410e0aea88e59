# SPDX-License-Identifier: Apache-2.0
"""skiff check: what a machine lacks to run a node."""
import os
import subprocess

import pytest


def check(server, *args):
    return subprocess.run([server.binary, "check"] + list(args), capture_output=True, text=True,
                          timeout=20, check=False)


@pytest.mark.parametrize("below", ["", "/", "/not/yet", "/not/yet/"])
def test_room_is_looked_for_where_the_folder_will_be(server, tmp_path, below):
    done = check(server, "--data-dir=" + str(tmp_path) + below)
    line = next(n for n in done.stdout.splitlines() if "MiB free under" in n)
    assert line.split(" free under ")[1].rstrip("/") == str(tmp_path)
    room = os.statvfs(str(tmp_path))
    assert abs(int(line.split(" MiB ")[0].split()[-1]) - (room.f_bavail * room.f_frsize >> 20)) < 4096


def test_words_are_no_flags(server):
    done = check(server, "/var/lib/other")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "skiff check: \"/var/lib/other\" is no flag; see --help\n"
