"""One subject under one load, measured several times in turn with the others of its row."""

import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

from . import machine, processes


@dataclass
class Case:
    row: str
    subject: str
    clients: int
    #: Puts the load on for so many seconds and returns what the generator told.
    operate: Callable[[float], dict]
    #: The processes of the subject by what they are.
    roles: Callable[[], dict] = dict
    #: The subject of the same row and number of clients that this one is compared with.
    beside: Optional[str] = None
    #: What is compared, and whether more of it is better.
    measure: str = "per_second"
    more_is_better: bool = True
    samples: list = field(default_factory=list)

    def sample(self, seconds):
        roles = self.roles()
        before = {role: processes.usage(pids) for role, pids in roles.items()}
        client_before, busy_before, began = _of_children(), machine.busy_seconds(), time.monotonic()
        told = self.operate(seconds)
        wall, busy, client = time.monotonic() - began, machine.busy_seconds() - busy_before, _of_children() - client_before
        operations = max(told.get("operations") or 0, 1)
        told["cpu_s_per_1000"], told["bytes_per_operation"], told["memory_mb"] = {}, {}, {}
        for role, pids in roles.items():
            cpu, written = (now - then for now, then in zip(processes.usage(pids), before[role]))
            told["cpu_s_per_1000"][role] = cpu / operations * 1e3
            busy -= cpu
            told["bytes_per_operation"][role] = written / operations
            told["memory_mb"][role] = processes.memory_mb(pids)
        told["cpu_s_per_1000"]["client"] = client / operations * 1e3
        # Kernel threads, the row's other subjects, and whoever else is on the machine: what spoils a figure.
        told["others_cores"] = max(0.0, busy - client) / wall
        self.samples.append(told)

    def figure(self):
        """Medians of the samples."""
        figure = {"row": self.row, "subject": self.subject, "clients": self.clients, "rounds": len(self.samples)}
        for name, value in self.samples[0].items():
            values = [sample.get(name) for sample in self.samples]
            figure[name] = _median_by_role(values) if isinstance(value, dict) else _median(values)
        measured = [sample[self.measure] for sample in self.samples if sample.get(self.measure) is not None]
        figure["measure"], figure["range"] = self.measure, [min(measured), max(measured)] if measured else None
        figure["beside"], figure["more_is_better"] = self.beside, self.more_is_better
        return figure


def _of_children():
    times = os.times()
    return times.children_user + times.children_system


def _median(values):
    numbers = [value for value in values if isinstance(value, (int, float))]
    return statistics.median(numbers) if numbers else None


def _median_by_role(values):
    roles = dict.fromkeys(role for value in values for role in value)
    return {role: _median([value.get(role) for value in values]) for role in roles}


def interleaved(cases, rounds, seconds):
    """All cases, so many times: each round begins with another one, so that none always follows the same."""
    for case in cases:
        case.operate(min(seconds, 2.0) / 2)  # warms caches and connections; not counted
    for turn in range(rounds):
        first = turn * len(cases) // rounds
        for case in cases[first:] + cases[:first]:
            case.sample(seconds)
            told = case.samples[-1]
            print(f"  round {turn + 1}: {case.row}, {case.subject}, {case.clients} clients: "
                  f"{told.get(case.measure) or 0:,.1f} {case.measure}", file=sys.stderr, flush=True)
    return [case.figure() for case in cases]
