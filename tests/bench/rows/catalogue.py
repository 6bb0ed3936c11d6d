"""Reading products through the whole pipeline, beside nginx with a file of the same size."""

import urllib.request

from harness import load
from harness.case import Case, interleaved
from subjects import nginx
from subjects.nginx import Nginx
from subjects.shop import Shop

PACKAGES = nginx.PACKAGES
NGINX = "nginx, one file"
ROW = "catalogue reads"


def run(bench):
    with bench.open(Shop, "shop-1", 1, bench.skus) as one, bench.open(Shop, "shop-3", 3, bench.skus) as three, \
            bench.open(Nginx, "nginx", _page(one)) as files:
        cases = []
        for clients in bench.clients:
            cases += [
                _shop("shopnode, 1 node, one product", one, clients, 1),
                _shop("shopnode, 1 node, all products", one, clients, bench.skus),
                _shop("shopnode, 3 nodes, all products", three, clients, bench.skus),
                Case(ROW, NGINX, clients, _files(files, clients), files.roles),
            ]
        return interleaved(cases, bench.rounds, bench.seconds)


def _page(shop):
    """A product as the shop tells it: what nginx serves."""
    with urllib.request.urlopen(f"http://{shop.addresses()}/store/v1/products/bench-0", timeout=10) as answer:
        return answer.read()


def _shop(subject, shop, clients, skus):
    path = "/store/v1/products/bench-{}" if skus > 1 else "/store/v1/products/bench-0"

    def operate(seconds):
        # With a service client's token, as a shop's front end has one: guests have a rate limit of their own.
        return load.run("get", seconds, to=shop.addresses(), path=path, skus=skus, token=shop.token(), clients=clients)
    return Case(ROW, subject, clients, operate, shop.roles, NGINX)


def _files(server, clients):
    return lambda seconds: load.run("get", seconds, to=f"127.0.0.1:{server.port}", path="/product.json", clients=clients)
