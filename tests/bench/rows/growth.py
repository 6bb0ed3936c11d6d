"""The same shop at growing numbers of orders: throughput, start, restart, join, memory, disk."""

import re
import shutil
import subprocess
import time

from harness import load, processes
from harness.case import Case
from subjects.shop import Shop

CLIENTS = 64
#: Placed with one access token, which is good for 15 minutes.
BATCH = 50_000
#: What a shop of any size keeps of the smallest one's throughput, and what p99 grows to.
LEAST_THROUGHPUT, MOST_P99 = 0.8, 1.5
#: What files that were just compacted have, of the bytes of all keys and values.
MOST_DISK = 4.0
#: Resident memory of raw sled by storage/DESIGN.md, at the 12 million keys that a million orders were taken for.
RAW_MB = 738
#: How many times that a node's may be under load, and from how many orders on: sled was measured at that size alone, and at
#: small ones caches that never fill up would be most of what is compared.
MOST_MEMORY, MEMORY_FROM = 1.5, 1_000_000
OF_RAW = "memory, of raw sled's"
#: What is large may take as long as that.
SETTLED_WITHIN_S = 1_800


def run(bench):
    figures = []
    with bench.open(Shop, "shop-growing", 1, bench.skus) as shop:
        placed = 0
        for size in bench.sizes:
            node = shop.nodes[1]["process"].pid
            processes.forget_peak(node)
            while placed < size:
                placed += place(shop, min(BATCH, size - placed), 3_600)["operations"]
            settle(shop)
            case = Case("growth", _subject(size), CLIENTS, _round(shop, max(size // 5, bench.round_orders)),
                        shop.roles, beside=_subject(bench.sizes[0]) if size != bench.sizes[0] else None)
            for _ in range(bench.rounds):
                case.sample(bench.seconds)
                placed += case.samples[-1]["operations"]
            peak = processes.peak_mb(node)  # before the node is stopped
            further = _ends_and_beginnings(shop)
            figure = case.figure()
            told = memory(size, peak, sum(figure["memory_mb"].values()))
            figures.append({**figure, "further": {**further, **told}})
    bench.notes += [note for figure in figures for note in excess(figures[0], figure)]
    return figures


def excess(smallest, figure):
    """What the shop promises to hold while it grows, where it does not."""
    kept, p99 = figure["per_second"] / smallest["per_second"], figure["p99_ms"] / smallest["p99_ms"]
    times, taken = figure["further"]["compacted, of its data"], figure["further"].get(OF_RAW, 0.0)
    for what, failed, told in [
        ("throughput", kept < LEAST_THROUGHPUT, f"is {kept:.2f} of that of {smallest['subject']}, not {LEAST_THROUGHPUT}"),
        ("p99", p99 > MOST_P99, f"is {p99:.2f} times that of {smallest['subject']}, more than {MOST_P99}"),
        ("compacted files", times > MOST_DISK, f"are {times:.2f} times the data, more than {MOST_DISK:g}"),
        ("memory", taken > MOST_MEMORY, f"is {taken:.2f} times that of raw sled, more than {MOST_MEMORY}"),
    ]:
        if failed:
            yield f"FAILED: growth: {figure['subject']}: {what} {told}"


def settle(shop):
    """Waits while the node compacts: a shop that got a million orders in minutes always would, and what that costs is in
    the row alongside."""
    end = time.monotonic() + SETTLED_WITHIN_S
    while shop.metric(1, "shopnode_compacting") != 0:
        if time.monotonic() > end:
            raise RuntimeError(f"the node compacts for {SETTLED_WITHIN_S} s")
        time.sleep(1)


def memory(size, peak_mb, loaded_mb):
    """The peak is told at each size, and what is resident under load held against raw sled's where that was measured."""
    return {"peak MB": peak_mb, **({OF_RAW: loaded_mb / RAW_MB} if size >= MEMORY_FROM else {})}


def _subject(size):
    return f"shopnode, 1 node, {size:,} orders"


def _round(shop, operations):
    return lambda seconds: place(shop, operations, seconds)


def place(shop, operations, seconds):
    return load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=CLIENTS, skus=shop.skus,
                    operations=operations)


def _ends_and_beginnings(shop):
    """What takes long when there is much, in seconds; disk in MB."""
    shop.stop(1)
    compacted = _compacted(shop)
    started = shop.run(1)
    shop.kill(1)
    restarted = shop.run(1)
    began = time.monotonic()
    number = shop.join()
    joined, data = time.monotonic() - began, shop.nodes[number]["data"]
    shop.remove(number)
    shutil.rmtree(data, ignore_errors=True)
    disk = sum(file.stat().st_blocks * 512 for file in shop.nodes[1]["data"].rglob("*") if file.is_file())
    return {"start s": started, "start after kill -9 s": restarted, "join s": joined, "disk MB": disk / 2**20,
            **compacted}


def _compacted(shop):
    """What a copy of a stopped node's files is compacted to: the node itself stays as it is."""
    copy = shop.directory / "compacted"
    shutil.copytree(shop.nodes[1]["data"], copy)
    done = subprocess.run([load.TARGET / "shopnode", "compact", "--data", copy], capture_output=True, text=True,
                          check=True, timeout=3_600)
    shutil.rmtree(copy)
    told = re.search(r"(\d+) records of (\d+) bytes: files had \d+ bytes and have (\d+)", done.stderr)
    if not told:
        raise RuntimeError(f"shopnode compact does not say what became of the files: {done.stderr.strip()}")
    records, data, files = map(int, told.groups())
    return {"records": records, "compacted MB": files / 2**20, "compacted, of its data": files / data}
