"""The example for Kubernetes without Kubernetes: what its parts promise each other, and how its pods become nodes.

The enrolment is the very script of the manifest, with /data and /tokens in a scratch directory and a stand-in for `shopnode`
that notes how it was called.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import yaml

# Longer than `http.drain_timeout_ms` may be.
MOST_DRAIN_S = 60

STAND_IN = """#!/bin/sh
echo "$*" >>"$HOME/calls"
case $1 in
  init) mkdir -p "$4" 2>/dev/null || mkdir -p "$3"; touch "$HOME/data/node/FORMAT"; echo sk_admin ;;
  join)
    [ ! -e "$HOME/unreachable" ] || { rm "$HOME/unreachable"; exit 3; }
    [ ! -e "$HOME/refused" ] || exit 1
    mkdir -p "$HOME/data/node"; touch "$HOME/data/node/FORMAT" ;;
esac
"""


def check(manifest):
    """The parts agree with each other."""
    by_kind = {(item["kind"], item["metadata"]["name"]): item for item in manifest}
    budget = by_kind["PodDisruptionBudget", "shopnode"]["spec"]
    service = by_kind["Service", "shopnode"]["spec"]
    nodes = by_kind["Service", "shopnode-nodes"]["spec"]
    pods = by_kind["StatefulSet", "shopnode"]["spec"]
    template = pods["template"]
    labels = template["metadata"]["labels"]
    for selector in (budget["selector"]["matchLabels"], pods["selector"]["matchLabels"], service["selector"], nodes["selector"]):
        assert selector.items() <= labels.items(), selector
    # One at a time, and never the majority: for who drains machines and for updates.
    assert pods["replicas"] % 2 == 1 and budget["maxUnavailable"] <= (pods["replicas"] - 1) // 2
    assert pods["updateStrategy"]["type"] == "RollingUpdate" and pods["minReadySeconds"] > 0
    assert pods["podManagementPolicy"] == "Parallel", "after a power cut no pod is ready before a second one is there"
    assert pods["serviceName"] == "shopnode-nodes" and nodes["clusterIP"] == "None" and nodes["publishNotReadyAddresses"]
    spec = template["spec"]
    [node] = spec["containers"]
    program, pause = node["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert spec["terminationGracePeriodSeconds"] >= MOST_DRAIN_S + int(pause)
    # A node without a quorum is not ready, and is no reason to kill it.
    paths = {kind: node[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}, paths
    assert node["command"] == ["shopnode", "run", "--data", "/data/node"]
    [tokens] = [volume for volume in spec["volumes"] if volume["name"] == "tokens"]
    assert tokens["secret"]["optional"], "the first pod starts before there is a token"
    return spec["initContainers"][0]["command"]


class Pod:
    """A pod's init container in a scratch directory."""

    def __init__(self, command, name):
        self.home = pathlib.Path(tempfile.mkdtemp())
        for part in ("data", "tokens", "bin"):
            (self.home / part).mkdir()
        stand_in = self.home / "bin/shopnode"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        # The paths are the container's: here they are below the scratch directory. Nobody waits two seconds here.
        script = re.sub(r"/(data|tokens)\b", rf"{self.home}/\1", command[-1]).replace("sleep 2", "sleep 0.05")
        self.command = [*command[:-1], script]
        self.environment = {"PATH": f"{self.home}/bin:/usr/bin:/bin", "HOME": str(self.home), "POD_NAME": name}

    def begin(self):
        return subprocess.Popen(self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self, status=0):
        process = self.begin()
        assert process.wait(timeout=20) == status, process.returncode

    def give(self, name, text=""):
        (self.home / name).write_text(text)

    @property
    def calls(self):
        calls = self.home / "calls"
        return [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else []


def waits(pod):
    """It calls nobody and does not end."""
    process = pod.begin()
    time.sleep(0.5)
    assert process.poll() is None and not pod.calls, pod.calls
    return process


def enrol(command):
    first = Pod(command, "shopnode-0")
    first.end()
    assert first.calls == ["init"] and (first.home / "data/admin.key").read_text() == "sk_admin\n"
    assert (first.home / "data/admin.key").stat().st_mode & 0o077 == 0
    first.end()
    assert first.calls == ["init"], "a restart enrols nothing"

    lost = Pod(command, "shopnode-0")
    lost.give("tokens/founded", "yes")
    process = waits(lost)
    lost.give("tokens/shopnode-0", "token-a")
    assert process.wait(timeout=20) == 0 and lost.calls == ["join"], "a shop is founded once"

    other = Pod(command, "shopnode-1")
    process = waits(other)
    other.give("unreachable")
    other.give("tokens/shopnode-1", "token-b")
    assert process.wait(timeout=20) == 0 and other.calls == ["join", "join"], "it asks again until a node answers"
    assert "--token token-b" in (other.home / "calls").read_text()
    other.end()
    assert other.calls == ["join", "join"], "a restart needs no token"

    refused = Pod(command, "shopnode-2")
    refused.give("tokens/shopnode-2", "used")
    refused.give("refused")
    refused.end(status=1)
    assert refused.calls == ["join"], "what is refused is not repeated"


if __name__ == "__main__":
    os.umask(0o022)
    with open(sys.argv[1]) as file:
        documents = [item for item in yaml.safe_load_all(file) if item]
    enrol(check(documents))
    print("the pods become nodes, once")
