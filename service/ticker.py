"""The clock of alerting: what must happen though no run ends.

A dead man's rule fires because nothing happens; pending alerts come of age; silences and windows end; reminders are
due; drills are scheduled. Looks every TICK_S seconds, and writes only when something changed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from alerts.mute import explains
from alerts.types import DrillOutcome, Facts, Flip
from service import alert_facts
from service.alert_facts import Surroundings
from service.alerting import Alerting, Around
from service.log import logger
from service.overdue import last_successes, overdue, under_way
from service.storage import alerts as store
from service.storage import endpoints as endpoint_store
from service.storage.engine import Database
from service.storage.schema import AlertRow
from service.uninterrupted import uninterrupted

TICK_S = 10.0
BATCH = 100
"""So many endpoints are written at a time: runs that end meanwhile need the database as well."""
log = logger()

Rows = Mapping[str, Mapping[str, AlertRow]]
DrillsSeen = Callable[[AsyncSession, datetime], Awaitable[DrillOutcome | None]]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One endpoint, or with id None the installation, and what can be said of it now."""

    endpoint_id: int | None
    facts: Facts


class Ticker:
    """Evaluates what depends on time. `tick()` is one look; `start()` looks for ever."""

    def __init__(
        self,
        *,
        database: Database,
        alerting: Alerting,
        surroundings: Surroundings,
        drills: DrillsSeen,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        also: Callable[[datetime], Awaitable[None]] | None = None,
        flipped: Callable[[Flip], None] = lambda flip: None,
    ) -> None:
        self._database = database
        self._alerting = alerting
        self._surroundings = surroundings
        self._drills = drills
        self._clock = clock
        self._changed = changed
        self._also = also
        self._flipped = flipped
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="alert-clock")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wake(self) -> None:
        """Look at once: a silence was made or ended."""
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await uninterrupted(self.tick())
            except Exception:  # the dead man must not die
                log.exception("alerts cannot be evaluated by the clock", action="tick_failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def tick(self) -> int:
        """One look. Returns how many endpoints (or the installation) had something to be written."""
        now = self._clock()
        async with self._database.read() as session:
            subjects = await self._subjects(session, now)
            rows = await store.by_subject(session)
            around = await self._alerting.around(session, now)
        moved = self._moved(subjects, rows, around)
        for start in range(0, len(moved), BATCH):
            await self._write(moved[start : start + BATCH], now)
        if self._also is not None:
            await self._also(now)
        return len(moved)

    async def _write(self, moved: Sequence[Subject], now: datetime) -> None:
        """Decide again on what is stored now, since a run may have ended in between, and write it."""
        flips: list[Flip] = []
        async with self._database.write() as session:
            for one in moved:
                known = await store.of_subject(session, one.facts.endpoint)
                around = await self._alerting.around(session, now)  # the installation comes first, and mutes
                changes = self._alerting.survey(known, one.facts, around)
                await self._alerting.write(session, one.endpoint_id, changes, one.facts)
                flips += [change.flip for change in changes if change.flip is not None]
        self._changed()
        for flip in flips:
            self._flipped(flip)

    def _moved(self, subjects: Sequence[Subject], rows: Rows, around: Around) -> list[Subject]:
        """Those with something to write. The installation is first: what fires for it mutes the others."""
        found = []
        for one in subjects:
            changes = self._alerting.survey(rows.get(one.facts.endpoint, {}), one.facts, around)
            if any(change.matters for change in changes):
                found.append(one)
            if one.endpoint_id is None:
                firing = frozenset(change.rule.name for change in changes if explains(change.alert))
                around = replace(around, installation=firing)
        return found

    async def _subjects(self, session: AsyncSession, now: datetime) -> list[Subject]:
        drills = await self._drills(session, now)
        here = alert_facts.of_installation(now, surroundings=self._surroundings, drills=drills)
        found = [Subject(endpoint_id=None, facts=here)]
        endpoints = await endpoint_store.all_endpoints(session)
        schedules = await endpoint_store.schedules_of(session, [row.id for row in endpoints])
        successes, skips = await last_successes(session), await self._surroundings.skips(session)
        busy = await under_way(session, now)
        for row in endpoints:
            late = overdue(row, schedules[row.id], successes.get(row.id, {}), now)
            facts = alert_facts.of_clock(
                row, now, overdue=late, skip=skips.get(row.id), offline=here.offline, under_way=row.id in busy
            )
            found.append(Subject(endpoint_id=row.id, facts=facts))
        return found
