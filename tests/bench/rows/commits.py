"""Commands of 256 bytes through the log, beside puts into etcd: three nodes each, one client program, one protocol."""

from harness import load
from harness.case import Case, interleaved
from subjects import etcd
from subjects.commits import Commits
from subjects.etcd import Etcd

PACKAGES = etcd.PACKAGES
ETCD = "etcd, 3 nodes"


def run(bench):
    with bench.open(Commits, "commits-3") as ours, bench.open(Etcd, "etcd-3") as theirs:
        cases = []
        for clients in bench.clients:
            cases.append(_case("shopnode's log, 3 nodes", ours, clients, ETCD))
            cases.append(_case(ETCD, theirs, clients))
        return interleaved(cases, bench.rounds, bench.seconds)


def _case(subject, servers, clients, beside=None):
    def operate(seconds):
        # Both are asked at the leader, where neither has to pass commands on.
        return load.run("put", seconds, to=servers.address(servers.leader()), clients=clients)
    return Case("raw commits", subject, clients, operate, servers.roles, beside)
