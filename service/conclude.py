"""The end of a run: measurements, comparison, verdict, evidence, alert flips and their outbox, in one transaction."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.types import Served
from baselines.assess import Assessment
from baselines.serialize import comparison_to_json, story_to_json
from baselines.types import ProfileSet, Verdict
from baselines.wording import wording
from probes import registry
from probes.measure import measure
from probes.types import Answer, Measurement, Plan, Problem, Reason
from service import alert_facts, attributing, basis, grounds, instrument, own_baseline, telling, totals
from service.alerting import Alerting
from service.basis import Basis
from service.connectivity import Connectivity
from service.escalation import Escalation, Finished
from service.false_alarms import FalseAlarms
from service.latency import latency_to_json
from service.log import logger
from service.outcome import Outcome
from service.prices import Prices
from service.probing import after_run
from service.storage import answers as answer_store
from service.storage import results, spending
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import BaselineRow, EndpointRow, MeasurementRow, RunRow
from service.work import UNGRADED, awaits_judge, given_up

log = logger()


@dataclass(frozen=True, kw_only=True)
class Material:
    """All that the conclusion is drawn from, read before the transaction. `ungraded`: replies are stored that the judge
    has not come to grade."""

    endpoint: EndpointRow
    answers: Sequence[Answer]
    measurements: Sequence[Measurement]
    outcome: Outcome
    state: str
    basis: Basis
    assessment: Assessment | None
    baseline: BaselineRow | None
    ungraded: bool
    wording: dict[str, Any] | None
    attribution: dict[str, Any] | None
    served: Served
    profiles: ProfileSet


class Conclusion:
    """Turns stored answers into a verdict and writes it."""

    def __init__(
        self,
        *,
        database: Database,
        plans: Mapping[str, Plan],
        alerting: Alerting,
        false_alarms: FalseAlarms,
        escalation: Escalation,
        auto_baseline_runs: int,
        prices: Prices,
        clock: Callable[[], datetime],
        connectivity: Connectivity | None = None,
    ) -> None:
        self._connectivity = connectivity
        self._rng = random.Random()
        self._database = database
        self._plans = plans
        self._alerting = alerting
        self._false_alarms = false_alarms
        self._escalation = escalation
        self._auto_baseline_runs = auto_baseline_runs
        self._prices = prices
        self._clock = clock

    async def write(self, run: RunRow, outcome: Outcome) -> None:
        """Conclude a run under its lease. Raises LostLeaseError, having written nothing."""
        material = await self._gather(run, outcome)
        now = self._clock()
        async with self._database.write() as session:
            row = await run_store.held(session, run, now)
            self._fill(row, material, now)
            if material.ungraded:
                await answer_store.give_up_pending(session, run, UNGRADED)
            await self._pay_for_check(session, row, material, now)
            if material.measurements:  # in one statement: an object a cell would cost more than the comparison
                await session.execute(insert(MeasurementRow), _measurement_values(run.id, material.measurements))
            await self._save_endpoint(session, material, row, now)
            if material.state != "cancelled":  # a cancelled run says nothing
                facts = alert_facts.of_run(
                    row, material.endpoint, material.assessment.comparison if material.assessment else None,
                    material.outcome, now, profiles=material.profiles,
                    measurements=material.measurements, served=material.served,
                    own=own_baseline.profile(material.baseline),
                )  # fmt: skip
                facts = await telling.with_history(session, facts, row)
                await self._alerting.evaluate(session, material.endpoint, facts)
            await totals.count_run(session, row, material.answers, now)
            if material.assessment is not None:
                await totals.count_false_alarms(session, row, material.assessment.comparison, now)
        log.info(
            "run finished", action="run_finished", run=run.id, endpoint=material.endpoint.name, state=material.state,
            verdict=row.verdict, reason=row.reason,
        )  # fmt: skip
        if self._connectivity is not None:
            self._connectivity.settle(material.endpoint.id)
        await self._offer_baseline(material, row)
        if material.assessment is not None and material.state != "cancelled":
            await self._escalation.after(
                Finished(
                    run=row, endpoint=material.endpoint, assessment=material.assessment,
                    measurements=material.measurements,
                )
            )  # fmt: skip

    async def fail_internally(self, run: RunRow) -> None:
        """End a run that a fault of ours stopped, so that it is seen and does not come back for ever."""
        async with self._database.write() as session:
            await session.execute(
                update(RunRow)
                .where(RunRow.id == run.id, RunRow.lease == run.lease)
                .values(
                    state="failed", finished_at=self._clock(), lease=None, lease_until=None,
                    verdict=str(Verdict.INSUFFICIENT_DATA), reason="internal_error",
                    detail="selfwatch met an unexpected error; its log has the traceback under this run's id",
                    remedy="start the run again; if it recurs, report it with the log",
                )
            )  # fmt: skip

    async def _gather(self, run: RunRow, outcome: Outcome) -> Material:
        async with self._database.read() as session:
            endpoint = await session.get_one(EndpointRow, run.endpoint_id)
            stored = await answer_store.answers_of(session, [run.id])
            found = await grounds.read(session, run, endpoint, self._plans.get(run.plan), self._false_alarms)
            served = await alert_facts.served(session, run, found.baseline)
        answers = [given_up(answer) for answer in stored]
        outcome = _with_empty_replies(outcome, answers)
        if self._connectivity is not None:
            outcome = await self._connectivity.explain(endpoint, run.id, outcome)
        scored = sum(answer.score is not None for answer in answers)
        found = found.without_judge(outcome.judge_problem)
        assessment = attribution = None
        if scored and not outcome.cancelled:
            # in a thread: the comparison may have to load scipy, which takes seconds
            assessment = await asyncio.to_thread(
                basis.draw, found.basis, answers, found.profiles, found.own, found.items
            )
            if assessment.judgement.verdict != endpoint.verdict and endpoint.verdict is not None:
                attribution = await attributing.explain(
                    self._database, run, endpoint, answers=answers, outcome=outcome, own=found.own
                )
        sensitivity = await asyncio.to_thread(wording, answers, registry.items_by_id()) if scored else ()
        return Material(
            endpoint=endpoint, answers=answers, outcome=outcome, state=_state(outcome, scored),
            measurements=measure(answers, worst_of=found.basis.worst_of), basis=found.basis, assessment=assessment,
            ungraded=any(awaits_judge(answer) for answer in stored), baseline=found.baseline,
            wording=instrument.wording_to_json(sensitivity), attribution=attribution, served=served,
            profiles=found.profiles,
        )  # fmt: skip

    def _fill(self, row: RunRow, material: Material, now: datetime) -> None:
        row.state, row.finished_at, row.lease, row.lease_until = material.state, now, None, None
        if problem := material.outcome.problem:
            row.reason, row.detail, row.remedy = str(problem.reason), problem.detail, problem.remedy
        if judge := material.outcome.judge_problem:
            row.judge_reason, row.judge_detail, row.judge_remedy = str(judge.reason), judge.detail, judge.remedy
        row.savings = instrument.savings_to_json(material.answers)
        row.judge = instrument.judge_to_json(material.outcome.judge_check, material.answers)
        row.wording = material.wording
        row.latency = latency_to_json(material.answers)
        row.configuration = attributing.configuration(material.endpoint)
        row.early = material.outcome.early
        if row.early is not None:
            row.savings = {**row.savings, "by_evidence": max(row.total - row.answered, 0)}
        if material.state == "cancelled":
            return
        if material.assessment is None:
            row.verdict = str(Verdict.INSUFFICIENT_DATA)
            row.because = basis.plain(material.outcome.problem) or "no answer could be scored"
            return
        judgement = material.assessment.judgement
        row.comparison = comparison_to_json(material.assessment.comparison)
        row.verdict, row.because = str(judgement.verdict), judgement.because
        row.persona = str(judgement.persona) if judgement.persona else None
        row.event = str(judgement.event) if judgement.event else None
        row.basis = basis.to_json(material.basis)
        row.attribution = material.attribution

    async def _pay_for_check(self, session: AsyncSession, row: RunRow, material: Material, now: datetime) -> None:
        """The check of the judge is paid for by the run that caused it."""
        check = material.outcome.judge_check
        if check is None or check.shared:
            return
        taken = self._prices.of_check(material.endpoint.model, check.examination)
        row.requests += taken.requests
        row.prompt_tokens += taken.judge_prompt_tokens
        row.completion_tokens += taken.judge_completion_tokens
        await spending.add(session, row, taken, now)
        await session.refresh(row, ["usd", "usage_estimated"])

    async def _save_endpoint(self, session: AsyncSession, material: Material, row: RunRow, now: datetime) -> None:
        endpoint_id = material.endpoint.id
        if material.state == "cancelled":
            return
        blamed = material.outcome.problem
        if blamed is not None and blamed.reason is Reason.BUDGET_EXHAUSTED and not material.answers:
            return  # nothing was asked: the last verdict stands
        scored = any(answer.score is not None for answer in material.answers)
        await after_run(
            session, endpoint_id, blamed, asked=bool(material.answers), scored=scored, now=now, rng=self._rng
        )
        values: dict[str, object] = {"verdict": row.verdict, "because": row.because, "verdict_run": row.id}
        if material.assessment is not None:
            values["story"] = story_to_json(material.assessment.story)
        await session.execute(update(EndpointRow).where(EndpointRow.id == endpoint_id).values(**values))
        if material.assessment is not None:
            await results.save_detectors(session, endpoint_id, material.assessment.detectors)

    async def _offer_baseline(self, material: Material, row: RunRow) -> None:
        """Build an own baseline once enough runs in a row were steady. An endpoint that moved is never adopted."""
        if self._auto_baseline_runs == 0 or material.baseline is not None or row.verdict != Verdict.STEADY:
            return
        async with self._database.write() as session:
            if await own_baseline.current(session, material.endpoint.id) is not None:
                return
            last = await results.last_finished(session, row, self._auto_baseline_runs)
            if len(last) < self._auto_baseline_runs or not all(own_baseline.steady(run) for run in last):
                return
            await own_baseline.build(session, material.endpoint, last, made_by="automatic", now=self._clock())
        log.info("own baseline built", action="baseline_built", endpoint=material.endpoint.name)


def _state(outcome: Outcome, scored: int) -> str:
    if outcome.cancelled:
        return "cancelled"
    if outcome.problem is None:
        return "succeeded"
    return "partial" if scored else "failed"


def _with_empty_replies(outcome: Outcome, answers: Sequence[Answer]) -> Outcome:
    """An endpoint that replies with nothing is a problem of its own, not a run that succeeded."""
    if outcome.problem or outcome.cancelled or not answers:
        return outcome
    empty = sum(getattr(answer.outcome, "reason", None) is Reason.EMPTY for answer in answers)
    if empty < 0.9 * len(answers):
        return outcome
    problem = Problem(
        reason=Reason.EMPTY,
        detail=f"{empty} of {len(answers)} replies were empty",
        remedy="check the model's chat template, and that sampling.max_tokens leaves room after any reasoning",
    )
    return replace(outcome, problem=problem)


def _measurement_values(run_id: str, measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run_id, "probe": m.cell.probe, "dimension": m.cell.dimension, "method": m.cell.method,
            "category": m.cell.category, "mean": m.mean, "variance": m.variance, "n": m.n, "invalid": m.invalid,
            "items": m.items, "k": m.k,
        }
        for m in measurements
    ]  # fmt: skip
