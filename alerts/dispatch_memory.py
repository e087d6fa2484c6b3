"""An outbox in memory, for tests and for trying things out. Forgets everything when the process ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.dispatch import MIN_LEASE_S, Delivery
from alerts.types import Notice


class EntryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(kw_only=True)
class Entry:
    """One delivery and how it fares."""

    delivery: Delivery
    next_at: datetime
    state: EntryState = EntryState.WAITING
    error: str | None = None


class MemoryOutbox:
    """Keeps the promises of `Outbox`. `entries` is open to look at, in the order they were added."""

    def __init__(self, *, lease_s: float = MIN_LEASE_S) -> None:
        self.entries: list[Entry] = []
        self._lease = timedelta(seconds=lease_s)

    def add(self, notifier: str, notice: Notice, at: datetime) -> Delivery:
        """Put one notice in for one notifier, due at `at`."""
        delivery = Delivery(id=str(len(self.entries)), notifier=notifier, notice=notice)
        self.entries.append(Entry(delivery=delivery, next_at=at))
        return delivery

    def entry(self, delivery: Delivery) -> Entry:
        return self.entries[int(delivery.id)]

    async def claim(self, now: datetime) -> Sequence[Delivery]:
        blocked: set[tuple[str, str, str]] = set()
        claimed: list[Delivery] = []
        for entry in self.entries:
            if entry.state is not EntryState.WAITING or entry.delivery.lane in blocked:
                continue
            if entry.next_at > now:
                blocked.add(entry.delivery.lane)
                continue
            entry.next_at = now + self._lease
            claimed.append(entry.delivery)
        return claimed

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        entry = self.entry(delivery)
        entry.state, entry.next_at = EntryState.DELIVERED, now

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        entry = self.entry(delivery)
        entry.delivery = replace(entry.delivery, attempt=entry.delivery.attempt + 1)
        entry.next_at, entry.error = next_at, error

    async def dead(self, delivery: Delivery, error: str) -> None:
        entry = self.entry(delivery)
        entry.state, entry.error = EntryState.DEAD, error
