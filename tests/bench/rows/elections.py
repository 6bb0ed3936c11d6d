"""Whether full load makes followers believe that their leader is gone: minutes of it, and the term before and after."""

import re

from harness import load
from harness.case import Case
from subjects.shop import Shop

CLIENTS = 64
#: What nodes log of a lead that moves, or is about to.
TOLD = re.compile(r"the lead|as leader|stepped aside|step aside|another leader|is leader|elect", re.IGNORECASE)
MOST_LINES = 20


def run(bench):
    figures = []
    for profile in ("lan", "fast"):
        with bench.open(Shop, f"shop-{profile}", 3, bench.skus, {"SHOPNODE_RAFT__PROFILE": profile}) as shop:
            case = Case("elections", f"shopnode, 3 nodes, profile {profile}, {bench.soak_seconds:g} s of orders", CLIENTS,
                        _operate(shop), shop.roles, measure="elections", more_is_better=False)
            case.sample(bench.soak_seconds)
            figures.append({**case.figure(), "further": {"handed over": case.samples[0]["handed_over"]}})
            bench.notes += excess(figures[-1])
            if figures[-1]["elections"]:
                bench.notes += _logged(shop)
    return figures


def excess(figure):
    if figure["elections"]:
        yield (f"FAILED: elections: {figure['subject']}: {figure['elections']:g} that nobody wanted, "
               f"beside {figure['handed_over']:g} leads that were handed over")


def _operate(shop):
    def operate(seconds):
        term, handed_over = _moves(shop)
        told = load.run("orders", seconds, to=shop.addresses(), token=shop.token(), clients=CLIENTS, skus=shop.skus)
        term_after, handed_over_after = _moves(shop)
        handed_over = handed_over_after - handed_over
        return {**told, "elections": term_after - term - handed_over, "handed_over": handed_over}
    return operate


def _moves(shop):
    """The term, and by how much it has grown because leaders gave the lead away: to compact their files, for one thing."""
    given = sum(shop.metric(number, "shopnode_raft_leader_transfers_total") for number in shop.nodes)
    return shop.view()["term"], given


def _logged(shop):
    for node in shop.nodes.values():
        with open(node["process"].log, errors="replace") as log:
            lines = [line.strip() for line in log if TOLD.search(line)]
        yield from (f"elections: node {node['http']}: {line[:300]}" for line in lines[-MOST_LINES:])
