# SPDX-License-Identifier: Apache-2.0
"""An S3 service for tests: checks signatures (AWS Signature Version 4, from its public specification)
and can be told to misbehave."""
import datetime
import hashlib
import hmac
import http.server
import ssl
import threading
import urllib.parse
from xml.sax.saxutils import escape

ID, SECRET, TOKEN, BUCKET, REGION = "TESTID", "test/secret+key", "test-token==", "backups", "eu-test-1"


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


def sign(method, path, query, headers, names, payload, date, scope, secret):
    """The signature that the specification gives for a request with these parts."""
    pairs = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~"))
                   for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join([
        method, urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~"),
        "&".join("%s=%s" % p for p in pairs),
        "".join("%s:%s\n" % (n, " ".join(headers[n].split())) for n in names), ";".join(names),
        payload])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, sha256_hex(canonical.encode())])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/") + [text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class Refusal(Exception):
    def __init__(self, status, code, message):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def check(self, body):
        s3, headers = self.server.s3, {k.lower(): v for k, v in self.headers.items()}
        word, _, rest = headers.get("authorization", "").partition(" ")
        parts = dict(p.strip().partition("=")[::2] for p in rest.split(","))
        if word != "AWS4-HMAC-SHA256":
            raise Refusal(403, "AccessDenied", "no signature")
        key_id, _, scope = parts["Credential"].partition("/")
        names, date = parts["SignedHeaders"].split(";"), headers["x-amz-date"]
        if key_id != ID:
            raise Refusal(403, "InvalidAccessKeyId", "no such key")
        if scope != "%s/%s/s3/aws4_request" % (date[:8], REGION):
            raise Refusal(400, "AuthorizationHeaderMalformed", "expecting " + REGION)
        now = datetime.datetime.utcnow()
        if abs(datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ") - now).total_seconds() > 900:
            raise Refusal(403, "RequestTimeTooSkewed", "what time is it?")
        must = {"host"} | {h for h in headers if h.startswith("x-amz-")}
        if names != sorted(names) or not must <= set(names):
            raise Refusal(403, "AccessDenied", "headers that are not signed")
        path, _, query = self.path.partition("?")
        if parts["Signature"] != sign(self.command, path, query, headers, names,
                                      headers["x-amz-content-sha256"], date, scope, SECRET):
            raise Refusal(403, "SignatureDoesNotMatch", "the signature is another")
        if headers["x-amz-content-sha256"] != sha256_hex(body):
            raise Refusal(400, "XAmzContentSHA256Mismatch", "the body is another")
        if s3.token and headers.get("x-amz-security-token") != s3.token:
            raise Refusal(403, "InvalidToken", "the session token is another")

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True

    def refuse(self, r):
        self.answer(r.status, ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
                               "<Message>%s</Message><RequestId>1</RequestId></Error>"
                               % (r.code, r.message)).encode())

    def handle_any(self):
        s3 = self.server.s3
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        plan = s3.plan.pop(0) if s3.plan else None
        if self.headers["Host"].startswith(BUCKET + "."):
            key = path[1:]
        else:
            assert path.startswith("/%s/" % BUCKET), path
            key = path[len(BUCKET) + 2:]
        s3.requests.append((self.command, key or "?" + url.query))
        try:
            self.check(body)
            if isinstance(plan, Refusal):
                raise plan
            if plan == "hang":
                s3.hanging.set()
                s3.release.wait(30)
                self.close_connection = True
                return
            getattr(self, "on_" + self.command.lower())(key, url.query, body, plan)
        except Refusal as r:
            self.refuse(r)

    do_GET = do_PUT = do_DELETE = handle_any

    def on_put(self, key, query, body, plan):
        if plan != "lose":
            self.server.s3.objects[key] = body
        self.answer(200)

    def on_delete(self, key, query, body, plan):
        self.server.s3.objects.pop(key, None)
        self.answer(204)

    def on_get(self, key, query, body, plan):
        s3 = self.server.s3
        if plan == "redirect":
            self.answer(307, headers=[("Location", "http://%s/elsewhere" % self.headers["Host"])])
            return
        if not key:
            data = plan if isinstance(plan, bytes) else self.page(query)
        elif key in s3.objects:
            data = s3.objects[key]
        else:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        if plan == "truncate":
            self.answer(200, data[:len(data) // 2], length=len(data))
        else:
            self.answer(200, data)

    def page(self, query):
        s3, q = self.server.s3, dict(urllib.parse.parse_qsl(query))
        assert q["list-type"] == "2" and q["delimiter"] == "/" and q["encoding-type"] == "url", q
        prefix = q.get("prefix", "")
        keys = sorted(k for k in s3.objects
                      if k.startswith(prefix) and "/" not in k[len(prefix):])
        first = int(q.get("continuation-token", "page/0+").split("/")[1][:-1])
        here = keys[first:first + s3.page_size]
        more = first + s3.page_size < len(keys)
        return ("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>%s</Name>"
                "<EncodingType>url</EncodingType>%s<IsTruncated>%s</IsTruncated>%s"
                "</ListBucketResult>" % (
                    BUCKET,
                    "".join("<Contents><Key>%s</Key><Size>%d</Size></Contents>"
                            % (escape(urllib.parse.quote_plus(k, safe="/")), len(s3.objects[k]))
                            for k in here),
                    "true" if more else "false",
                    "<NextContinuationToken>page/%d+</NextContinuationToken>"
                    % (first + s3.page_size) if more else "")).encode()


class FakeS3:
    """@certificate: PEM file with key; https then. plan: what to do with the next requests, each a
    Refusal, "truncate", "lose", "hang", "redirect", bytes (the answer to a list) or None."""

    def __init__(self, certificate=None):
        self.objects, self.requests, self.plan = {}, [], []
        self.page_size, self.token = 1000, None
        self.hanging, self.release = threading.Event(), threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.s3 = self
        if certificate:
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            c.load_cert_chain(certificate)
            self.http.socket = c.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_address[1]
        self.endpoint = "%s://127.0.0.1:%d" % ("https" if certificate else "http", self.port)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def env(self, **more):
        import os
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update({"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
                    "no_proxy": "*"}, **more)
        return env

    def stop(self):
        self.release.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


