"""The machine of a run, and what it needs from Debian."""

import os
import platform
import shutil
import socket
import subprocess
import tempfile
import time


def install(packages):
    """Installs Debian packages by the program that each brings; their services are not started."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in packages.items() if not shutil.which(program, path=search)})
    if not missing:
        return
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *step], env=environment, check=True, stdout=subprocess.DEVNULL, timeout=900)


def versions(packages):
    """The installed versions of Debian packages, as one line."""
    # The package `postgresql` only names the one that has the server.
    names = sorted({"postgresql-[0-9][0-9]" if package == "postgresql" else package for package in packages})
    asked = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", *names]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60).stdout if names else ""
    found = (line.split() for line in told.splitlines())
    return ", ".join(f"{name} {version}" for state, name, version in found if state == "installed")


def free_ports(count):
    """Ports of loopback that were free a moment ago, and differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def busy_seconds():
    """What everybody has used of the processors so far, in seconds."""
    with open("/proc/stat") as file:
        values = list(map(int, file.readline().split()[1:9]))
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


def busy_cores(seconds=1.0):
    """What everybody uses of the processors right now."""
    before = busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / seconds


def syncs_per_second(directory, seconds=1.0):
    """Appends of 4 KiB with fdatasync, one after the other: what any durable commit costs here at least."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            os.write(file.fileno(), b"\x5a" * 4096)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - began)


def describe(directory):
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1])
    return {
        "processors": f"{os.cpu_count()} x {model}",
        "memory_gib": round(memory / 2**20, 1),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown") + ", Linux " + platform.release(),
        "fdatasync_per_second": round(syncs_per_second(directory)),
        "busy_cores_before": round(busy_cores(), 2),
    }
