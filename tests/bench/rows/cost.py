"""What an order costs in the state machine beside the same writes given to the engine as they are, on one thread, no log."""

import re
import subprocess

from harness import load

ROW = "cost"
RAW = "raw sled: the same batches"
STORE = "applied to sled: domain, overlay, digests, one batch"
DOMAIN = "the domain alone: applied to memory"
#: How many times more than raw sled each may take.
BOUNDS = {STORE: 2.0, DOMAIN: 0.5}


def told(limit=600, directory=None):
    """Microseconds per order by subject, and the keys and bytes that an order writes, as the program tells."""
    program = load.TARGET / "examples" / "cost"
    out = subprocess.run([program], capture_output=True, text=True, check=True, timeout=limit, cwd=directory).stdout
    return parse(out)


def parse(out):
    written = re.search(r"(\d+) keys written by each order \(at most (\d+)\), (\d+) bytes", out)
    if not written:
        raise RuntimeError(f"the cost program tells something else: {out[:500]}")
    micros = {name: float(value) for name, value in re.findall(r"^(\w+) +([\d.]+) us per order", out, re.MULTILINE)}
    return micros, {"keys": int(written[1]), "at most": int(written[2]), "bytes": int(written[3])}


def run(bench):
    micros, written = told(directory=bench.directory)
    figures = [figure(RAW, micros["raw"], None, written), figure(STORE, micros["store"], RAW),
               figure(DOMAIN, micros["domain"], RAW)]
    bench.notes += [verdict(each["subject"], each["cpu_s_per_1000"]["apply"] * 1e3 / micros["raw"]) for each in figures[1:]]
    if written["keys"] > written["at most"]:
        bench.notes.append(f"FAILED: cost: an order writes {written['keys']} keys, more than {written['at most']}")
    return figures


def verdict(subject, times):
    """What a subject took of raw sled's time, and whether it may."""
    failed = "FAILED: " if times > BOUNDS[subject] else ""
    return f"{failed}cost: {subject} took {times:.2f} of raw sled's time, at most {BOUNDS[subject]}"


def figure(subject, micros, beside, further=None, row=ROW):
    return {
        "row": row, "subject": subject, "clients": 1, "rounds": 5, "measure": "per_second", "range": None,
        "per_second": 1e6 / micros, "operations": None, "more_is_better": True,
        "cpu_s_per_1000": {"apply": micros / 1e3}, "beside": beside, "further": further,
    }
