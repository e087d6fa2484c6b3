"""How far runs are, how fast, and how long they will take: read from the database, told to the bus."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import OperationalError

from alerts.types import Flip
from service.api import present
from service.events import Events
from service.log import logger
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, FlipRow, RunRow
from service.uninterrupted import uninterrupted

TELL_S = 0.4
"""At the most so often is progress told."""
WATCH_S = 1.0
"""So often runs under way are looked at although nothing was said: their worker may be another process."""
IDLE_S = 5.0
WINDOW_S = 30.0
"""The rate is that of the last so many seconds."""
LEAST_S = 1.0
"""A rate over less than this would be chance."""
MARGIN = timedelta(minutes=2)
"""A run is new when its id is not older than the last look by more than this; what was told is not told again."""
REMEMBERED = 10_000
"""So many runs whose end was told are remembered: a clock that is set back shows them again."""
log = logger()


class Pace:
    """Answers a second over a recent window."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, answered: int) -> None:
        now = self._clock()
        self._seen.append((now, answered))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()

    def rate(self) -> float | None:
        """Per second; None until it is known."""
        if not self._seen:
            return None
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last - first >= LEAST_S else None


class Progress:
    """Follows the runs that are under way. `changed()` says that it is worth a look."""

    def __init__(
        self,
        *,
        database: Database,
        events: Events,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._events = events
        self._clock = clock
        self._monotonic = monotonic
        self._paces: dict[str, tuple[str, Pace]] = {}  # by run: the lease that it goes under, and its pace
        self._told: dict[str, tuple[Any, ...]] = {}  # runs that are not over, with what was told of them last
        self._over: dict[str, None] = {}  # runs whose end was told, oldest first
        self._since: datetime | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        self._wake.set()

    def of(self, row: RunRow) -> dict[str, Any]:
        """What the API shows: answered, total, rate_per_s and eta_s (None until they are known)."""
        pace = self._paces.get(row.id)
        rate = pace[1].rate() if pace is not None and row.state == "running" else None
        left = max(row.total - row.answered, 0)
        return {
            "answered": row.answered,
            "total": row.total,
            "rate_per_s": None if rate is None else round(rate, 2),
            "eta_s": round(left / rate, 1) if rate else None,
        }

    async def start(self) -> None:
        """What was over before is not told."""
        async with self._database.read() as session:
            recent = select(RunRow.id).where(self._new(self._clock()), RunRow.state.in_(run_store.FINISHED))
            self._over = dict.fromkeys((await session.scalars(recent)).all())
        self._since = self._clock()
        self._task = asyncio.create_task(self._follow(), name="progress")

    async def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def look(self) -> None:
        """Read once, and tell what is new."""
        now = self._clock()
        async with self._database.read() as session:
            known = [*self._told]
            query = (
                select(RunRow, EndpointRow.name)
                .join(EndpointRow)
                .where(
                    or_(
                        RunRow.state.in_(("queued", "running")),
                        RunRow.id.in_(known),
                        self._new(min(now, self._since or now)),
                    )
                )
                .order_by(RunRow.finished_at, RunRow.id)
            )
            rows = [(run, name) for run, name in (await session.execute(query)).all() if run.id not in self._over]
            ended = [run for run, _name in rows if run.state in run_store.FINISHED]
            flips = await _flips(session, ended)
        for run, name in rows:
            self._tell(run, name, flips.get(run.id, ()))
        found = {run.id for run, _name in rows}
        for gone in [run_id for run_id in self._told if run_id not in found]:  # its endpoint was deleted
            self._forget(gone)
        self._since = now
        while len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]

    @staticmethod
    def _new(since: datetime) -> Any:
        return RunRow.id > run_store.run_id(since - MARGIN)[:12]

    def _tell(self, run: RunRow, endpoint: str, flips: Sequence[FlipRow]) -> None:
        over = run.state in run_store.FINISHED
        if run.state == "running":
            lease, pace = self._paces.get(run.id, ("", Pace(self._monotonic)))
            if lease != run.lease:  # taken up (again): what was before says nothing of the pace
                lease, pace = run.lease or "", Pace(self._monotonic)
            pace.saw(run.answered)
            self._paces[run.id] = (lease, pace)
        else:
            self._paces.pop(run.id, None)
        says = (run.state, run.paused, run.answered, run.requests)
        if self._told.get(run.id) != says:
            self._told[run.id] = says
            self._events.publish("progress", self._progress(run, endpoint))
        if over:
            for flip in flips:
                self._events.publish("flip", _flip(flip, endpoint))
            if run.state != "cancelled":  # the last that is told of a run
                self._events.publish("verdict", _verdict(run, endpoint))
            self._forget(run.id)
            self._over[run.id] = None

    def _forget(self, run_id: str) -> None:
        self._told.pop(run_id, None)
        self._paces.pop(run_id, None)

    def _progress(self, run: RunRow, endpoint: str) -> dict[str, Any]:
        return {
            "run": run.id, "endpoint": endpoint, "plan": run.plan, "state": run.state, "paused": run.paused,
            "progress": self.of(run), "usage": present.run(run, endpoint, (), {})["usage"],
        }  # fmt: skip

    async def _follow(self) -> None:
        while not self._stopping:
            try:
                await uninterrupted(self.look())
            except OperationalError:
                pass  # the database says so itself, and is tried again soon
            except Exception:
                log.exception("progress cannot be read", action="progress_failed")
            await asyncio.sleep(TELL_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), WATCH_S if self._told else IDLE_S)
            self._wake.clear()


async def _flips(session: Any, ended: Sequence[RunRow]) -> Mapping[str, list[FlipRow]]:
    """The flips that the end of each run caused: they are written in the same transaction."""
    found: dict[str, list[FlipRow]] = {}
    for run in ended:
        query = select(FlipRow).where(FlipRow.endpoint_id == run.endpoint_id, FlipRow.run_id == run.id)
        found[run.id] = list((await session.scalars(query.order_by(FlipRow.rule))).all())
    return found


def _verdict(run: RunRow, endpoint: str) -> dict[str, Any]:
    shown = present.run_summary(run, endpoint)
    names = ("endpoint", "plan", "state", "finished_at", "verdict", "because", "persona", "event", "purpose", "problem")
    arms = (run.comparison or {}).get("arms", {})
    return {
        "run": run.id, **{name: shown[name] for name in names},
        "drift": {arm: values.get("drift") for arm, values in arms.items()},
    }  # fmt: skip


def clock_flip(flip: Flip) -> dict[str, Any]:
    """A flip that no run has caused, as it is told; without an endpoint it is about the installation."""
    return {
        "flip": flip.id, "run": None, "endpoint": flip.endpoint or None, "rule": flip.rule,
        "severity": str(flip.severity), "before": str(flip.before), "after": str(flip.after),
        "at": present.time(flip.at),
    }  # fmt: skip


def _flip(flip: FlipRow, endpoint: str) -> dict[str, Any]:
    return {
        "flip": flip.id, "run": flip.run_id, "endpoint": endpoint, "rule": flip.rule, "severity": flip.severity,
        "before": flip.before, "after": flip.after, "at": present.time(flip.at),
    }  # fmt: skip
