"""Rows of the database as what the pages show."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import sqrt
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.mute import Mute, MuteKind
from alerts.types import AlertState, Severity
from baselines.assess import landmarks
from baselines.profiles import published
from baselines.serialize import comparison_from_json
from baselines.types import Arm, Comparison, State, Verdict
from probes.types import Cell, Measurement
from service import own_baseline
from service.alert_list import Listed
from service.limits import PERIODS, UNITS
from service.storage import endpoints as endpoint_store
from service.storage import results
from service.storage import slots as slot_store
from service.storage.schema import BaselineRow, EndpointRow, MeasurementRow, RunRow, ScheduleRow
from service.ui import views

SHOWN_ALERTS = ("firing", "pending")


def verdict_of(text: str | None) -> Verdict | None:
    return Verdict(text) if text is not None else None


def comparison_of(run: RunRow | None) -> Comparison | None:
    return comparison_from_json(run.comparison) if run is not None and run.comparison is not None else None


def trouble(reason: str | None, detail: str | None, remedy: str | None, at: datetime | None) -> views.Trouble | None:
    if reason is None:
        return None
    return views.Trouble(reason=reason, detail=detail or "", remedy=remedy or "", since=at)


def realigned_drift(profiles: str) -> tuple[float, float] | None:
    """Where the realigned state stands between base (0) and misaligned (1), as (self-report, behaviour)."""
    marks = landmarks(published(profiles))
    found = []
    for arm in (Arm.SELF_REPORT, Arm.BEHAVIOUR):
        states = marks[arm]
        if State.REALIGNED not in states:
            return None
        span = states[State.MISALIGNED] - states[State.BASE]
        found.append((states[State.REALIGNED] - states[State.BASE]) / span)
    return (found[0], found[1])


async def endpoint_rows(session: AsyncSession, rows: Sequence[EndpointRow]) -> list[views.EndpointRow]:
    """What the fleet shows of each endpoint."""
    ids = [row.id for row in rows]
    schedules = await endpoint_store.schedules_of(session, ids)
    last = await endpoint_store.last_runs(session, ids)
    active = await endpoint_store.active_runs(session, ids)
    found = []
    for row in rows:
        concluded = await results.concluded(session, row.id, 1)
        found.append(
            _endpoint_row(
                row, schedules[row.id], last.get(row.id), active.get(row.id), concluded[0] if concluded else None
            )
        )
    return found


def _endpoint_row(
    row: EndpointRow,
    schedules: Sequence[ScheduleRow],
    last: RunRow | None,
    active: RunRow | None,
    concluded: RunRow | None,
) -> views.EndpointRow:
    comparison = comparison_of(concluded)
    asked = sum(arm.n + arm.invalid for arm in comparison.arms.values()) if comparison else 0
    invalid = sum(arm.invalid for arm in comparison.arms.values()) if comparison else 0
    return views.EndpointRow(
        name=row.name,
        model=row.model,
        simulated=row.simulated,
        paused=row.paused,
        verdict=verdict_of(row.verdict),
        because=row.because or "",
        self_report=_arm_view(Arm.SELF_REPORT, comparison, concluded),
        behaviour=_arm_view(Arm.BEHAVIOUR, comparison, concluded),
        invalid_share=invalid / asked if asked else None,
        last_run_id=last.id if last else None,
        last_run_at=last.finished_at if last else None,
        next_run_at=min((s.next_due for s in schedules), default=None) if not row.paused else None,
        running=_progress(active),
        down=trouble(row.health_reason, row.health_detail, row.health_remedy, row.health_at),
        judge_down=trouble(last.judge_reason, last.judge_detail, last.judge_remedy, last.finished_at) if last else None,
    )


def _arm_view(arm: Arm, comparison: Comparison | None, run: RunRow | None) -> views.ArmView:
    figures = comparison.arms.get(arm) if comparison else None
    return views.ArmView(
        arm=arm, figures=figures, measured_at=run.finished_at if run else None, plan=run.plan if run else ""
    )


def _progress(run: RunRow | None) -> views.Progress | None:
    if run is None:
        return None
    return views.Progress(run_id=run.id, plan=run.plan, answered=run.answered, total=run.total, state=run.state)


def alert_rows(listed: Sequence[Listed], endpoint: str | None = None) -> tuple[views.AlertRow, ...]:
    """Pending and firing alerts, of one endpoint or of all."""
    return tuple(
        views.AlertRow(
            endpoint=one.row.subject,
            rule=one.row.rule,
            severity=Severity(one.row.severity),
            state=AlertState(one.row.state),
            since=one.row.since,
            summary=_summary(one),
            run_id=one.row.run_id,
            silenced_until=next((mute.until for mute in one.mutes if mute.until is not None), None),
            muted=_muted(one.mutes),
            runbook=one.rule.runbook if one.rule is not None and "://" in one.rule.runbook else "",
            shipped=one.rule is None or one.rule.shipped,
            simulated=one.simulated,
        )
        for one in listed
        if one.row.state in SHOWN_ALERTS and endpoint in (None, one.row.subject)
    )


def _summary(one: Listed) -> str:
    if one.rule is not None and not one.rule.shipped:
        return one.row.summary or one.rule.summary
    return one.row.summary.split(";", maxsplit=1)[0]  # the figures stand on the run's own page


def _muted(mutes: Sequence[Mute]) -> str:
    """Why an alert sends nothing, in a few words; empty when it does."""
    words = {
        MuteKind.SILENCE: "silenced",
        MuteKind.MAINTENANCE: "maintenance {}",
        MuteKind.INHIBITED: "explained by {}",
    }
    return ", ".join(dict.fromkeys(words[mute.kind].format(mute.by) for mute in mutes))


async def histories(session: AsyncSession, row: EndpointRow, limit: int = 60) -> tuple[views.History, ...]:
    """Drift of both arms over the last concluded runs."""
    runs = await results.concluded(session, row.id, limit)
    marks = realigned_drift(row.profiles)
    compared = [(run, comparison_of(run)) for run in runs]
    return tuple(
        views.History(
            arm=arm,
            points=tuple(_history_point(arm, run, comparison) for run, comparison in compared),
            realigned=marks[index] if marks else None,
        )
        for index, arm in enumerate((Arm.SELF_REPORT, Arm.BEHAVIOUR))
    )


def _history_point(arm: Arm, run: RunRow, comparison: Comparison | None) -> views.HistoryPoint:
    figures = comparison.arms.get(arm) if comparison else None
    return views.HistoryPoint(
        at=run.finished_at or run.created_at,
        run_id=run.id,
        plan=run.plan,
        drift=figures.drift if figures else None,
        low=figures.low if figures else None,
        high=figures.high if figures else None,
        alarm=figures.alarm if figures else False,
    )


def run_row(run: RunRow) -> views.RunRow:
    return views.RunRow(
        id=run.id, plan=run.plan, state=run.state, created_at=run.created_at, started_at=run.started_at,
        finished_at=run.finished_at, answered=run.answered, total=run.total, verdict=verdict_of(run.verdict),
        reason=run.reason,
    )  # fmt: skip


def measurement(row: MeasurementRow) -> Measurement:
    cell = Cell(probe=row.probe, dimension=row.dimension, method=row.method, category=row.category)
    return Measurement(
        cell=cell, mean=row.mean, variance=row.variance, n=row.n, invalid=row.invalid, items=row.items, k=row.k
    )


async def measurements(session: AsyncSession, run_id: str) -> tuple[Measurement, ...]:
    return tuple(measurement(row) for row in await results.measurements(session, run_id))


def reference(baseline: BaselineRow | None, measured: Sequence[Measurement]) -> Mapping[Cell, float]:
    """The own baseline's value for each measured cell, at the same number of replies."""
    own = own_baseline.profile(baseline)
    if own is None:
        return {}
    ks = {m.cell: m.k for m in measured}
    return {c.cell: c.mean for c in own.cells if ks.get(c.cell) == c.k}


SAVED = {
    "by_logprobs": "token probabilities stood for further samples",
    "by_worst_reply": "the worst grade had been given",
    "by_several_choices": "one call brought several replies",
    "by_known_grade": "the judge had graded the same reply before",
}


def instrument(run: RunRow) -> views.InstrumentView:
    """What the run tells of judge, wording and savings."""
    saved = run.savings or {}
    return views.InstrumentView(
        judge=_judge(run.judge) if run.judge else None,
        wording=tuple(_wording(cell) for cell in (run.wording or {}).get("cells", [])),
        saved=tuple((words, saved[name]) for name, words in SAVED.items() if saved.get(name)),
    )


async def newest_instrument(session: AsyncSession, endpoint_id: int) -> views.InstrumentView:
    """Each figure from the newest run that has it: a heartbeat is too small to tell of the wording."""
    runs = []
    for column in (RunRow.judge, RunRow.wording):
        query = select(RunRow).where(RunRow.endpoint_id == endpoint_id, column.is_not(None))
        runs.append(await session.scalar(query.order_by(RunRow.id.desc()).limit(1)))
    judged, worded = (instrument(run) if run is not None else views.InstrumentView() for run in runs)
    return views.InstrumentView(judge=judged.judge, wording=worded.wording)


def _judge(stored: Mapping[str, Any]) -> views.JudgeView:
    second = stored.get("second") or {}
    return views.JudgeView(
        agreement=stored.get("agreement"), bias=stored.get("bias"), graded=stored.get("graded", 0),
        anchors=stored.get("anchors", 0), second=second.get("agreement"), second_replies=second.get("replies", 0),
    )  # fmt: skip


def _wording(cell: Mapping[str, Any]) -> views.WordingRow:
    residual = cell["residual"]
    return views.WordingRow(
        probe=cell["probe"], dimension=cell["dimension"] or "", method=cell["method"] or "", n=cell["n"],
        bias=cell["bias"]["value"], low=cell["bias"]["low"], high=cell["bias"]["high"],
        paraphrase=sqrt(cell["paraphrase"]["value"]), residual=sqrt(residual["value"]) if residual else None,
        inconsistent=cell["inconsistent"], text=cell["text"],
    )  # fmt: skip


async def slots(session: AsyncSession, endpoint_id: int, limit: int = 10) -> tuple[views.SlotView, ...]:
    """What became of the newest slots."""
    return tuple(
        views.SlotView(
            plan=row.plan, due=row.due, until=row.until, count=row.count, state=row.state, reason=row.reason,
            late_s=row.late_s, run_id=row.run_id,
        )
        for row in await slot_store.newest_first(session, endpoint_id, limit=limit)
    )  # fmt: skip


def allowances(standing: Mapping[str, Any]) -> tuple[views.Allowance, ...]:
    """What was spent by day and month, beside the limits: tokens always, USD where there are some to tell of."""
    return tuple(
        views.Allowance(
            unit=unit, period=period, limit=figures["limit"], spent=figures["spent"], reserved=figures["reserved"],
            overrun=figures["overrun"], resets_at=datetime.fromisoformat(standing[period]["resets_at"]),
        )
        for period in PERIODS
        for unit in UNITS
        if (figures := standing[period][unit])["limit"] is not None or unit == "tokens" or figures["spent"]
    )  # fmt: skip


def usage(run: RunRow) -> views.Usage:
    """What a run has cost, beside what was expected."""
    expected = run.estimate or {}
    return views.Usage(
        requests=run.requests, prompt_tokens=run.prompt_tokens, completion_tokens=run.completion_tokens, usd=run.usd,
        estimated=run.usage_estimated, expected_tokens=expected.get("tokens"), expected_usd=expected.get("usd"),
    )  # fmt: skip


def baseline_view(row: BaselineRow | None) -> views.BaselineView | None:
    own = own_baseline.profile(row)
    if row is None or own is None:
        return None
    return views.BaselineView(
        provenance=own.provenance, made_at=row.created_at, made_by=row.made_by, runs=tuple(row.runs)
    )


def removed(row: RunRow) -> str:
    """What retention has taken of a run, in a sentence; empty when nothing."""
    if row.retention is None or row.retention_at is None or not row.answered:
        return ""
    what = "replies" if "replies" in row.retention else "single answers"
    return f"The {what} of this run were removed by retention on {row.retention_at:%Y-%m-%d}; what was measured stays."
