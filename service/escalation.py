"""What a run leads to: more answers where evidence is weak, a full run where it is strong, within the budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.assess import Assessment
from baselines.doubt import Step, doubtful, next_step
from probes import registry
from probes.plans import banks_hash
from probes.types import Measurement, Plan
from service.budgets import Ledger
from service.log import logger
from service.questions import questions, to_json
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow

log = logger()
FULL = "full"
A_DAY: Mapping[Step, int] = {Step.FOLLOW_UP: 6, Step.CONFIRM: 1}
"""No more than so many of each in 24 hours: doubt that stays is settled by the heartbeats."""
How = Literal["off", "follow_up", "confirm"]


def enough(step: Step, made: int) -> str | None:
    """Why the step is not taken once more, when `made` runs of it were begun in the last 24 hours; None: it may be."""
    if made < A_DAY[step]:
        return None
    return f"there {'was one such run' if made == 1 else f'were {made} such runs'} in the last 24 hours"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A concluded run, and what was found."""

    run: RunRow
    endpoint: EndpointRow
    assessment: Assessment
    measurements: Sequence[Measurement]


class Escalation:
    """Queues the next step, and notes with the run what was queued, or why not."""

    def __init__(
        self,
        *,
        database: Database,
        plans: Mapping[str, Plan],
        how: How,
        ledger: Ledger,
        queued: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._plans = plans
        self._how = how
        self._queued = queued
        self._clock = clock

    async def after(self, done: Finished) -> None:
        """Only what a person or a schedule asked for leads to more: no run begets runs for ever. One exception: strong
        evidence from a closer look is confirmed."""
        found = next_step(done.assessment.comparison.arms)
        if found is None or self._how == "off" or done.run.plan == FULL:
            return
        step, arm = found
        allowed = step is Step.FOLLOW_UP or self._how == "confirm"
        if not allowed or done.run.purpose in (step, Step.CONFIRM):
            return
        plan = self._plans.get(FULL if step is Step.CONFIRM else done.run.plan)
        if plan is None:
            return
        focus = None
        if step is Step.FOLLOW_UP:
            focus = to_json(doubtful(arm, done.measurements, done.assessment.detectors[arm]))
        now = self._clock()
        asks = questions(plan, seed=0, focus=focus)
        problem = await self._ledger.refusal(done.endpoint, plan, asks)
        async with self._database.write() as session:
            why_not = await self._often_enough(session, done, step) or (problem.detail if problem else None)
            run_id = None
            if why_not is None:
                row, _ = await run_store.enqueue(
                    session,
                    run_store.NewRun(
                        endpoint_id=done.endpoint.id, plan=plan.name, slot=f"{step}:{done.run.id}",
                        banks_hash=banks_hash(plan, registry.probe), total=len(asks), purpose=str(step), focus=focus,
                    ),
                    now,
                )  # fmt: skip
                run_id = row.id
            noted: dict[str, Any] = {"step": str(step), "arm": str(arm), "run": run_id, "refused": why_not}
            await session.execute(update(RunRow).where(RunRow.id == done.run.id).values(escalation=noted))
        log.info("run escalated", action="run_escalated", endpoint=done.endpoint.name, **noted)
        if run_id is not None:
            self._queued()

    async def _often_enough(self, session: AsyncSession, done: Finished, step: Step) -> str | None:
        """Why the next step is not taken again so soon, if so."""
        now = self._clock()
        made = await session.scalar(
            select(func.count())
            .select_from(RunRow)
            .where(RunRow.endpoint_id == done.endpoint.id, RunRow.purpose == str(step))
            .where(RunRow.created_at > now - timedelta(days=1))
        )
        return enough(step, made or 0)
