"""What happens, told to whoever listens: run progress, verdicts, flips. Publishing waits for nobody."""

import asyncio
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["progress", "verdict", "flip"]
KINDS: Final[tuple[Kind, ...]] = ("progress", "verdict", "flip")
KEPT: Final = {"progress": 200, "verdict": 1000, "flip": 1000}
"""Events of a kind that are kept: for readers that come back, and for each reader that is slow. Beyond that the oldest
go, and the reader is told."""
LAGGED = "lagged"
RESYNC = "GET /api/v1/runs and GET /api/v1/alerts tell what holds now"


class TooManyStreamsError(Exception):
    """As many readers as the settings allow are here already."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """`number` counts the events of this process; `data` names its `endpoint` and `run`."""

    number: int
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a reader asked for; an empty choice is all of it."""

    kinds: frozenset[str] = frozenset()
    endpoint: str | None = None
    run: str | None = None

    def takes(self, event: Event) -> bool:
        return (
            (not self.kinds or event.kind in self.kinds)
            and self.endpoint in (None, event.data.get("endpoint"))
            and self.run in (None, event.data.get("run"))
        )


@dataclass(kw_only=True)
class _Lost:
    """How many events of each kind a reader missed. None: unknown."""

    counts: dict[str, int] = field(default_factory=dict)
    unknown: bool = False

    def add(self, kind: str, count: int = 1) -> None:
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count

    def __bool__(self) -> bool:
        return self.unknown or bool(self.counts)


class Subscription:
    """One reader's queue. `take` gives what is there; `closed` when there will be no more."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._waiting: dict[str, deque[Event]] = {kind: deque() for kind in KINDS}
        self._lost = _Lost()
        self._last = 0
        self._wake = asyncio.Event()
        self.closed = False

    def offer(self, event: Event) -> None:
        if self.closed or not self._wanted.takes(event):
            return
        queue = self._waiting[event.kind]
        queue.append(event)
        if len(queue) > KEPT[event.kind]:
            queue.popleft()
            self._lost.add(event.kind)
        self._wake.set()

    def missed(self, *, unknown: bool = False, counts: Mapping[str, int] | None = None) -> None:
        """Tell the reader that it has missed something, before anything else."""
        self._lost.unknown = self._lost.unknown or unknown
        for kind, count in (counts or {}).items():
            self._lost.add(kind, count)
        self._wake.set()

    def close(self) -> None:
        self.closed = True
        self._wake.set()

    async def take(self, timeout_s: float) -> list[Event]:
        """What has come, in order, within `timeout_s`; empty when nothing has. `lagged` stands before what was kept."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return []
        self._wake.clear()
        found = sorted((one for queue in self._waiting.values() for one in queue), key=lambda one: one.number)
        for queue in self._waiting.values():
            queue.clear()
        if self._lost:
            # numbered as the last one that was sent: coming back after it, the reader is told again
            missed = None if self._lost.unknown else dict(self._lost.counts)
            found.insert(0, Event(number=self._last, kind=LAGGED, data={"missed": missed, "resync": RESYNC}))
            self._lost = _Lost()
        if found:
            self._last = found[-1].number
        return found


class Events:
    """The bus of this process. A history of bounded length lets readers come back where they were."""

    def __init__(self, *, max_streams: int) -> None:
        self._max_streams = max_streams
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._history: dict[str, deque[Event]] = {kind: deque() for kind in KINDS}
        self._forgotten: dict[str, int] = dict.fromkeys(KINDS, 0)  # number of the newest that history has dropped
        self._readers: set[Subscription] = set()
        self._closed = False

    @property
    def streams(self) -> int:
        return len(self._readers)

    def publish(self, kind: Kind, data: Mapping[str, Any]) -> None:
        """Hand an event to every reader that wants it. `data` names its `endpoint` and `run`."""
        self._number += 1
        event = Event(number=self._number, kind=kind, data=data)
        history = self._history[kind]
        history.append(event)
        if len(history) > KEPT[kind]:
            self._forgotten[kind] = history.popleft().number
        for reader in self._readers:
            reader.offer(event)

    def subscribe(self, wanted: Wanted, last_id: str | None = None) -> Subscription:
        """A new reader; with `last_id`, what came after that event comes first. Raises TooManyStreamsError."""
        if len(self._readers) >= self._max_streams:
            raise TooManyStreamsError(f"{self._max_streams} event streams are open")
        reader = Subscription(wanted)
        if last_id is not None:
            self._catch_up(reader, last_id)
        self._readers.add(reader)
        if self._closed:
            reader.close()
        return reader

    def leave(self, reader: Subscription) -> None:
        reader.close()
        self._readers.discard(reader)

    def close(self) -> None:
        """End all streams: the process stops."""
        self._closed = True
        for reader in self._readers:
            reader.close()

    def id_of(self, event: Event) -> str:
        """The id that a reader comes back with. It names the process: another one counts anew."""
        return f"{self._epoch}-{event.number}"

    def _catch_up(self, reader: Subscription, last_id: str) -> None:
        epoch, _, number = last_id.partition("-")
        if epoch != self._epoch or not number.isdecimal():
            reader.missed(unknown=True)
            return
        seen = int(number)
        # only the latest progress matters: what history has dropped of it is no loss
        if any(self._forgotten[kind] > seen for kind in KINDS if kind != "progress"):
            reader.missed(unknown=True)
        for event in sorted(self._kept(), key=lambda one: one.number):
            if event.number > seen:
                reader.offer(event)

    def _kept(self) -> Iterable[Event]:
        for history in self._history.values():
            yield from history
