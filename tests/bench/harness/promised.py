"""The ratios that shopnode promises. A run that measures less says so, and fails."""

from .table import key

ONE, THREE = "shopnode, 1 node", "shopnode, 3 nodes"
#: By the table's key of a figure; those that a run has not measured are not looked at.
LEAST = {
    f"orders / {ONE} / 1": 0.5,
    f"orders / {ONE} / 64": 1.2,
    f"orders / {THREE} / 64": 1.0,
    f"flash sale / {ONE} / 64": 3.0,
    f"flash sale / {THREE} / 64": 3.0,
    "raw commits / shopnode's log, 3 nodes / 64": 2.5,
    f"catalogue reads / {ONE}, one product / 64": 0.3,
    f"catalogue reads / {ONE}, all products / 64": 0.3,
    f"catalogue reads / {THREE}, all products / 64": 0.3,
}
#: Of these p99 is no worse than that of what stands beside it.
NO_LATER = [f"orders / {THREE} / 64"]


def missed(figures, ratios):
    """What the figures of one run do not hold, each as a note."""
    for name, least in LEAST.items():
        if name in ratios and ratios[name] < least:
            yield f"FAILED: {name}: {ratios[name]:.2f} times what stands beside it, promised are {least:g}"
    by_key = {key(figure): figure for figure in figures}
    for name in NO_LATER:
        ours = by_key.get(name)
        theirs = ours and by_key.get(key({**ours, "subject": ours["beside"]}))
        if theirs and ours["p99_ms"] > theirs["p99_ms"]:
            yield f"FAILED: {name}: p99 is {ours['p99_ms']:.1f} ms, that of what stands beside it {theirs['p99_ms']:.1f} ms"
