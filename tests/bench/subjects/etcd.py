"""Three etcd on loopback, with etcd's own default timing (heartbeat 100 ms, election 1,000 ms)."""

import json
import os
import subprocess

from harness import machine, processes

PACKAGES = {"etcd": "etcd-server", "etcdctl": "etcd-client"}
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("ETCD")}, "ETCDCTL_API": "3"}


class Etcd:
    def __init__(self, directory):
        directory.mkdir(parents=True)
        self.directory, self.members = directory, []
        ports = machine.free_ports(6)
        self.members = [{"client": ports[at], "peer": ports[at + 3]} for at in range(3)]
        for at in range(3):
            self.start(at, "new")
        self.leader()

    def close(self):
        for member in self.members:
            if "process" in member:
                processes.stop(member["process"])

    def start(self, at, state="existing"):
        member = self.members[at]
        client, peer = (f"http://127.0.0.1:{member[kind]}" for kind in ("client", "peer"))
        cluster = ",".join(f"n{n}=http://127.0.0.1:{other['peer']}" for n, other in enumerate(self.members))
        member["process"] = processes.start(
            ["etcd", "--name", f"n{at}", "--data-dir", self.directory / f"n{at}",
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", cluster, "--initial-cluster-state", state,
             "--quota-backend-bytes", str(8 << 30), "--log-level", "error", "--logger", "zap"],
            self.directory / f"n{at}.log", ENVIRONMENT)

    def until_serving(self, at):
        member = self.members[at]
        processes.until("a node of etcd to serve", lambda: machine.answers(member["client"]), 60, member["process"])

    def kill(self, at):
        processes.stop(self.members[at]["process"], how=9)

    def leader(self):
        return processes.until("a leader of etcd", self._leader, 60, pause=0.2) - 1

    def _leader(self):
        """Its place, counted from 1."""
        for at, member in enumerate(self.members):
            if member["process"].poll() is not None:
                continue
            asked = ["etcdctl", "--endpoints", f"127.0.0.1:{member['client']}", "--command-timeout=2s", "endpoint", "status"]
            told = subprocess.run([*asked, "-w", "json"], capture_output=True, text=True, env=ENVIRONMENT, timeout=10)
            try:
                status = json.loads(told.stdout)[0]["Status"]
                if status["leader"] == status["header"]["member_id"]:
                    return at + 1
            except (ValueError, IndexError, KeyError, TypeError):
                continue
        return None

    def address(self, at):
        return f"127.0.0.1:{self.members[at]['client']}"

    def addresses(self):
        return ",".join(map(self.address, range(3)))

    def roles(self):
        leader = self.leader()
        followers = [member["process"].pid for at, member in enumerate(self.members) if at != leader]
        return {"leader": [self.members[leader]["process"].pid], "2 followers": followers}
