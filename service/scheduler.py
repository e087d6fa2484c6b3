"""Turns what is due into queued runs. Our tables say what is due; APScheduler only wakes us."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import select

from probes import registry
from probes.plans import banks_hash, size
from probes.types import Plan
from service.log import logger
from service.schedules import parse_schedule
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow, ScheduleRow

WAKE_S = 0.5
BATCH = 500

log = logger()


def new_run(endpoint_id: int, plan: Plan, slot: str) -> run_store.NewRun:
    """The run of a slot under the plan and banks as they are now."""
    return run_store.NewRun(
        endpoint_id=endpoint_id,
        plan=plan.name,
        slot=slot,
        banks_hash=banks_hash(plan, registry.probe),
        total=size(plan, registry.probe),
    )


class Scheduler:
    """Queues every due slot once: late slots are run, missed repeats of one schedule count as one."""

    def __init__(
        self,
        *,
        database: Database,
        plans: Mapping[str, Plan],
        queued: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._plans = plans
        self._queued = queued
        self._clock = clock
        self._waker = AsyncIOScheduler()
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._waker.add_job(self._tick, "interval", seconds=WAKE_S, max_instances=1, coalesce=True)
        self._waker.start()

    async def stop(self) -> None:
        """Wake no more, and let the last wake-up end."""
        if self._waker.running:
            self._waker.pause()
            await asyncio.sleep(0.01)  # a job is over in one turn of the loop; cut off, it would be logged as an error
            self._waker.shutdown(wait=False)
        if self._working is not None:
            await asyncio.wait({self._working})

    async def _tick(self) -> None:
        """Start a look at what is due, as a task of ours: APScheduler cancels its own jobs when it shuts down."""
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._look(), name="scheduler")

    async def _look(self) -> None:
        try:
            if await self.queue_due():
                self._queued()
        except Exception:
            log.exception("schedules cannot be read", action="scheduler_failed")

    async def queue_due(self) -> int:
        """Queue what is due now. Returns the number of new runs."""
        now = self._clock()
        due = (
            select(ScheduleRow)
            .join(EndpointRow)
            .where(ScheduleRow.next_due <= now, EndpointRow.paused.is_(False))
            .order_by(ScheduleRow.next_due)
            .limit(BATCH)
        )
        async with self._database.read() as session:
            if (await session.scalar(due.limit(1))) is None:
                return 0
        made = 0
        async with self._database.write() as session:
            for row in (await session.scalars(due)).all():
                plan = self._plans.get(row.plan)
                waiting = select(RunRow.id).where(
                    RunRow.endpoint_id == row.endpoint_id, RunRow.plan == row.plan, RunRow.state == "queued"
                )
                # a slot that finds its predecessor still in the queue would only ask the same again
                if plan is not None and (await session.scalar(waiting.limit(1))) is None:
                    slot = f"due:{row.next_due.isoformat()}"
                    _run, new = await run_store.enqueue(session, new_run(row.endpoint_id, plan, slot), now)
                    made += new
                row.next_due = parse_schedule(row.spec).after(row.next_due, now)
        return made
