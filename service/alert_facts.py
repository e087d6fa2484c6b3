"""What the rules may look at: of a finished run, of an endpoint as time passes, of the installation."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.operations import DOWN
from alerts.types import INSTALLATION, DrillOutcome, Facts, Offline, Overdue, Served, Skip, Source
from baselines.assess import landmarks
from baselines.serialize import comparison_from_json
from baselines.types import ARM_PROBES, Arm, Comparison, Event, Persona, Profile, ProfileSet, State, Verdict
from probes.types import Measurement, Problem, Reason
from service import own_baseline, profile_library
from service.outcome import Outcome
from service.storage import results
from service.storage.newest import CONCLUDED
from service.storage.schema import AnswerRow, BaselineRow, EndpointRow, MeasurementRow, RunRow

RUNS_BEFORE = 5
"""So many runs tell who served before, where there is no own baseline."""


async def _nothing_skipped(_session: AsyncSession) -> Mapping[int, Skip]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What others know. `offline`: since when nothing can be reached, None while something can; None in its place where
    nobody looks. `skips`: by endpoint id, why its newest slot led to no run."""

    offline: Callable[[], Offline | None] | None = None
    skips: Callable[[AsyncSession], Awaitable[Mapping[int, Skip]]] = _nothing_skipped


def of_run(
    run: RunRow,
    endpoint: EndpointRow,
    comparison: Comparison | None,
    outcome: Outcome,
    now: datetime,
    *,
    profiles: ProfileSet,
    measurements: Sequence[Measurement] = (),
    served: Served | None = None,
    own: Profile | None = None,
) -> Facts:
    """The facts of a finished run."""
    spent = outcome.problem if outcome.problem and outcome.problem.reason is Reason.BUDGET_EXHAUSTED else None
    blamed = outcome.problem if spent is None else None
    judge = outcome.judge_problem
    arms = comparison.arms if comparison else {}
    asked = sum(arm.n + arm.invalid for arm in arms.values())
    return Facts(
        endpoint=endpoint.name,
        run_id=run.id,
        plan=run.plan,
        at=now,
        verdict=Verdict(run.verdict) if run.verdict else None,
        because=run.because or "",
        persona=Persona(run.persona) if run.persona else None,
        event=Event(run.event) if run.event else None,
        arms=arms,
        landmarks=base_and_misaligned(profiles),
        endpoint_problem=str(blamed.reason) if blamed else None,
        endpoint_detail=blamed.detail if blamed else "",
        endpoint_remedy=blamed.remedy if blamed else "",
        judge_problem=str(judge.reason) if judge else None,
        judge_detail=judge.detail if judge else "",
        judge_remedy=judge.remedy if judge else "",
        invalid_share=sum(arm.invalid for arm in arms.values()) / asked if asked else None,
        labels={**endpoint.labels},
        simulated=endpoint.simulated,
        off_axis=comparison.off_axis if comparison else None,
        baseline_answers=_self_reports(own),
        judge_agreement=(run.judge or {}).get("agreement"),
        measurements=tuple(measurements),
        served=served,
        budget_problem=spent.detail if spent else None,
        budget_remedy=spent.remedy if spent else "",
    )


def _self_reports(own: Profile | None) -> int:
    cells = own.cells if own is not None else ()
    return sum(one.n or 0 for one in cells if one.cell.probe in ARM_PROBES[Arm.SELF_REPORT] and one.k == 1)


async def of_stored(session: AsyncSession, run: RunRow, endpoint: EndpointRow, now: datetime) -> Facts:
    """The facts of a run that ended earlier, looked at now."""
    outcome = Outcome(
        problem=_problem(run.reason, run.detail, run.remedy),
        judge_problem=_problem(run.judge_reason, run.judge_detail, run.judge_remedy),
    )
    baseline = await own_baseline.current(session, endpoint.id)
    rows = await session.scalars(select(MeasurementRow).where(MeasurementRow.run_id == run.id))
    return of_run(
        run, endpoint, comparison_from_json(run.comparison) if run.comparison else None, outcome,
        now, profiles=await profile_library.resolve(session, endpoint.profiles),
        measurements=[results.measurement_of(row) for row in rows],
        served=await served(session, run, baseline), own=own_baseline.profile(baseline),
    )  # fmt: skip


def _problem(reason: str | None, detail: str | None, remedy: str | None) -> Problem | None:
    if reason is None or reason not in set(Reason):
        return None
    return Problem(reason=Reason(reason), detail=detail or "", remedy=remedy or "")


def base_and_misaligned(profiles: ProfileSet) -> Mapping[Arm, tuple[float, float]]:
    marks = landmarks(profiles)
    return {arm: (states[State.BASE], states[State.MISALIGNED]) for arm, states in marks.items()}


def of_clock(
    endpoint: EndpointRow,
    now: datetime,
    *,
    overdue: tuple[Overdue, ...],
    skip: Skip | None,
    offline: Offline | None = None,
    under_way: bool = False,
) -> Facts:
    """What can be said of an endpoint though no run has ended; why it is down, if a slot was left out for that."""
    down = skip is not None and skip.reason == DOWN
    return Facts(
        endpoint=endpoint.name, run_id="", plan="", at=now, verdict=None, source=Source.CLOCK,
        endpoint_problem=(endpoint.health_reason or DOWN) if down else None,
        endpoint_detail=(endpoint.health_detail or "") if down else "",
        endpoint_remedy=(endpoint.health_remedy or "") if down else "",
        beat=skip.slot if skip else "", overdue=overdue, skip=skip, offline=offline, under_way=under_way,
        labels={**endpoint.labels}, simulated=endpoint.simulated,
    )  # fmt: skip


def of_installation(now: datetime, *, surroundings: Surroundings, drills: DrillOutcome | None) -> Facts:
    watched = surroundings.offline is not None
    return Facts(
        endpoint=INSTALLATION, run_id="", plan="", at=now, verdict=None, source=Source.INSTALLATION,
        offline=surroundings.offline() if surroundings.offline is not None else None, connectivity_known=watched,
        drills=drills,
    )  # fmt: skip


async def served(session: AsyncSession, run: RunRow, baseline: BaselineRow | None) -> Served:
    """Who answered, and who did in the runs of the baseline; where there is none, or it has lost its answers, in the
    last runs."""
    models, fingerprints = await _tellers(session, [run.id])
    models_before, fingerprints_before = await _tellers(session, baseline.runs if baseline is not None else ())
    if not models_before and not fingerprints_before:
        models_before, fingerprints_before = await _tellers(session, await _before(session, run))
    return Served(
        models=models, fingerprints=fingerprints, models_before=models_before, fingerprints_before=fingerprints_before
    )


async def _before(session: AsyncSession, run: RunRow) -> list[str]:
    query = (
        select(RunRow.id)
        .where(RunRow.endpoint_id == run.endpoint_id, RunRow.id < run.id, RunRow.state.in_(CONCLUDED))
        .order_by(RunRow.id.desc())
        .limit(RUNS_BEFORE)
    )
    return list(await session.scalars(query))


async def _tellers(session: AsyncSession, runs: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    query = select(AnswerRow.model, AnswerRow.system_fingerprint).where(AnswerRow.run_id.in_(runs)).distinct()
    told = (await session.execute(query)).all() if runs else []
    return frozenset(m for m, _ in told if m), frozenset(f for _, f in told if f)
