"""Turns what is due into queued runs, and records what became of every slot.

Our tables say what is due; APScheduler only wakes us. It reads the wall clock, so we watch over it: set back, it would
sleep until the clock has caught up.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.ext.asyncio import AsyncSession

from probes import registry
from probes.plans import banks_hash, size
from probes.types import Plan
from service import totals
from service.log import logger
from service.schedules import schedule_of
from service.slots import Clocks, Gap, SlotState, Standing, records, refusal
from service.storage import runs as run_store
from service.storage import slots as slot_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow
from service.storage.slots import Counts, Due

WAKE_S = 0.5
WATCH_S = 2.0
"""Without a look for this long (monotonic), APScheduler is woken up."""
BATCH = 100
"""Schedules in one transaction: others write in between."""
POISONED = timedelta(hours=1)
"""A schedule that cannot be read is tried again after this long; it stops no other."""

OverBudget = Callable[[EndpointRow, Plan], Awaitable[bool]]
"""Whether a run of the plan could not be afforded now."""
log = logger()


def new_run(endpoint_id: int, plan: Plan, slot: str) -> run_store.NewRun:
    """The run of a slot under the plan and banks as they are now."""
    banks = banks_hash(plan, registry.probe)
    return run_store.NewRun(
        endpoint_id=endpoint_id, plan=plan.name, slot=slot, banks_hash=banks, total=_size(plan, banks)
    )


@lru_cache(maxsize=100)
def _size(plan: Plan, banks: str) -> int:
    """Counted once for each state of the banks: that takes longer than all else there is to queueing a run."""
    return size(plan, registry.probe)


async def never_over(_endpoint: EndpointRow, _plan: Plan) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at the clock. `waiting`: (endpoint id, plan) of queued runs; `counts`: slots that ended."""

    now: datetime
    gap: Gap
    waiting: set[tuple[int, str]]
    counts: Counts


class Scheduler:
    """Queues the newest slot that is due, once, and records those that were missed. `offline` tells whether we cannot
    reach an address (a base URL) because of ourselves."""

    def __init__(
        self,
        *,
        database: Database,
        plans: Mapping[str, Plan],
        queued: Callable[[], None],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        offline: Callable[[str], bool] = lambda _base_url: False,
        budget: OverBudget = never_over,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._plans = plans
        self._queued = queued
        self._clock = clock
        self._monotonic = monotonic
        self._offline = offline
        self._over_budget = budget
        self._changed = changed
        self._clocks = Clocks()
        self._waker = AsyncIOScheduler(timezone=UTC)
        self._job: Job | None = None
        self._woken = time.monotonic()
        self._watcher: asyncio.Task[None] | None = None
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._job = self._waker.add_job(self._tick, "interval", seconds=WAKE_S, max_instances=1, coalesce=True)
        self._waker.start()
        self._watcher = asyncio.create_task(self._watch(self._job), name="scheduler-watch")

    async def stop(self) -> None:
        """Wake no more, and let the last wake-up end."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if self._waker.running:
            self._waker.pause()
            await asyncio.sleep(0.01)  # a job is over in one turn of the loop; cut off, it would be logged as an error
            self._waker.shutdown(wait=False)
        if self._working is not None:
            await asyncio.wait({self._working})

    async def _watch(self, job: Job) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if time.monotonic() - self._woken > WATCH_S:
                job.modify(next_run_time=datetime.now(UTC))

    async def _tick(self) -> None:
        """Start a look at what is due, as a task of ours: APScheduler cancels its own jobs when it shuts down."""
        self._woken = time.monotonic()
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._look(), name="scheduler")

    async def _look(self) -> None:
        try:
            await self.look()
        except Exception:
            log.exception("schedules cannot be read", action="scheduler_failed")

    async def look(self) -> int:
        """Record every slot up to now, and queue what may run. Returns the number of new runs. Raises what the database
        raises, having recorded nothing; the next look then records those slots as missed."""
        now, monotonic = self._clock(), self._monotonic()
        try:
            gap = self._clocks.gap(now, monotonic)
            await self._anchor(now, gap)
            made = 0
            while (batch := await self._record_batch(now, gap)) is not None:
                made += batch
            await self._settle()
        except Exception:
            self._clocks.failed()
            raise
        self._clocks.looked(now, monotonic)
        if made:
            self._queued()
        return made

    async def _anchor(self, now: datetime, gap: Gap) -> None:
        if gap.set_back == timedelta(0):
            return
        async with self._database.write() as session:
            moved = await slot_store.anchor_anew(session, now, gap.set_back)
        if moved:
            seconds = gap.set_back.total_seconds() if gap.set_back else None
            log.warning("the clock was set back", action="clock_set_back", seconds=seconds, schedules=moved)

    async def _record_batch(self, now: datetime, gap: Gap) -> int | None:
        """The number of runs made for some of the schedules that are due; None when none is."""
        async with self._database.read() as session:
            if not await slot_store.any_due(session, now):
                return None
        made = 0
        async with self._database.write() as session:
            found = await slot_store.due(session, now, BATCH)
            waiting = await slot_store.waiting_runs(session, {one.endpoint.id for one in found})
            look = Look(now=now, gap=gap, waiting=waiting, counts=Counter())
            for one in found:
                made += await self._record(session, one, look)
            await totals.count_slots(session, look.counts)
        self._changed()
        return made

    async def _record(self, session: AsyncSession, due: Due, look: Look) -> bool:
        """Record the slots of one schedule. Returns whether a run was queued."""
        row, endpoint = due.schedule, due.endpoint
        plan = self._plans.get(row.plan)
        try:
            schedule = schedule_of(row.spec, endpoint.name, row.plan)
            stretch = schedule.stretch(row.next_due, look.now)
            following = schedule.follow(stretch.last)
        except ValueError as error:
            log.warning("schedule cannot be read", action="schedule_unreadable", spec=row.spec, error=str(error))
            row.next_due = look.now + POISONED
            return False
        standing = await self._standing(session, endpoint, plan, (endpoint.id, row.plan) in look.waiting, look.now)
        queued, newest = False, due.newest
        for one in records(stretch, look.gap.missed, standing):
            run_id = None
            if one.state is SlotState.WAITING and plan is not None:
                run_id = await self._queue(session, due, plan, one.due, look.now)
                look.waiting.add((endpoint.id, row.plan))
                queued = True
            else:
                look.counts[endpoint.id, row.plan, str(one.state), str(one.reason)] += one.count
            newest = await slot_store.record(session, due, one, run_id, newest)
        row.next_due = following
        return queued

    async def _standing(
        self, session: AsyncSession, endpoint: EndpointRow, plan: Plan | None, waiting: bool, now: datetime
    ) -> Standing:
        found = Standing(
            paused=endpoint.paused, plan_known=plan is not None, offline=self._offline(endpoint.base_url),
            down=endpoint.next_probe is not None, waiting=waiting,
        )  # fmt: skip
        if plan is None or endpoint.paused or refusal(found) is not None:
            return found
        return Standing(over_budget=await self._over_budget(endpoint, plan))

    async def _queue(self, session: AsyncSession, due: Due, plan: Plan, slot: datetime, now: datetime) -> str:
        era = due.schedule.era
        name = f"due:{slot.isoformat()}" + (f"#{era}" if era else "")
        run, _new = await run_store.enqueue(session, new_run(due.endpoint.id, plan, name), now)
        return run.id

    async def _settle(self) -> None:
        async with self._database.read() as session:
            if not await slot_store.any_to_settle(session):
                return
        async with self._database.write() as session:
            counts, late = await slot_store.settle(session)
            await totals.count_slots(session, counts, late)
        self._changed()


__all__: Sequence[str] = ("OverBudget", "Scheduler", "new_run")
