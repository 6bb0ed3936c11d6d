"""What a shop takes before anybody calls: time from an empty directory until it is ready, memory while it rests."""

import statistics
import time

from harness import processes
from subjects.shop import Shop

SUBJECT = "shopnode, 1 node, fresh"
#: Those of the claim, on any machine: a ratio would need a peer that does as much.
MOST_READY_S, MOST_IDLE_MB = 1.0, 100.0


def run(bench):
    ready, start, idle = zip(*(_fresh(bench) for _ in range(bench.rounds)))
    told = figure(ready, start, idle)
    bench.notes += excess(told)
    return [told]


def _fresh(bench):
    with bench.open(Shop, "shop-fresh", 1, 0) as shop:
        # Making the benchmark's client has hashed a secret, which takes memory that a node at rest does not have.
        shop.stop(1)
        start = shop.run(1)
        node = shop.nodes[1]["process"].pid
        processes.forget_peak(node)
        time.sleep(bench.seconds)
        return shop.founded_s, start, processes.peak_mb(node)


def figure(ready, start, idle):
    """Medians of times; of memory the most that it ever was."""
    return {
        "row": "idle", "subject": SUBJECT, "clients": 0, "rounds": len(ready), "measure": "ready_s",
        "ready_s": statistics.median(ready), "range": [min(ready), max(ready)], "beside": None, "more_is_better": False,
        "further": {"start s": statistics.median(start), "idle MB": max(idle)},
    }


def excess(figure):
    ready, idle = figure["ready_s"], figure["further"]["idle MB"]
    if ready > MOST_READY_S:
        yield f"FAILED: idle: {ready:.2f} s from an empty directory until ready, more than {MOST_READY_S:g} s"
    if idle > MOST_IDLE_MB:
        yield f"FAILED: idle: {idle:.1f} MB while nobody calls, more than {MOST_IDLE_MB:g} MB"
