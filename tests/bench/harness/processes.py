"""Processes of a run: started here, ended here, by pid; and what they have used."""

import os
import signal
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_started = []


def start(command, log, environment=None, user=None):
    """Starts a server. It ends with this process, whatever ends this one."""
    prefix = ["setpriv", "--pdeathsig", "KILL"]
    if user and os.geteuid() == 0:
        # A change of user clears the wish to end with the parent, so the inner setpriv has it.
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *prefix]
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*prefix, "--", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/",
        )
    process.log = log
    _started.append(process)
    return process


def stop(process, how=signal.SIGTERM, within=30):
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in _started:
        _started.remove(process)


def stop_all():
    for process in reversed(list(_started)):
        stop(process)


def until(what, probe, within=60, process=None, pause=0.02):
    """Waits until `probe` gives something; fails with the end of the process's log when it ends first."""
    deadline = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            tail = open(process.log, errors="replace").read()[-2000:] if process else ""
            raise RuntimeError(f"waited in vain for {what}\n{tail}")
        time.sleep(pause)


def _family(pid, children):
    return [pid, *(member for child in children.get(pid, ()) for member in _family(child, children))]


def families(pids):
    """The processes and all their descendants."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat(int(name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(name))
    return [member for pid in pids for member in _family(pid, children)]


def _stat(pid):
    """The fields of proc(5)'s `stat` from the third on: behind the name, which may hold anything."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def _named_number(path, name):
    try:
        with open(path) as file:
            return next((int(line.split()[1]) for line in file if line.startswith(name)), 0)
    except OSError:
        return 0


def usage(pids):
    """CPU seconds, and bytes that reached the storage layer, so far: of these, their descendants, and those that ended."""
    members = families(pids)
    ticks = sum(sum(map(int, fields[11:15])) for fields in map(_stat, members) if fields)
    written = sum(_named_number(f"/proc/{pid}/io", "write_bytes:") for pid in members)
    return ticks / TICKS_PER_SECOND, written


def forget_peak(pid):
    """Lets the peak of a process's memory begin at what it has now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def peak_mb(pid):
    """The most resident memory since [`forget_peak`], or since the process began (VmHWM)."""
    return _named_number(f"/proc/{pid}/status", "VmHWM:") / 1024


def memory_mb(pids):
    """Resident memory, what is shared counted once (Pss)."""
    return sum(_named_number(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in families(pids)) / 1024
