"""Clocks that are told what time it is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@dataclass
class FakeClock:
    """`wall()` and `monotonic()` as a machine has them."""

    now: datetime = START
    seconds: float = 1000.0

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds

    def goes(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds

    def jumps(self, seconds: float) -> None:
        """Somebody sets the wall clock, or (forward) the machine sleeps."""
        self.now += timedelta(seconds=seconds)


class Clock:
    """Call it for the time; set `at`, or let it pass."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)
