# SPDX-License-Identifier: Apache-2.0
"""Clients that use registers, which are ConfigMaps, through API servers, and write down what they did and
were told.
"""
import http.client
import json
import random
import threading
import time

from failover.linear import ABSENT, CAS, CREATE, DELETE, INFINITY, PUT, READ, Op

TIMEOUT_S = 60  # upstream's limit of a request; nothing may take longer
PATH = "/api/v1/namespaces/default/configmaps"
LABEL = "registers"


class Lost(Exception):
    """No answer. @done: it may have been done."""

    def __init__(self, why, done=True):
        super().__init__(why)
        self.done = done


class Api:
    """A connection to one API server, kept alive; its thread stands at the hub."""

    def __init__(self, cluster, server, timeout=TIMEOUT_S):
        self.ip, self.tls, self.timeout = cluster.net.ip[server], cluster.tls, timeout
        self.connection = None

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def open(self, method, path, body=None):
        """The response, whose body is to be read."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPSConnection(self.ip, 6443, context=self.tls,
                                                              timeout=self.timeout)
                self.connection.connect()
        except OSError as e:
            self.drop()
            raise Lost(repr(e), done=False) from e
        try:
            self.connection.request(method, path, json.dumps(body) if body else None,
                                    {"Content-Type": "application/json"})
            return self.connection.getresponse()
        except (OSError, http.client.HTTPException) as e:
            self.drop()
            raise Lost(repr(e)) from e

    def call(self, method, path, body=None):
        """(status, decoded body)"""
        response = self.open(method, path, body)
        try:
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as e:
            self.drop()
            raise Lost(repr(e)) from e


class Record:
    """What all clients did and saw."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ops, self.lists, self.statuses, self.slowest = [], [], {}, 0
        self.broken = []  # answers that break a rule

    def took(self, seconds):
        with self.lock:
            self.slowest = max(self.slowest, seconds)

    def status(self, code, body):
        """Every answer that is no success is a Status with a reason and a text."""
        with self.lock:
            if body.get("kind") != "Status" or body.get("code") != code or not body.get("message"):
                self.broken.append((code, body))
            self.statuses.setdefault((code, body.get("reason")), body.get("message"))


def read_of(item):
    return int(item["metadata"]["resourceVersion"]), item["data"]["v"]


class Client(threading.Thread):
    """Does one operation after another until told to stop."""

    def __init__(self, cluster, record, number, server, keys, seed):
        super().__init__(daemon=True)
        self.cluster, self.record, self.number, self.server = cluster, record, number, server
        self.keys, self.rng = keys, random.Random(seed)
        self.stopped, self.error = threading.Event(), None
        self.written, self.ended = 0, 0.0
        self.known = {}  # key -> (revision, value) of the last read

    def run(self):
        try:
            self.cluster.net.enter()
            self.api = Api(self.cluster, self.server)
            while not self.stopped.is_set():
                if not self.one():
                    self.stopped.wait(0.05)
                self.stopped.wait(self.rng.uniform(0, 0.02))
            self.api.drop()
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def fresh_value(self):
        self.written += 1
        return "v:%d:%d;" % (self.number, self.written)

    def body(self, key, value, revision=0):
        meta = {"name": key, "labels": {LABEL: "yes"}}
        if revision:
            meta["resourceVersion"] = str(revision)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"v": value}}

    def one(self):
        """One operation. False if the server is in trouble."""
        key, kind = self.rng.choice(self.keys), self.rng.random()
        if kind < 0.06:
            return self.list()
        if kind < 0.40 or key not in self.known and kind < 0.7:
            return self.operate(READ, key, "GET")
        if kind < 0.70:
            revision, old = self.known[key]
            value = self.fresh_value()
            return self.operate(CAS, key, "PUT", value, self.body(key, value, revision), old)
        if kind < 0.82:
            value = self.fresh_value()
            return self.operate(PUT, key, "PUT", value, self.body(key, value))
        if kind < 0.95:
            value = self.fresh_value()
            return self.operate(CREATE, key, "POST", value, self.body(key, value))
        return self.operate(DELETE, key, "DELETE")

    def operate(self, kind, key, method, value=None, body=None, old=None):
        op = Op(self.number, key, kind, time.monotonic(), INFINITY, value, old=old)
        path = PATH if kind == CREATE else PATH + "/" + key
        try:
            code, answer = self.api.call(method, path, body)
            self.record.took(time.monotonic() - op.start)
        except Lost as lost:
            self.record.took(time.monotonic() - op.start)
            if lost.done and kind != READ:
                self.note(op)
            return False
        if code >= 300:
            self.record.status(code, answer)
        known = self.outcome(op, code, answer)
        if known:
            op.end = time.monotonic()
        if known or kind != READ and code != 429:
            self.note(op)
        return known

    def outcome(self, op, code, answer):
        """Reads the answer into @op. False if it does not say whether anything was done."""
        if code in (200, 201):
            if op.kind != DELETE:
                op.revision, op.value = read_of(answer)
                self.known[op.key] = (op.revision, op.value)
            return True
        if code == 404 and op.kind == READ:
            op.value = ABSENT
            self.known.pop(op.key, None)
        elif code == 404 and op.kind != CREATE:
            op.error = "missing"
        elif code == 409 and op.kind == CREATE and answer["reason"] == "AlreadyExists":
            op.error = "exists"
        elif code == 409 and op.kind == CAS and answer["reason"] == "Conflict":
            op.error = "conflict"
            self.known.pop(op.key, None)
        else:
            return False
        return True

    def note(self, op):
        with self.record.lock:
            self.record.ops.append(op)

    def list(self):
        start = time.monotonic()
        try:
            code, answer = self.api.call("GET", PATH + "?labelSelector=" + LABEL)
        except Lost:
            self.record.took(time.monotonic() - start)
            return False
        end = time.monotonic()
        self.record.took(end - start)
        if code != 200:
            self.record.status(code, answer)
            return False
        items = {i["metadata"]["name"]: read_of(i) for i in answer["items"]}
        with self.record.lock:
            self.record.lists.append((start, end, int(answer["metadata"]["resourceVersion"]),
                                      items))
        return True
