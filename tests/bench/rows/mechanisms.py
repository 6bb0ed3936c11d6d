"""What each mechanism costs: the same load with and without it, where there is an honest way to leave it out."""

from harness import load
from harness.case import Case, interleaved
from rows import cost
from subjects.commits import Commits
from subjects.shop import Shop

CLIENTS = 64
ROW = "mechanisms"
LOG = "log, as it is: digests, QUIC with TLS, no copy open"
ORDERS = "orders, 1 node, as shipped"
QUIET = {"SHOPNODE_TELEMETRY__LOG_FILTER": "off", "SHOPNODE_TELEMETRY__SAMPLE_RATIO": "0"}


def run(bench):
    with bench.open(Commits, "log") as log, bench.open(Commits, "log-undigested", 3, ["--undigested"]) as undigested, \
            bench.open(Commits, "log-exporting", 3, ["--exporting"]) as exporting, \
            bench.open(Commits, "log-plain", 3, ["--plain"]) as plain, \
            bench.open(Shop, "shop", 1, bench.skus) as shop, \
            bench.open(Shop, "shop-quiet", 1, bench.skus, QUIET) as quiet:
        cases = [
            _log(LOG, log, None),
            _log("log, without digest", undigested),
            _log("log, with pre-images for an open copy", exporting),
            _log("log, plain TCP for QUIC with TLS", plain),
            _orders(ORDERS, shop, None),
            _orders("orders, 1 node, no logs, nothing sampled", quiet),
        ]
        figures = interleaved(cases, bench.rounds, bench.seconds)
    return figures + _idempotency(bench)


def _log(subject, servers, beside=LOG):
    def operate(seconds):
        return load.run("put", seconds, to=servers.address(servers.leader()), clients=CLIENTS)
    return Case(ROW, subject, CLIENTS, operate, servers.roles, beside)


def _orders(subject, shop, beside=ORDERS):
    def operate(seconds):
        return load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=CLIENTS, skus=shop.skus)
    return Case(ROW, subject, CLIENTS, operate, shop.roles, beside)


def _idempotency(bench):
    """Applying orders alone, on one thread: no client can leave the key out."""
    micros, _ = cost.told(directory=bench.directory)
    remembered, not_remembered = "applying orders, answers remembered", "applying orders, answers not remembered"
    return [cost.figure(remembered, micros["store"], None, row=ROW),
            cost.figure(not_remembered, micros["forgetful"], remembered, row=ROW)]
