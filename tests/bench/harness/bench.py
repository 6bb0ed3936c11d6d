"""How much is measured, and where."""

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Bench:
    directory: Path
    rounds: int = 3
    seconds: float = 8.0
    #: Clients at once; `some_clients` where fewer numbers tell as much.
    clients: list = field(default_factory=lambda: [1, 16, 64, 256])
    some_clients: list = field(default_factory=lambda: [16, 64])
    skus: int = 10_000
    #: Orders in the shop at which growth is looked at.
    sizes: list = field(default_factory=lambda: [10_000, 100_000, 1_000_000])
    #: How many a round places there at least. Fewer, however small the shop, would be over before any of them is brought into
    #: the files, and be compared with rounds in which that goes on all the time.
    round_orders: int = 20_000
    #: Orders in the shop in which much is done while it sells.
    orders: int = 1_000_000
    #: Times that a leader is killed.
    kills: int = 7
    #: How long a shop is under full load that nobody disturbs; below the 15 minutes of an access token.
    soak_seconds: float = 600.0
    #: What has to be said below the table.
    notes: list = field(default_factory=list)
    opened: int = 0

    @classmethod
    def quick(cls, directory):
        """A few minutes."""
        return cls(directory, seconds=2.0, clients=[1, 64], some_clients=[64], sizes=[2_000, 10_000], orders=10_000,
                   round_orders=2_000, kills=3, soak_seconds=20.0)

    @classmethod
    def smoke(cls, directory):
        """Whether every row produces figures; what they are tells nothing."""
        return cls(directory, rounds=1, seconds=1.0, clients=[4], some_clients=[4], skus=20, sizes=[50, 100], orders=50,
                   round_orders=500, kills=1, soak_seconds=2.0)

    @contextlib.contextmanager
    def open(self, kind, name, *arguments, **options):
        """A subject in a directory of its own, which goes with it."""
        self.opened += 1
        directory = self.directory / f"{self.opened}-{name}"
        subject = kind.__new__(kind)
        try:
            subject.__init__(directory, *arguments, **options)
            yield subject
        finally:
            subject.close()
            shutil.rmtree(directory, ignore_errors=True)
