"""The rows of the table, in its order."""

from dataclasses import dataclass, field
from typing import Callable

from rows import alongside, catalogue, commits, cost, elections, failover, growth, idle, mechanisms, orders


@dataclass
class Row:
    #: Takes the figures of this row.
    run: Callable
    #: What it needs from Debian: a program, and the package that brings it.
    packages: dict = field(default_factory=dict)
    #: What has to be built for it besides the binary that ships: names of `harness.load.FURTHER`.
    programs: tuple = ()


ROWS = {
    "orders": Row(orders.orders, orders.PACKAGES),
    "flash": Row(orders.flash, orders.PACKAGES),
    "commits": Row(commits.run, commits.PACKAGES, ("commits",)),
    "catalogue": Row(catalogue.run, catalogue.PACKAGES),
    "failover": Row(failover.run, failover.PACKAGES, ("commits",)),
    "elections": Row(elections.run),
    "growth": Row(growth.run),
    "alongside": Row(alongside.run),
    "idle": Row(idle.run),
    "cost": Row(cost.run, programs=("cost",)),
    "mechanisms": Row(mechanisms.run, programs=("commits", "cost")),
}
