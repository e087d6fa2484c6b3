"""From a concluded run to alert rows, flips and outbox rows, inside the run's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import render
from alerts.state import evaluate
from alerts.types import Alert, AlertState, Facts, Flip, Rule, Severity
from baselines.assess import Assessment, landmarks
from baselines.profiles import published
from baselines.types import Arm, Event, Persona, State, Verdict
from probes.types import Reason
from service.outcome import Outcome
from service.storage.schema import AlertRow, DeliveryRow, EndpointRow, FlipRow, RunRow


class Alerting:
    """Evaluates the rules and writes what changed. `notifiers`: names that each notified flip goes to."""

    def __init__(self, *, rules: Sequence[Rule], notifiers: Sequence[str], public_url: str) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._notifiers = notifiers
        self._url = public_url

    async def evaluate(
        self,
        session: AsyncSession,
        endpoint: EndpointRow,
        facts: Facts,
    ) -> None:
        """Step every rule with what a run has shown."""
        rows = {r.rule: r for r in await session.scalars(select(AlertRow).where(AlertRow.endpoint_id == endpoint.id))}
        alerts = {name: _alert(row, endpoint.name) for name, row in rows.items()}
        done = evaluate(tuple(self._rules.values()), alerts, facts)
        for name, alert in done.alerts.items():
            await self._save(session, endpoint.id, alert, rows.get(name), facts)
        for flip in done.flips:
            session.add(_flip_row(flip, endpoint.id))
            await session.flush()
            if flip.notify:
                session.add_all(self._deliveries(flip, facts))

    async def _save(
        self, session: AsyncSession, endpoint_id: int, alert: Alert, row: AlertRow | None, facts: Facts
    ) -> None:
        if row is None and alert.state is AlertState.INACTIVE and alert.streak == 0:
            return
        entered = row is None or row.state != alert.state
        values = {
            "endpoint_id": endpoint_id,
            "rule": alert.rule,
            "severity": str(alert.severity),
            "state": str(alert.state),
            "streak": alert.streak,
            "since": alert.since,
            "run_id": facts.run_id if entered or row is None else row.run_id,
            "summary": facts.because if entered or row is None else row.summary,
        }
        statement = insert(AlertRow).values(values)
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["endpoint_id", "rule"],
                set_={name: statement.excluded[name] for name in values if name not in ("endpoint_id", "rule")},
            )
        )

    def _deliveries(self, flip: Flip, facts: Facts) -> list[DeliveryRow]:
        links = {
            "endpoint": f"{self._url}/endpoints/{flip.endpoint}",
            "run": f"{self._url}/runs/{flip.run_id}",
            "runbook": f"{self._url}/runbooks/{PurePosixPath(self._rules[flip.rule].runbook).stem}",
        }
        notice = render.notice(flip, self._rules[flip.rule], facts, links)
        payload = render.to_json(notice)
        return [
            DeliveryRow(
                flip_id=flip.id, notifier=name, lane=f"{name}/{flip.endpoint}/{flip.rule}", notice=payload,
                state="pending", attempt=0, next_at=facts.at,
            )
            for name in self._notifiers
        ]  # fmt: skip


def facts_of(
    run: RunRow, endpoint: EndpointRow, assessment: Assessment | None, outcome: Outcome, now: datetime
) -> Facts:
    """What the rules may look at."""
    blamed = outcome.problem if outcome.problem and outcome.problem.reason is not Reason.BUDGET_EXHAUSTED else None
    judge = outcome.judge_problem
    arms = assessment.comparison.arms if assessment else {}
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
        landmarks=_base_and_misaligned(endpoint.profiles),
        endpoint_problem=str(blamed.reason) if blamed else None,
        endpoint_detail=blamed.detail if blamed else "",
        endpoint_remedy=blamed.remedy if blamed else "",
        judge_problem=str(judge.reason) if judge else None,
        judge_detail=judge.detail if judge else "",
        judge_remedy=judge.remedy if judge else "",
        invalid_share=sum(arm.invalid for arm in arms.values()) / asked if asked else None,
        labels={**endpoint.labels},
        simulated=endpoint.simulated,
    )


def _base_and_misaligned(profiles: str) -> Mapping[Arm, tuple[float, float]]:
    marks = landmarks(published(profiles))
    return {arm: (states[State.BASE], states[State.MISALIGNED]) for arm, states in marks.items()}


def _alert(row: AlertRow, endpoint: str) -> Alert:
    return Alert(
        rule=row.rule, endpoint=endpoint, severity=Severity(row.severity), state=AlertState(row.state),
        streak=row.streak, since=row.since,
    )  # fmt: skip


def _flip_row(flip: Flip, endpoint_id: int) -> FlipRow:
    return FlipRow(
        id=flip.id, endpoint_id=endpoint_id, rule=flip.rule, severity=str(flip.severity), before=str(flip.before),
        after=str(flip.after), at=flip.at, run_id=flip.run_id,
    )  # fmt: skip
