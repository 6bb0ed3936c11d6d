"""The same shop at growing numbers of orders: throughput, start, restart, join, memory, disk."""

import shutil
import time

from harness import load
from harness.case import Case
from subjects.shop import Shop

CLIENTS = 64
#: Placed with one access token, which is good for 15 minutes.
BATCH = 50_000


def run(bench):
    figures = []
    with bench.open(Shop, "shop-growing", 1, bench.skus) as shop:
        placed = 0
        for size in bench.sizes:
            while placed < size:
                placed += place(shop, min(BATCH, size - placed), 3_600)["operations"]
            case = Case("growth", _subject(size), CLIENTS, lambda seconds: place(shop, max(size // 5, 500), seconds),
                        shop.roles, beside=_subject(bench.sizes[0]) if size != bench.sizes[0] else None)
            for _ in range(bench.rounds):
                case.sample(bench.seconds)
                placed += case.samples[-1]["operations"]
            figures.append({**case.figure(), "further": _ends_and_beginnings(shop)})
    return figures


def _subject(size):
    return f"shopnode, 1 node, {size:,} orders"


def place(shop, operations, seconds):
    return load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=CLIENTS, skus=shop.skus,
                    operations=operations)


def _ends_and_beginnings(shop):
    """What takes long when there is much, in seconds; disk in MB."""
    shop.stop(1)
    started = shop.run(1)
    shop.kill(1)
    restarted = shop.run(1)
    began = time.monotonic()
    number = shop.join()
    joined, data = time.monotonic() - began, shop.nodes[number]["data"]
    shop.remove(number)
    shutil.rmtree(data, ignore_errors=True)
    disk = sum(file.stat().st_blocks * 512 for file in shop.nodes[1]["data"].rglob("*") if file.is_file())
    return {"start s": started, "start after kill -9 s": restarted, "join s": joined, "disk MB": disk / 2**20}
