# SPDX-License-Identifier: Apache-2.0
"""Watchers of the registers: one follows etcd itself, the others API servers, and each writes down what
it saw.
"""
import base64
import http.client
import json
import random
import re
import threading

from failover.clients import LABEL, PATH, Api, Lost, read_of
from failover.truth import ADDED, DELETED, MODIFIED, Change, seen_upto

KEYS = "/registry/configmaps/default/reg-"
VALUE = re.compile(rb"v:\d+:\d+;")


class EtcdWatch(threading.Thread):
    """The truth: etcd's own history of the registers, behind the revision @since. etcdctl ends when
    the member that it asks has lost its leader; then another one begins behind what it showed."""

    def __init__(self, cluster, since=0):
        super().__init__(daemon=True)
        self.cluster, self.since, self.changes, self.error = cluster, since, [], None
        self.stopped, self.process = threading.Event(), None
        self.start()

    def begin(self):
        args = self.cluster.ctl_args("watch", "--prefix", KEYS, "--rev=%d" % (self.revision() + 1),
                                     "--prev-kv", "-w", "json")
        self.process = self.cluster.net.hub.popen(args)

    def run(self):
        try:
            while not self.stopped.is_set():
                self.begin()
                for line in self.process.stdout:
                    self.changes += [change_of(ev) for ev in json.loads(line).get("Events") or []]
                self.process.wait()
                self.stopped.wait(0.1)
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def revision(self):
        return self.changes[-1].revision if self.changes else self.since

    def stop(self):
        self.stopped.set()
        while self.is_alive():  # one may just have begun
            self.process.kill()
            self.join(0.1)


def change_of(ev):
    deleted = ev.get("type") == 1
    kv = ev["kv"]
    raw = base64.b64decode((ev["prev_kv"] if deleted else kv)["value"])
    new = kv.get("create_revision") == kv["mod_revision"]  # a deletion has none
    return Change(kv["mod_revision"], DELETED if deleted else ADDED if new else MODIFIED,
                  base64.b64decode(kv["key"]).decode().rsplit("/", 1)[1],
                  VALUE.search(raw).group().decode())


class Watcher(threading.Thread):
    """Follows one API server, or now this one and now that; begins anew after each break behind what
    it saw last, with a list only when it is told that this is too old."""

    def __init__(self, cluster, record, servers, seed):
        super().__init__(daemon=True)
        self.cluster, self.record, self.servers = cluster, record, servers
        self.rng = random.Random(seed)
        self.records, self.breaks, self.expired = [], 0, []  # expired: servers that said so
        self.stopped, self.error = threading.Event(), None

    def run(self):
        try:
            self.cluster.net.enter()
            while not self.stopped.is_set():
                server = self.rng.choice(self.servers)
                api = Api(self.cluster, server, timeout=10)
                try:
                    self.follow(api, server)
                except (Lost, OSError, http.client.HTTPException):
                    self.stopped.wait(0.1)
                self.breaks += 1
                api.drop()
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def list(self, api):
        code, answer = api.call("GET", PATH + "?labelSelector=" + LABEL)
        if code != 200:
            self.record.status(code, answer)
            raise Lost(str(code))
        items = {i["metadata"]["name"]: read_of(i) for i in answer["items"]}
        self.records.append(("start", int(answer["metadata"]["resourceVersion"]), items))

    def follow(self, api, server):
        if not self.records:
            self.list(api)
        response = api.open("GET", "%s?watch=1&labelSelector=%s&allowWatchBookmarks=true"
                            "&timeoutSeconds=%d&resourceVersion=%d" % (
                                PATH, LABEL, self.rng.randint(2, 9), seen_upto(self.records)))
        if response.status != 200:
            body = json.loads(response.read())
            self.record.status(response.status, body)
            self.trouble(api, server, body)
            return
        for line in response:
            if not line.endswith(b"\n"):
                raise Lost("a broken line")
            event = json.loads(line)
            if event["type"] == "ERROR":
                self.record.status(event["object"]["code"], event["object"])
                self.trouble(api, server, event["object"])
                return
            self.take(event["type"], event["object"])

    def trouble(self, api, server, status):
        if status["code"] != 410:
            self.stopped.wait(0.1)
            return
        self.expired.append(server)
        api.drop()  # the answer may go on
        self.list(api)

    def take(self, kind, item):
        if kind == "BOOKMARK":
            self.records.append(("bookmark", int(item["metadata"]["resourceVersion"])))
        else:
            self.records.append(("event", kind, item["metadata"]["name"], *read_of(item)))
