"""Orders of three lines of many SKUs, and the flash sale: one SKU, one line."""

from harness.case import Case, interleaved
from harness import load
from subjects import postgres
from subjects.postgres import Postgres
from subjects.shop import Shop

PACKAGES = postgres.PACKAGES
FLASH = {"skus": 1, "lines": 1}


def orders(bench):
    with bench.open(Shop, "shop-1", 1, bench.skus) as one, bench.open(Shop, "shop-3", 3, bench.skus) as three, \
            bench.open(Postgres, "postgres-1", 0, bench.skus) as alone, \
            bench.open(Postgres, "postgres-3", 2, bench.skus) as replicated:
        cases = []
        for clients in bench.clients:
            cases += [
                _shop("orders", "shopnode, 1 node", one, clients, "PostgreSQL alone"),
                _shop("orders", "shopnode, 3 nodes", three, clients, "PostgreSQL, 2 synchronous standbys"),
                _postgres("orders", "PostgreSQL alone", alone, clients, "orders"),
                _postgres("orders", "PostgreSQL, 2 synchronous standbys", replicated, clients, "orders"),
            ]
        cases += [
            _postgres("orders", "PostgreSQL, 2 synchronous standbys, single statements", replicated, clients, "statements")
            for clients in bench.some_clients
        ]
        return interleaved(cases, bench.rounds, bench.seconds)


def flash(bench):
    with bench.open(Shop, "shop-1", 1, 10) as one, bench.open(Shop, "shop-3", 3, 10) as three, \
            bench.open(Postgres, "postgres-1", 0, 10) as alone, \
            bench.open(Postgres, "postgres-3", 2, 10) as replicated:
        alone.pool()
        replicated.pool()
        cases = []
        for clients in bench.clients:
            cases += [
                _shop("flash sale", "shopnode, 1 node", one, clients, "PostgreSQL alone, pgbouncer", FLASH),
                _shop("flash sale", "shopnode, 3 nodes", three, clients,
                      "PostgreSQL, 2 synchronous standbys, pgbouncer", FLASH),
                _postgres("flash sale", "PostgreSQL alone, pgbouncer", alone, clients, "flash", True),
                _postgres("flash sale", "PostgreSQL, 2 synchronous standbys, pgbouncer", replicated, clients, "flash", True),
            ]
        cases += [
            _postgres("flash sale", "PostgreSQL, 2 synchronous standbys", replicated, clients, "flash")
            for clients in bench.clients
        ]
        return interleaved(cases, bench.rounds, bench.seconds)


def _shop(row, subject, shop, clients, beside, options=None):
    def operate(seconds):
        wanted = {"skus": shop.skus, "lines": 3, **(options or {})}
        return load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=clients, **wanted)
    return Case(row, subject, clients, operate, shop.roles, beside)


def _postgres(row, subject, server, clients, script, pooled=False):
    return Case(row, subject, clients, lambda seconds: server.load(script, clients, seconds, pooled), server.roles)
