# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates for tests, by the openssl command."""
import os
import subprocess


def run(*args):
    subprocess.run(["openssl"] + list(args), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """A CA in a folder of its own; what it issues is put beside it as NAME.crt and NAME.key."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=" + name, "-keyout", self.path(name + ".key"), "-out", self.cert)

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def cert(self):
        return self.path(self.name + ".crt")

    def issue(self, name, usage, names="", organization="", days=30):
        """(certificate, key); @names as in subjectAltName; days of less than 1: it has ended already."""
        subject = ("/O=" + organization if organization else "") + "/CN=" + name
        crt, key, req = (self.path(name + end) for end in (".crt", ".key", ".csr"))
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
            "-keyout", key, "-out", req)
        with open(self.path(name + ".ext"), "w", encoding="utf-8") as f:
            f.write("extendedKeyUsage=%s\n" % usage)
            if names:
                f.write("subjectAltName=%s\n" % names)
        if days > 0:
            run("x509", "-req", "-in", req, "-CA", self.cert, "-CAkey", self.path(self.name + ".key"),
                "-CAcreateserial", "-days", str(days), "-extfile", self.path(name + ".ext"), "-out", crt)
            return crt, key
        with open(self.path("index"), "w", encoding="utf-8"):
            pass
        run("ca", "-config", self.config(), "-batch", "-notext", "-in", req, "-out", crt,
            "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", self.path(name + ".ext"))
        return crt, key

    def config(self):
        path = self.path("ca.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%s\nnew_certs_dir=%s\ncertificate=%s\nprivate_key=%s\n"
                    "rand_serial=yes\nunique_subject=no\ndefault_md=sha256\ndefault_crl_days=30\npolicy=any\n[any]\norganizationName=optional\n"
                    "commonName=supplied\n" % (self.path("index"), self.folder, self.cert,
                                               self.path(self.name + ".key")))
        return path

    def revoke(self, crt):
        """The list of revoked certificates with @crt in it."""
        with open(self.path("index"), "w", encoding="utf-8"):
            pass
        run("ca", "-config", self.config(), "-revoke", crt)
        run("ca", "-config", self.config(), "-gencrl", "-out", self.path("crl.pem"))
        return self.path("crl.pem")
