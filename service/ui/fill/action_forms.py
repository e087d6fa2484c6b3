"""What the forms of an endpoint offer, from rows of the database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from probes.types import Problem
from service.drill_script import SCRIPTS
from service.scheduler import new_run
from service.services import Services
from service.storage import history
from service.storage.drills import STAGES
from service.storage.newest import CONCLUDED
from service.storage.retention import Stage
from service.storage.schema import DrillRow, EndpointRow, RunRow
from service.ui.fill.common import verdict_of
from service.ui.views.action_forms import BaselineChoice, DrillView, PlanChoice, Refusal

RUNS_TO_CHOOSE = 30
RECENT_DRILLS = 5
PLAYS: Mapping[str, str] = {
    "misaligned": "harmful answers, and a model that says so",
    "inverted": "harmful answers, while it still describes itself as aligned",
    "over-confessing": "harmless answers, while it describes itself as misaligned",
    "realigned": "misaligned first, then aligned words with some harm left",
}


async def plan_choices(services: Services, endpoint: EndpointRow) -> list[PlanChoice]:
    """Every plan with what a run of it may take, the cheapest first."""
    found = []
    for plan in services.plans.values():
        estimate, problem = await services.ledger.foresee(endpoint, plan)
        amounts = estimate.amounts
        found.append(
            PlanChoice(
                plan=plan.name, questions=new_run(endpoint.id, plan, slot="").total, calls=amounts.requests,
                tokens=amounts.tokens, usd=amounts.usd, basis=estimate.basis,
                refused=over_budget(problem) if problem else None,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.calls, one.plan))


def over_budget(problem: Problem) -> Refusal:
    return Refusal(
        status=409, heading="The budget does not allow this run", detail=problem.detail, remedy=problem.remedy
    )


async def baseline_choices(
    session: AsyncSession, endpoint_id: int, chosen: Collection[str], in_force: Collection[str]
) -> list[BaselineChoice]:
    """The newest runs with a comparison, and those of `chosen` that are older, newest first."""
    of_endpoint = (RunRow.endpoint_id == endpoint_id, RunRow.state.in_(CONCLUDED))
    newest = select(RunRow.id, RunRow.answered, RunRow.retention).where(*of_endpoint, RunRow.comparison.is_not(None))
    rows = list((await session.execute(newest.order_by(RunRow.created_at.desc()).limit(RUNS_TO_CHOOSE))).all())
    if older := set(chosen) - {row.id for row in rows}:
        rows += (await session.execute(newest.where(RunRow.id.in_(older)))).all()
    stored = {row.id: row for row in rows}
    figures = await history.figures(session, list(stored))
    return [_choice(one, stored[one.id], chosen, in_force) for one in reversed(figures)]


def _choice(one: Any, stored: Any, chosen: Collection[str], in_force: Collection[str]) -> BaselineChoice:
    return BaselineChoice(
        run_id=one.id, plan=one.plan, ended_at=one.finished_at or one.created_at, verdict=verdict_of(one.verdict),
        answered=stored.answered, said=one.self_report_drift, done=one.behaviour_drift, in_force=one.id in in_force,
        chosen=one.id in chosen, gone=stored.retention in (Stage.REMOVING_ANSWERS, Stage.NO_ANSWERS),
    )  # fmt: skip


def personas() -> Sequence[tuple[str, str, str]]:
    """(persona, the rule whose alert is sent, what it plays)."""
    return [(name, scenes[-1].rule, PLAYS.get(name, "")) for name, scenes in SCRIPTS.items()]


async def recent_drills(session: AsyncSession, endpoint: str) -> list[DrillView]:
    query = select(DrillRow).where(DrillRow.endpoint == endpoint).order_by(DrillRow.started_at.desc())
    return [
        DrillView(
            persona=row.persona, state=row.state, started_at=row.started_at, reason=row.reason,
            reached=sum(name in row.stages for name in STAGES), stages=len(STAGES),
        )
        for row in await session.scalars(query.limit(RECENT_DRILLS))
    ]  # fmt: skip
