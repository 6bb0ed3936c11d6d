"""How quick commits are while a node joins, files are compacted or a backup is made: arrivals at a fixed rate, with and without it.

What is large is done at the side of selling, so buyers must not feel it: see [`limited`].
"""

import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import load, processes
from harness.case import Case
from rows.growth import BATCH, CLIENTS, place
from subjects.shop import Shop

#: Of what the shop can do at most.
SHARE = 0.1
#: The most connections: a tenth of the maximum needs few, and a second's stall some hundreds.
CONNECTIONS = 256
#: One access token is good for 15 minutes; what takes longer is under several loads, one after the other.
LEG_SECONDS = 600
#: The load is on before what is measured begins, and is not ended before it is on.
AHEAD_SECONDS = 0.5
#: What takes longer is not waited for.
WITHIN_SECONDS = 3_600
#: A node that lags by fewer entries has caught up: under load some are always on their way.
LAG = 100
#: What a node may take more than before, however much is in the state: 16 MiB of pre-images and the first key of each 64 KiB
#: behind them, 16 MiB that are written at once, caches that fill up meanwhile, and what the allocator keeps of it all.
MORE_MB = 256


def run(bench):
    # Compaction by size would begin by itself, at a moment that nobody chose.
    environment = {"SHOPNODE_STORAGE__COMPACT_RATIO": "0"}
    with tempfile.TemporaryDirectory(dir=bench.directory) as name:
        passphrase = Path(name) / "passphrase"
        passphrase.touch(0o600)
        passphrase.write_text("correct horse battery staple\n")
        environment["SHOPNODE_BACKUP__PASSPHRASE_FILE"] = str(passphrase)
        environment["SHOPNODE_BACKUP__DIRECTORY"] = f"{name}/backups"
        with bench.open(Shop, "shop-alongside", 1, bench.skus, environment) as shop:
            placed = 0
            while placed < bench.orders:
                placed += place(shop, min(BATCH, bench.orders - placed), WITHIN_SECONDS)["operations"]
            figures = []
            # And how many engines the node that does the work has open.
            for steps in ({"2nd node joins": (_join, 1), "3rd node joins": (_join_as_voter, 1)},
                          {"follower compacts": (_compact_follower, 2),
                           "leader hands over and compacts": (_compact_leader, 2),
                           "leader makes a backup": (_back_up, 1)}):
                figures += _steps(bench, shop, steps)
            return figures


def _steps(bench, shop, steps):
    """The most that the shop can do with the nodes that it has now, and each step under a share of that."""
    fastest = Case("alongside", f"{_subject(bench, shop)}, closed loop", CLIENTS,
                   lambda seconds: place(shop, max(bench.orders // 5, 500), seconds), shop.roles)
    fastest.sample(bench.seconds)
    rate = fastest.samples[0]["per_second"] * SHARE
    figures = [fastest.figure()]
    for what, (step, engines) in steps.items():
        # Each time anew: the shop has grown, and perhaps has a node more.
        subject = _subject(bench, shop)
        try:
            usual = _figure(f"{subject}, before: {what}", shop, rate, lambda _: time.sleep(bench.seconds), bench.rounds)
            figures.append(usual)
            leader = shop.leader()
            meanwhile = limited(_figure(f"{subject}, {what}", shop, rate, step), usual, leader, engines)
            figures.append(meanwhile)
            bench.notes += excess(meanwhile)
            print(f"  {what}: {meanwhile['took_s']:,.1f} s, p99 {meanwhile['p99_ms']:,.1f} ms of {meanwhile['limit_ms']:,.1f}",
                  file=sys.stderr, flush=True)
        except (RuntimeError, OSError) as error:
            # What can still be measured is worth having.
            bench.notes.append(f"FAILED: alongside: {what}: {error}")
    return figures


def _subject(bench, shop):
    return f"shopnode, {len(shop.nodes)} node{'s' if len(shop.nodes) > 1 else ''}, {bench.orders:,} orders"


def limited(figure, usual, leader, engines):
    """At most twice as slow as usual; but who is that quick may be slower, because nobody notices. And no more memory than
    each node had under the same load just before, for each engine that it has open, and [`MORE_MB`]; a node that is new
    has none before, and is held against the leader, which gives it the state."""
    before, limits = usual["peaks_mb"], {}
    for number in figure["peaks_mb"]:
        times = engines if number == figure["worker"] else 1
        limits[number] = times * before.get(number, before[leader]) + MORE_MB
    return {**figure, "limit_ms": max(2 * usual["p99_ms"], 50.0), "limits_mb": limits}


def excess(figure):
    failed = f"FAILED: alongside: {figure['subject']}:"
    if figure["p99_ms"] > figure["limit_ms"]:
        yield f"{failed} p99 is {figure['p99_ms']:.1f} ms, more than {figure['limit_ms']:.1f} ms"
    for number, peak in figure["peaks_mb"].items():
        if peak > figure["limits_mb"][number]:
            what = "the node that does the work" if number == figure["worker"] else f"node {number}"
            yield f"{failed} {what} took {peak:.0f} MB, more than {figure['limits_mb'][number]:.0f} MB"


def _figure(subject, shop, rate, step, rounds=1):
    """Sells at `rate` as long as `step` takes, which returns the number of the node that does the work, if one does."""
    nodes = len(shop.nodes)
    case = Case("alongside", subject, 0, lambda _: _meanwhile(shop, rate, step), shop.roles)
    for _ in range(rounds):
        case.sample(0)
    figure = case.figure()
    if len(shop.nodes) > nodes:
        # The new node's time is in nobody's account, and would pass for that of others on the machine.
        figure["others_cores"] = None
    figure["further"] = {"took s": figure["took_s"], "orders": figure["operations"], "max ms": figure["max_ms"],
                         "sent late": figure["late"], **_peaks(figure["peaks_mb"], figure["worker"])}
    return figure


def _meanwhile(shop, rate, step):
    for node in shop.nodes.values():
        processes.forget_peak(node["process"].pid)
    stop = threading.Event()
    # The load is what has a thread of its own: nodes end with the thread that started them.
    with ThreadPoolExecutor(1) as pool:
        selling = pool.submit(_sell, shop, shop.addresses(), rate, stop)
        try:
            time.sleep(AHEAD_SECONDS)
            began = time.monotonic()
            worker = step(shop)
            took = time.monotonic() - began
        finally:
            stop.set()
        told = together(selling.result())
    if not told["operations"]:
        raise RuntimeError("not one order was placed meanwhile")
    peaks = {number: processes.peak_mb(node["process"].pid) for number, node in shop.nodes.items()}
    return {**told, "took_s": took, "worker": worker, "peaks_mb": peaks}


def _sell(shop, to, rate, stop):
    legs = []
    while not stop.is_set():
        process = load.start("orders", LEG_SECONDS + 60, to=to, token=shop.token(), skus=shop.skus, rate=rate,
                             clients=CONNECTIONS)
        time.sleep(AHEAD_SECONDS)
        stop.wait(LEG_SECONDS)
        process.terminate()
        legs.append(load.finish(process, within=120))
    return legs


def together(legs):
    """Of loads that followed each other: all operations, and of times the worst, so that a long calm hides nothing."""
    told = {name: sum(leg[name] for leg in legs) for name in ("operations", "seconds", "late")}
    told["per_second"] = told["operations"] / told["seconds"]
    for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms"):
        told[name] = max((leg[name] for leg in legs if leg[name] is not None), default=None)
    return told


def _peaks(peaks, worker):
    own = {"peak MB of that node": peaks[worker]} if worker else {}
    others = max((peak for number, peak in peaks.items() if number != worker), default=None)
    return {**own, "peak MB of others" if own else "peak MB": others}


# -- what is done meanwhile

def _join(shop):
    number = shop.join(WITHIN_SECONDS)
    own = shop.id_of(number)
    processes.until("a node to catch up", lambda: any(
        node["id"] == own and node["role"] != "joining" and not node["unready"] and node["lag"] <= LAG
        for node in shop.view()["nodes"]), WITHIN_SECONDS, pause=0.1)
    return number


def _join_as_voter(shop):
    """A second node stays a learner; with the third both begin to vote."""
    number = _join(shop)
    shop.voters(3, WITHIN_SECONDS)
    return number


def _compact_follower(shop):
    leader = shop.leader()
    return _compact(shop, next((number for number in shop.nodes if number != leader), leader))


def _compact_leader(shop):
    return _compact(shop, shop.leader())


def _compact(shop, number):
    def done():
        return shop.metric(number, 'shopnode_compactions_total{result="done"}')
    before = done()
    shop.call("POST", f"/admin/v1/cluster/nodes/{shop.id_of(number)}/compact", {})
    processes.until("a compaction", lambda: done() > before, WITHIN_SECONDS, pause=0.1)
    return number


def _back_up(shop):
    number = shop.leader()
    node = shop.nodes[number]
    job = shop.call("POST", "/admin/v1/backups", {}, at=node)["id"]

    def ended():
        job_now = shop.call("GET", f"/admin/v1/jobs/{job}", at=node)
        return job_now if job_now["status"] != "running" else None
    made = processes.until("a backup", ended, WITHIN_SECONDS, pause=0.1)
    if made["status"] != "completed":
        raise RuntimeError(f"the backup: {made['detail']}")
    return number
