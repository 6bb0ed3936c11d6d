"""How long nobody has a success when the leader is killed: the same clients, which go on at the next server."""

import time

from harness import load
from harness.case import Case, interleaved
from subjects import etcd
from subjects.commits import Commits
from subjects.etcd import Etcd
from subjects.shop import Shop

PACKAGES = etcd.PACKAGES
ETCD = "etcd, puts"
CLIENTS = 16
#: Before and after the kill: long enough for every server to take its part, and for the slowest election.
BEFORE, AFTER = 1.5, 5.0


def run(bench):
    fast = {"SHOPNODE_RAFT__PROFILE": "fast"}
    with bench.open(Shop, "shop-lan", 3, 100) as shop, bench.open(Shop, "shop-fast", 3, 100, fast) as quick, \
            bench.open(Commits, "commits-lan") as log, bench.open(Commits, "commits-fast", 3, ["--fast"]) as quick_log, \
            bench.open(Etcd, "etcd-3") as theirs:
        cases = [
            _case("shopnode, orders, default profile", _Orders(shop)),
            _case("shopnode, orders, fast profile", _Orders(quick)),
            _case("shopnode's log, puts, default profile", _Puts(log)),
            _case("shopnode's log, puts, fast profile", _Puts(quick_log)),
            _case(ETCD, _Puts(theirs), beside=None),
        ]
        return interleaved(cases, bench.kills, BEFORE + AFTER)


def _case(subject, servers, beside=ETCD):
    def operate(seconds):
        if seconds < BEFORE + AFTER:  # warming up, without a death
            servers.start(seconds, False).communicate(timeout=seconds + 60)
            return {}
        leader = servers.leader()
        clients = servers.start(seconds, True)
        time.sleep(BEFORE)
        servers.kill(leader)
        told = load.finish(clients, seconds + 120)
        servers.start_again(leader)
        return told
    return Case("fail-over", subject, CLIENTS, operate, beside=beside, measure="gap_ms", more_is_better=False)


class _Orders:
    def __init__(self, shop):
        self.shop = shop
        self.leader, self.kill, self.start_again = shop.leader, shop.kill, shop.run

    def start(self, seconds, through_failures):
        return load.start("orders", seconds, to=self.shop.addresses(), token=self.shop.token(), skus=self.shop.skus,
                          clients=CLIENTS, through_failures=through_failures)


class _Puts:
    def __init__(self, servers):
        self.servers = servers
        self.leader, self.kill = servers.leader, servers.kill

    def start_again(self, place):
        self.servers.start(place)
        self.servers.until_serving(place)
        time.sleep(1.0)  # it catches up before the next leader is killed

    def start(self, seconds, through_failures):
        # Without failures only the leader is asked: the log's other nodes refuse.
        servers = self.servers
        to = servers.addresses() if through_failures else servers.address(servers.leader())
        return load.start("put", seconds, to=to, clients=CLIENTS, through_failures=through_failures)
