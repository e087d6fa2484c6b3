"""An outbox in memory, for tests and for trying things out. Forgets everything when the process ends."""

from collections.abc import Collection, Sequence
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
    leased_until: datetime | None = None
    repeat_at: datetime | None = None


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

    async def due(self, now: datetime) -> Collection[str]:
        return {entry.delivery.notifier for entry in self.entries if self._claimable(entry, now)}

    async def claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        claimed: list[Delivery] = []
        for entry in self.entries:
            if entry.delivery.notifier == notifier and len(claimed) < limit and self._claimable(entry, now):
                entry.leased_until = now + self._lease
                claimed.append(entry.delivery)
        return claimed

    def _claimable(self, entry: Entry, now: datetime) -> bool:
        lane = [other for other in self.entries if other.delivery.lane == entry.delivery.lane]
        place = next(index for index, other in enumerate(lane) if other is entry)
        if any(other.leased_until is not None and other.leased_until >= now for other in lane):
            return False
        if entry.state is EntryState.DELIVERED:
            due = entry.repeat_at is not None and entry.repeat_at <= now
            return due and not any(_ends_repeats(entry, newer, now) for newer in lane[place + 1 :])
        first = all(other.state is not EntryState.WAITING for other in lane[:place])
        return entry.state is EntryState.WAITING and entry.next_at <= now and first

    async def delivered(self, delivery: Delivery, now: datetime, repeat_at: datetime | None = None) -> None:
        entry = self.entry(delivery)
        entry.state, entry.next_at, entry.error = EntryState.DELIVERED, now, None
        entry.leased_until, entry.repeat_at = None, repeat_at
        entry.delivery = replace(entry.delivery, attempt=entry.delivery.attempt + 1, delivered_at=now)

    async def repeated(self, delivery: Delivery, repeat_at: datetime | None, error: str | None = None) -> None:
        entry = self.entry(delivery)
        entry.leased_until, entry.repeat_at, entry.error = None, repeat_at, error

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        entry = self.entry(delivery)
        entry.delivery = replace(entry.delivery, attempt=entry.delivery.attempt + 1)
        entry.next_at, entry.error, entry.leased_until = next_at, error, None

    async def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
        entry = self.entry(delivery)
        entry.state, entry.error, entry.next_at, entry.leased_until = EntryState.DEAD, error, now, None


def _ends_repeats(entry: Entry, newer: Entry, now: datetime) -> bool:
    """Whether `newer` has arrived, is to go now, or says otherwise. (None of the lane is under way.)"""
    goes = newer.state is EntryState.WAITING and newer.next_at <= now
    differs = newer.delivery.notice.status is not entry.delivery.notice.status
    return newer.state is EntryState.DELIVERED or goes or differs
