# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, in an order that a seed gives. Each fault is a generator: it breaks something at its
first half, and after its yield, which says for how many seconds, all is mended.
"""
import random
import subprocess
import time

from failover.cluster import MEMBERS, SERVERS


class Nemesis:
    """@log(text): what is done. @truth: the watch on etcd, which compaction must not overtake."""

    def __init__(self, cluster, truth, seed, longest, log):
        self.cluster, self.truth, self.log = cluster, truth, log
        self.rng, self.longest = random.Random(seed), longest
        self.restarted, self.compacted = set(), set()  # API servers that may say 410
        self.faults = [getattr(self, name) for name in sorted(dir(self))
                       if name.startswith("fault_")]
        self.done = []

    def seconds(self):
        return self.rng.uniform(0.8, 1) * self.longest

    def member(self):
        """One of them; half of the time the leader."""
        return self.rng.random() < 0.5 and self.cluster.leader() or self.rng.choice(MEMBERS)

    def run(self, seconds, alive):
        """Faults one by one, until @seconds are over, but each one at least once. Asks @alive()
        between them."""
        end, bag = time.monotonic() + seconds, []
        while time.monotonic() < end or len(self.done) < len(self.faults):
            if not bag:
                bag = self.rng.sample(self.faults, len(self.faults))
            fault = bag.pop()
            self.done.append(fault.__name__)
            for pause in fault():
                time.sleep(pause)
            self.heal()
            time.sleep(self.rng.uniform(0.2, 0.4) * min(self.longest, 5))
            alive()

    def heal(self):
        self.cluster.net.heal()
        for node in self.cluster.nodes.values():
            if node.killed:
                node.start()
            elif not node.running():
                raise AssertionError("%s ended: %s" % (node.name, node.text()[-6000:]))
            elif node.paused:
                node.pause(False)

    def fault_kill_member(self):
        m = self.member()
        self.log("kill " + m)
        self.cluster.nodes[m].kill()
        yield self.seconds()

    def fault_pause_leader(self):
        m = self.cluster.leader() or "m0"
        self.log("pause the leader " + m)
        self.cluster.nodes[m].pause(True)
        yield self.seconds()

    def fault_pause_member(self):
        m = self.member()
        self.log("pause " + m)
        self.cluster.nodes[m].pause(True)
        yield self.seconds()

    def fault_cut_leader(self):
        m = self.cluster.leader() or "m1"
        self.log("cut the leader %s from its peers" % m)
        for peer in MEMBERS:
            if peer != m:
                self.cluster.net.cut(m, peer)
        yield self.seconds()

    def fault_deaf_leader(self):
        m = self.cluster.leader() or "m2"
        self.log("the leader %s hears its peers no more" % m)
        for peer in MEMBERS:
            if peer != m:
                self.cluster.net.cut(m, peer, one_way=True)
        yield self.seconds()

    def fault_cut_server_from_member(self):
        s, m, one_way = self.rng.choice(SERVERS), self.member(), self.rng.random() < 0.5
        self.log("cut %s from %s%s" % (s, m, ", one way" if one_way else ""))
        self.cluster.net.cut(s, m, one_way)
        yield self.seconds()

    def fault_cut_server(self):
        s = self.rng.choice(SERVERS)
        self.log("cut %s from etcd" % s)
        for m in MEMBERS:
            self.cluster.net.cut(s, m)
        yield self.seconds()

    def fault_no_quorum(self):
        down = self.rng.sample(MEMBERS, 2)
        self.log("kill %s and %s" % tuple(down))
        for m in down:
            self.cluster.nodes[m].kill()
        yield self.seconds()

    def fault_slow_member(self):
        """It stands still most of the time."""
        m = self.member()
        self.log("%s is slow" % m)
        end = time.monotonic() + self.seconds()
        while time.monotonic() < end:
            self.cluster.nodes[m].pause(True)
            yield 0.12
            self.cluster.nodes[m].pause(False)
            yield 0.02

    def fault_lossy_member(self):
        m = self.member()
        self.log("%s loses packets" % m)
        self.cluster.net.lossy(m, 30)
        yield self.seconds()

    def fault_kill_server(self):
        s = self.rng.choice(SERVERS)
        self.log("kill the API server " + s)
        self.cluster.nodes[s].kill()
        self.restarted.add(s)
        yield self.seconds() / 2

    def fault_compact_behind_a_cut(self):
        """One API server is cut off, and history ends behind its back: it has to read all anew."""
        s = self.rng.choice(SERVERS)
        times = self.cluster.nodes[s].text().count("etcd read again")
        self.log("compact while %s is cut off" % s)
        for m in MEMBERS:  # what etcd has in flight does not come either
            self.cluster.net.refuse(s, m)
        yield 0.1
        before, end = self.truth.revision(), time.monotonic() + 5
        while self.truth.revision() < before + 20 and time.monotonic() < end:
            yield 0.05
        try:
            self.cluster.ctl("compact", str(self.truth.revision()), "--command-timeout=5s")
        except subprocess.CalledProcessError as e:
            self.log("not compacted: " + e.stderr.strip())
            return
        self.compacted.add(s)
        self.heal()
        self.cluster.wait_for(
            lambda: self.cluster.nodes[s].text().count("etcd read again") > times, 15)
