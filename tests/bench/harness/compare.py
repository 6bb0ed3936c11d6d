"""Ratios between subjects of one run: they move less from machine to machine than seconds do."""

import json

from .table import key

#: A ratio that fell to this share of the stored one has halved, as far as a noisy machine tells.
HALVED = 0.6


def ratios(figures):
    """How many times better each figure is than the one it stands beside; above 1 is better."""
    by_key = {key(figure): figure for figure in figures}
    found = {}
    for figure in figures:
        if not figure.get("beside"):
            continue
        other = by_key.get(key({**figure, "subject": figure["beside"]}))
        ours = figure.get(figure["measure"])
        theirs = other and other.get(other["measure"])
        if ours and theirs:
            found[key(figure)] = ours / theirs if figure["more_is_better"] else theirs / ours
    return found


def store(path, result):
    kept = {"note": "ratios of one run, higher is better; made by tests/bench/run --store",
            "machine": result["machine"]["processors"], "commit": result["commit"],
            "ratios": {name: round(value, 3) for name, value in sorted(result["ratios"].items())}}
    path.write_text(json.dumps(kept, indent=2) + "\n")


def halved(path, now):
    """How many ratios both have, and those that fell to half of what is stored, each as a line."""
    stored = json.loads(path.read_text())["ratios"]
    shared = [(name, stored[name], now[name]) for name in sorted(stored.keys() & now.keys())]
    lines = [f"{name}: {then:.2f} x before, {here:.2f} x now" for name, then, here in shared if here <= then * HALVED]
    return len(shared), lines
