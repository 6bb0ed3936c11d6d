"""Whether full load makes followers believe that their leader is gone: minutes of it, and the term before and after."""

from harness import load
from harness.case import Case
from subjects.shop import Shop

CLIENTS = 64


def run(bench):
    figures = []
    for profile in ("lan", "fast"):
        with bench.open(Shop, f"shop-{profile}", 3, bench.skus, {"SHOPNODE_RAFT__PROFILE": profile}) as shop:
            case = Case("elections", f"shopnode, 3 nodes, profile {profile}, {bench.soak_seconds:g} s of orders", CLIENTS,
                        _operate(shop), shop.roles, measure="elections", more_is_better=False)
            case.sample(bench.soak_seconds)
            figures.append(case.figure())
    return figures


def _operate(shop):
    def operate(seconds):
        before = shop.view()["term"]
        told = load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=CLIENTS, skus=shop.skus)
        return {**told, "elections": shop.view()["term"] - before}
    return operate
