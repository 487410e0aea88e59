# SPDX-License-Identifier: Apache-2.0
"""Certificates are made anew while the server runs, and the CA's own when it is told to."""
import datetime
import os
import socket
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from conftest import eventually

LIFE = datetime.timedelta(days=365)


def pki(server, name):
    return os.path.join(server.dir, "data", "pki", name)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def age(server, name, left):
    """Replaces a certificate by one that says the same, but is due for renewal in @left."""
    ca = x509.load_pem_x509_certificate(read(pki(server, "ca.crt")))
    key = serialization.load_pem_private_key(read(pki(server, "ca.key")), None)
    old = x509.load_pem_x509_certificate(read(pki(server, name + ".crt")))
    now = datetime.datetime.now(datetime.timezone.utc)
    b = (x509.CertificateBuilder().subject_name(old.subject).issuer_name(ca.subject)
         .public_key(old.public_key()).serial_number(x509.random_serial_number())
         .not_valid_before(now - LIFE / 2).not_valid_after(now + LIFE / 3 + left))
    for e in old.extensions:
        b = b.add_extension(e.value, e.critical)
    with open(pki(server, name + ".crt"), "wb") as f:
        f.write(b.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def connect(server):
    c = ssl.create_default_context(cafile=server.ca)
    c.load_cert_chain(os.path.join(server.dir, "crt"), os.path.join(server.dir, "key"))
    return c.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 10),
                         server_hostname="127.0.0.1")


def shown(server):
    """The certificate that a new connection is shown."""
    with connect(server) as s:
        return s.getpeercert(binary_form=True)


def ask(s, path):
    s.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    return s.recv(65536)


def test_renewed_while_running(own_server):
    server = own_server
    server.kill()
    for name in "apiserver", "admin":
        age(server, name, datetime.timedelta(seconds=5))
    old = ssl.PEM_cert_to_DER_cert(read(pki(server, "apiserver.crt")).decode())
    server.start()
    kubeconfig = read(server.kubeconfig)
    with connect(server) as kept:
        assert kept.getpeercert(binary_form=True) == old
        assert ask(kept, b"/version").startswith(b"HTTP/1.1 200")
        eventually(lambda: shown(server) != old, 30)
        # The connection of before goes on; the administrator's certificate of before is still good.
        assert ask(kept, b"/version").startswith(b"HTTP/1.1 200")
        assert server.call("GET", "/api/v1/namespaces").status_code == 200
    with connect(server) as s:
        left = ssl.cert_time_to_seconds(s.getpeercert()["notAfter"]) - time.time()
    assert LIFE.total_seconds() - 3600 < left < LIFE.total_seconds()
    assert read(server.kubeconfig) != kubeconfig
    server.load_identity()
    assert server.call("GET", "/api/v1/namespaces").status_code == 200
    assert "certificates renewed" in server.read_log()


def test_new_ca_for_the_same_key_keeps_what_is_out_there(own_server):
    """What `skiff check` and the log advise when the CA nears its end."""
    server = own_server
    old = read(pki(server, "ca.crt"))
    server.kill()
    crt, key = read(os.path.join(server.dir, "crt")), read(os.path.join(server.dir, "key"))
    os.unlink(pki(server, "ca.crt"))
    server.start()
    assert read(pki(server, "ca.crt")) != old
    for name, text in ("crt", crt), ("key", key):
        with open(os.path.join(server.dir, name), "wb") as f:
            f.write(text)
    assert server.call("GET", "/api/v1/namespaces").status_code == 200  # the old certificate, the new CA
    with open(server.ca, "wb") as f:
        f.write(old)
    assert server.call("GET", "/api/v1/namespaces").status_code == 200  # and someone with the old CA
