# SPDX-License-Identifier: Apache-2.0
"""Where the real kubectls are: "kubectl.1.27" beside the one on the path, or on the path itself."""
import os
import shutil

VERSIONS = ("1.27", "1.33")


def find_kubectl(version):
    """The path of that version's kubectl, or None."""
    name = "kubectl." + version
    plain = shutil.which("kubectl")
    beside = plain and os.path.join(os.path.dirname(os.path.realpath(plain)), name)
    return beside if beside and os.path.exists(beside) else shutil.which(name)
