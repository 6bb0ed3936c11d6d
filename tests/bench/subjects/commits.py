"""The log of shopnode without a shop (`tests/bench/commits`): the same WAL, engine, consensus and QUIC."""

import subprocess

from harness import load, machine, processes

PROGRAM = load.TARGET / "shopnode-commits"


class Commits:
    """`switches` are those of the program: `--fast`, `--plain`, `--undigested`, `--exporting`."""

    def __init__(self, directory, nodes=3, switches=()):
        directory.mkdir(parents=True)
        self.directory, self.switches, self.members = directory, switches, []
        prepared = [PROGRAM, "prepare", "--directory", directory]
        subprocess.run(prepared, check=True, timeout=60)
        ports = machine.free_ports(2 * nodes)
        self.members = [{"client": ports[at], "peer": ports[at + nodes]} for at in range(nodes)]
        # The first takes the others in, so they are there before it.
        for at in reversed(range(nodes)):
            self.start(at)
        self.leader()

    def close(self):
        for member in self.members:
            if "process" in member:
                processes.stop(member["process"])

    def start(self, at):
        member = self.members[at]
        others = [f"--peer={n + 1}=127.0.0.1:{other['peer']}" for n, other in enumerate(self.members) if n != at]
        member["process"] = processes.start(
            [PROGRAM, "run", "--directory", self.directory, "--node", at + 1, "--cluster", f"127.0.0.1:{member['peer']}",
             "--serve", f"127.0.0.1:{member['client']}", *others, *self.switches],
            self.directory / f"node-{at + 1}.log")

    def until_serving(self, at):
        member = self.members[at]
        processes.until("a node of the log to serve", lambda: machine.answers(member["client"]), 60, member["process"])

    def kill(self, at):
        processes.stop(self.members[at]["process"], how=9)

    def leader(self):
        return processes.until("a leader of the log", self._leader, 60, pause=0.1) - 1

    def _leader(self):
        """The place of whoever takes a command, counted from 1."""
        for at, member in enumerate(self.members):
            if member["process"].poll() is not None or not machine.answers(member["client"]):
                continue
            try:
                load.run("put", 1, to=self.address(at), clients=1, operations=1)
                return at + 1
            except RuntimeError:
                continue
        return None

    def address(self, at):
        return f"127.0.0.1:{self.members[at]['client']}"

    def addresses(self):
        return ",".join(map(self.address, range(len(self.members))))

    def roles(self):
        leader = self.leader()
        followers = [member["process"].pid for at, member in enumerate(self.members) if at != leader]
        roles = {"leader": [self.members[leader]["process"].pid]}
        return {**roles, f"{len(followers)} followers": followers} if followers else {"node": roles["leader"]}
