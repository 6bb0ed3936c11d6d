"""A shop made as an admin makes it: `init`, `run`, `token`, `join`. Default configuration, the binary that ships."""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import load, machine, processes

SCOPES = ["catalog:read", "catalog:write", "stock:write", "orders:place"]


class Shop:
    """`environment` overrides configuration keys: `{"SHOPNODE_RAFT__PROFILE": "fast"}`."""

    def __init__(self, directory, nodes, skus, environment=None):
        self.directory, self.environment, self.skus = directory, environment or {}, skus
        self.nodes = {}
        directory.mkdir(parents=True)
        self.key = self._init()
        self._trust_at_once()
        while len(self.nodes) < nodes:
            self.join()
        self.voters(nodes)
        self.call("PATCH", "/admin/v1/settings", {"manual_payments": True}, {"If-Match": "*"})
        self.client = self.call("POST", "/admin/v1/clients", {"name": "bench", "scopes": SCOPES})
        if skus:
            load.run("seed", to=self.addresses(), token=self.token(), skus=skus)

    def close(self):
        for node in self.nodes.values():
            if "process" in node:
                processes.stop(node["process"])

    # -- nodes

    def _init(self):
        node = self._new_node()
        began = time.monotonic()
        told = self._make("init", node)
        self.nodes[1] = node
        self.run(1)
        self.founded_s = time.monotonic() - began
        return re.search(r"sk_\S+", told).group()

    def join(self, within=600):
        """One more node; returns its number when it serves."""
        token = self.call("POST", "/admin/v1/cluster/tokens", {})["token"]
        node = self._new_node()
        some = self._some_that_runs()
        self._make("join", node, f"127.0.0.1:{some['cluster']}", "--token", token)
        number = max(self.nodes) + 1
        self.nodes[number] = node
        self.run(number, within)
        return number

    def _new_node(self):
        http, cluster = machine.free_ports(2)
        return {"http": http, "cluster": cluster, "data": self.directory / f"node-{http}"}

    def _make(self, verb, node, *arguments):
        made = subprocess.run(
            [load.TARGET / "shopnode", verb, *arguments, "--data", node["data"],
             "--http", f"127.0.0.1:{node['http']}", "--cluster", f"127.0.0.1:{node['cluster']}"],
            capture_output=True, text=True, timeout=60)
        if made.returncode:
            raise RuntimeError(f"shopnode {verb}: {made.stderr}")
        return made.stdout

    def run(self, number, within=600):
        """Starts a node's directory and waits until it is ready; returns how many seconds that took."""
        node = self.nodes[number]
        began = time.monotonic()
        node["process"] = processes.start(
            [load.TARGET / "shopnode", "run", "--data", node["data"]],
            self.directory / f"node-{node['http']}.log", {**_inherited(), **self.environment})
        processes.until("a node to be ready", lambda: self._is_ready(node), within, node["process"], 0.005)
        return time.monotonic() - began

    def kill(self, number):
        processes.stop(self.nodes[number]["process"], how=9)

    def stop(self, number):
        processes.stop(self.nodes[number]["process"])

    def remove(self, number):
        """Takes a node out for good and ends it."""
        def removed():
            try:
                self.call("DELETE", f"/admin/v1/cluster/nodes/{self.id_of(number)}")
                return True
            except RuntimeError:
                return False
        processes.until("a node to be removed", removed, 60, pause=0.2)
        self.kill(number)
        del self.nodes[number]

    def _is_ready(self, node):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{node['http']}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    # -- what it tells

    def call(self, method, path, body=None, headers=None, form=None, at=None):
        """One request as the shop's admin, at the first node that runs unless said otherwise."""
        node = at or self._some_that_runs()
        request = urllib.request.Request(f"http://127.0.0.1:{node['http']}{path}", method=method)
        if form is not None:
            request.data = urllib.parse.urlencode(form).encode()
        else:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            request.add_header("Content-Type", kind)
            request.add_header("Authorization", f"Bearer {self.key}")
            request.add_header("Idempotency-Key", f"bench-{time.monotonic_ns()}")
            request.data = None if body is None else json.dumps(body).encode()
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            raise RuntimeError(f"{method} {path}: {refused.code} {refused.read()[:500]}") from None
        return json.loads(text) if text else None

    def _some_that_runs(self):
        return next(node for node in self.nodes.values() if node["process"].poll() is None)

    def token(self):
        """An access token of the service client, good for 15 minutes."""
        client = {"client_id": self.client["client_id"], "client_secret": self.client["client_secret"]}
        form = {"grant_type": "client_credentials", **client}
        return self.call("POST", "/oauth/token", form=form)["access_token"]

    def view(self):
        return self.call("GET", "/admin/v1/cluster")

    def metric(self, number, name):
        """A node's metric by its name with labels, as `/metrics` writes it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.nodes[number]['http']}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))

    def id_of(self, number):
        http = f"http://127.0.0.1:{self.nodes[number]['http']}"
        return next(node["id"] for node in self.view()["nodes"] if node["http"] == http)

    def leader(self):
        """The number of the node that leads."""
        def found():
            view = self.view()
            http = next((node["http"] for node in view["nodes"] if node["id"] == view["leader"]), "")
            return next((number for number, node in self.nodes.items() if http.endswith(f":{node['http']}")), None)
        return processes.until("a leader", found, 60)

    def addresses(self):
        return ",".join(f"127.0.0.1:{node['http']}" for node in self.nodes.values())

    def roles(self):
        """The processes by what they are; followers together, because who is which may change."""
        leader = self.leader()
        followers = [node["process"].pid for number, node in self.nodes.items() if number != leader]
        roles = {"leader": [self.nodes[leader]["process"].pid]}
        return {**roles, f"{len(followers)} followers": followers} if followers else {"node": roles["leader"]}

    # -- preparation

    def _trust_at_once(self):
        """Lets nodes vote as soon as they have caught up: nobody has to wait whether they stay."""
        settings = self.call("GET", "/admin/v1/cluster/autopilot")
        self.call("PUT", "/admin/v1/cluster/autopilot", {**settings, "stable_ms": 500})

    def voters(self, count, within=60):
        """Waits until so many vote."""
        processes.until(f"{count} voters", lambda: count == sum(
            node["role"] == "voter" for node in self.view()["nodes"]), within, pause=0.1)


def _inherited():
    """This process's environment without what would configure a node."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SHOPNODE_")}
