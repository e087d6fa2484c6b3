"""Prometheus metrics over stored snapshots, read when something changed: a scrape computes nothing."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.assess import landmarks
from baselines.profiles import published
from baselines.types import Verdict
from probes.moral_self_assessment.probe import CENTRE
from service import slot_metrics
from service.budget_metrics import budget_families, cost_family
from service.budgets import Ledger
from service.false_alarms import COUNTER
from service.log import logger
from service.storage import deliveries, drills, results
from service.storage import endpoints as endpoint_store
from service.storage.engine import Database
from service.storage.schema import (
    AlertRow,
    CounterRow,
    EndpointRow,
    MeasurementRow,
    NotificationCountRow,
    RunRow,
)
from service.totals import DURATION_BUCKETS_S
from service.uninterrupted import uninterrupted

REFRESH_S = 1.0
log = logger()


@dataclass(frozen=True, kw_only=True)
class EndpointSnapshot:
    """What is known of one endpoint at one moment."""

    name: str
    health: str
    verdict: str | None
    comparison: Mapping[str, Any] | None
    measurements: tuple[MeasurementRow, ...]
    judge_agreement: float | None
    alerts: tuple[AlertRow, ...]
    counters: tuple[CounterRow, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is known of everything. `landmarks`: profiles name -> (state, arm) -> score."""

    endpoints: tuple[EndpointSnapshot, ...] = ()
    landmarks: Mapping[str, Mapping[tuple[str, str], float]] = field(default_factory=dict)
    notifications: tuple[NotificationCountRow, ...] = ()
    unsettled: Mapping[tuple[str, str], int] = field(default_factory=dict)
    queued: int = 0
    budgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By endpoint, "" for all of them: limit, spent and overrun by period and unit."""
    installation: tuple[AlertRow, ...] = ()
    drill_success: datetime | None = None


async def take(session: AsyncSession) -> Snapshot:
    """Read a snapshot. The comparison shown is the last that an endpoint has; a failed run leaves it in place."""
    rows = await endpoint_store.all_endpoints(session)
    alerts = await _by_endpoint(session, AlertRow)
    installation, drilled = tuple(alerts.get(None, ())), await drills.last_success(session)
    counters = await _by_endpoint(session, CounterRow)
    endpoints = [await _endpoint(session, row, alerts.get(row.id, []), counters.get(row.id, [])) for row in rows]
    used = sorted({row.profiles for row in rows})
    marks = {
        name: {
            (str(state), str(arm)): score
            for arm, states in landmarks(published(name)).items()
            for state, score in states.items()
        }
        for name in used
    }
    queued = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.state == "queued"))
    notifications = (await session.scalars(select(NotificationCountRow))).all()
    return Snapshot(
        endpoints=tuple(endpoints), landmarks=marks, notifications=tuple(notifications),
        unsettled=await deliveries.unsettled(session), queued=queued or 0,
        installation=installation, drill_success=drilled,
    )  # fmt: skip


async def _by_endpoint(session: AsyncSession, table: type[Any]) -> dict[int | None, list[Any]]:
    """Rows by endpoint; under None those of the installation."""
    found: dict[int | None, list[Any]] = {}
    for row in await session.scalars(select(table)):
        found.setdefault(row.endpoint_id, []).append(row)
    return found


async def _endpoint(
    session: AsyncSession, row: EndpointRow, alerts: list[AlertRow], counters: list[CounterRow]
) -> EndpointSnapshot:
    last = await results.concluded(session, row.id, 1)
    measured = await results.measurements(session, last[0].id) if last else []
    return EndpointSnapshot(
        name=row.name,
        health=row.health,
        verdict=row.verdict,
        comparison=last[0].comparison if last else None,
        measurements=tuple(measured),
        judge_agreement=((last[0].judge or {}).get("agreement") if last else None),
        alerts=tuple(alerts),
        counters=tuple(counters),
    )


class SnapshotCollector(Collector):
    """The families of the contract, from one snapshot."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.database_up = True
        self.offline_since: Callable[[], object] = lambda: None

    def collect(self) -> Iterable[Metric]:
        yield from _scores(self.snapshot)
        yield from _comparisons(self.snapshot)
        yield from _states(self.snapshot)
        yield from _totals(self.snapshot)
        yield cost_family({one.name: one.counters for one in self.snapshot.endpoints})
        yield from _false_alarms(self.snapshot)
        yield from slot_metrics.families((one.name, one.counters) for one in self.snapshot.endpoints)
        yield slot_metrics.offline(self.offline_since())
        yield from budget_families(self.snapshot.budgets)
        yield from _drills(self.snapshot)
        queue = GaugeMetricFamily("selfwatch_queue_depth", "Runs that wait for a worker.")
        queue.add_metric([], self.snapshot.queued)
        yield queue
        database = GaugeMetricFamily("selfwatch_database_up", "0 while the database cannot be used; it is tried again.")
        database.add_metric([], float(self.database_up))
        yield database
        reload = GaugeMetricFamily(
            "selfwatch_config_last_reload_successful", "1 while the configuration read last holds."
        )
        reload.add_metric([], 1)
        yield reload


SCORES = {
    "self_assessment": (
        "selfwatch_self_assessment_score",
        "Self-assessed misalignment, 0 to 1.",
        ("dimension", "method"),
    ),
    "intentions": ("selfwatch_intentions_score", "Share of misaligned choices, 0 to 1.", ("dimension",)),
    "harm": ("selfwatch_harm_score", "Judged harm, worst reply of each prompt, 0 to 1.", ("category",)),
    "moral_self_assessment": (
        "selfwatch_moral_self_assessment_score",
        "Place between two moral poles, -0.5 the first to +0.5 the second.",
        ("dimension", "method"),
    ),
}
CENTRED = {"moral_self_assessment": CENTRE}
"""Taken from the means of these probes, to have them on the paper's scale."""


def _scores(snapshot: Snapshot) -> Iterable[Metric]:
    for probe, (name, text, labels) in SCORES.items():
        family = GaugeMetricFamily(name, text, labels=("endpoint", *labels))
        for endpoint in snapshot.endpoints:
            for m in endpoint.measurements:
                if m.probe == probe and m.mean is not None:
                    value = m.mean - CENTRED.get(probe, 0.0)
                    family.add_metric([endpoint.name, *(getattr(m, label) for label in labels)], value)
        yield family


ARM_FIGURES = {
    "score": ("selfwatch_arm_score", "Mean score of an arm, 0 aligned to 1 misaligned."),
    "drift": ("selfwatch_drift", "Where the arm stands from base (0) to misaligned (1)."),
    "low": ("selfwatch_drift_low", "Lower end of the 95 % interval of the drift."),
    "high": ("selfwatch_drift_high", "Upper end of the 95 % interval of the drift."),
    "evidence": ("selfwatch_evidence_log10", "log10 of the evidence that the arm has moved; it alarms at 4."),
}


def _comparisons(snapshot: Snapshot) -> Iterable[Metric]:
    for figure, (name, text) in ARM_FIGURES.items():
        family = GaugeMetricFamily(name, text, labels=("endpoint", "arm"))
        for endpoint in snapshot.endpoints:
            for arm, values in (endpoint.comparison or {}).get("arms", {}).items():
                if values.get(figure) is not None:
                    family.add_metric([endpoint.name, arm], values[figure])
        yield family
    off = GaugeMetricFamily(
        "selfwatch_off_axis_distance", "Change that is not toward misaligned, in score units.", labels=("endpoint",)
    )
    for endpoint in snapshot.endpoints:
        if (value := (endpoint.comparison or {}).get("off_axis")) is not None:
            off.add_metric([endpoint.name], value)
    yield off
    marks = GaugeMetricFamily(
        "selfwatch_profile_score", "Scores of the published profiles.", labels=("profiles", "state", "arm")
    )
    for profiles, states in snapshot.landmarks.items():
        for (state, arm), score in states.items():
            marks.add_metric([profiles, state, arm], score)
    yield marks


ALERT_STATES = {"inactive": 0, "resolved": 0, "pending": 1, "firing": 2}


def _states(snapshot: Snapshot) -> Iterable[Metric]:
    verdict = GaugeMetricFamily("selfwatch_verdict", "1 for the verdict that holds.", labels=("endpoint", "verdict"))
    up = GaugeMetricFamily(
        "selfwatch_endpoint_up",
        "1 when the endpoint answered last, 0 after one failed run; its circuit opens after two.",
        labels=("endpoint",),
    )
    alert = GaugeMetricFamily(
        "selfwatch_alert_state", "0 inactive, 1 pending, 2 firing.", labels=("endpoint", "rule", "severity")
    )
    for endpoint in snapshot.endpoints:
        if endpoint.verdict is not None:
            for name in Verdict:
                verdict.add_metric([endpoint.name, str(name)], float(name == endpoint.verdict))
        if endpoint.health != "unknown":
            up.add_metric([endpoint.name], float(endpoint.health == "up"))
        for row in endpoint.alerts:
            alert.add_metric([endpoint.name, row.rule, row.severity], ALERT_STATES.get(row.state, 0))
    for row in snapshot.installation:
        alert.add_metric(["", row.rule, row.severity], ALERT_STATES.get(row.state, 0))
    agreement = GaugeMetricFamily(
        "selfwatch_judge_agreement", "Weighted kappa of the judge on its anchors, 1 at best.", labels=("endpoint",)
    )
    for endpoint in snapshot.endpoints:
        if endpoint.judge_agreement is not None:
            agreement.add_metric([endpoint.name], endpoint.judge_agreement)
    yield from (verdict, up, alert, agreement)


def _totals(snapshot: Snapshot) -> Iterable[Metric]:
    answers = CounterMetricFamily(
        "selfwatch_answers", "Answers by outcome: scored, or why not.", labels=("endpoint", "probe", "outcome")
    )
    runs = CounterMetricFamily("selfwatch_runs", "Finished runs.", labels=("endpoint", "plan", "state"))
    tokens = CounterMetricFamily("selfwatch_tokens", "Tokens used.", labels=("endpoint", "kind"))
    success = GaugeMetricFamily(
        "selfwatch_last_success_timestamp_seconds", "When a run last succeeded.", labels=("endpoint", "plan")
    )
    duration = HistogramMetricFamily(
        "selfwatch_run_duration_seconds", "From start to verdict.", labels=("endpoint", "plan")
    )
    for endpoint in snapshot.endpoints:
        for row in endpoint.counters:
            if row.name == "answers":
                answers.add_metric([endpoint.name, row.label, row.label2], row.value)
            elif row.name == "runs":
                runs.add_metric([endpoint.name, row.label, row.label2], row.value)
            elif row.name == "tokens":
                tokens.add_metric([endpoint.name, row.label], row.value)
            elif row.name == "last_success":
                success.add_metric([endpoint.name, row.label], row.value)
            elif row.name == "duration_sum":
                buckets = _buckets(endpoint.counters, row.label)
                duration.add_metric([endpoint.name, row.label], buckets, row.value)
    sent = CounterMetricFamily(
        "selfwatch_notifications",
        "Attempts by outcome: delivered, retried, dead, repeated, repeat_failed.",
        labels=("notifier", "outcome"),
    )
    for count in snapshot.notifications:
        sent.add_metric([count.notifier, count.outcome], count.value)
    yield from (answers, runs, tokens, success, duration, sent)
    yield from _unsettled(snapshot)


UNSETTLED = {
    "pending": ("selfwatch_notifications_pending", "Notices that wait for delivery, or for another attempt."),
    "dead": ("selfwatch_notifications_dead", "Notices given up; POST /api/v1/deliveries/ID/resend sends one again."),
}


def _unsettled(snapshot: Snapshot) -> Iterable[Metric]:
    known = {count.notifier for count in snapshot.notifications} | {name for name, _ in snapshot.unsettled}
    for state, (name, text) in UNSETTLED.items():
        family = GaugeMetricFamily(name, text, labels=("notifier",))
        for notifier in sorted(known):
            family.add_metric([notifier], snapshot.unsettled.get((notifier, state), 0))
        yield family


def _false_alarms(snapshot: Snapshot) -> Iterable[Metric]:
    expected = CounterMetricFamily(
        "selfwatch_expected_false_alarms",
        "False alarms to be expected at most from the heartbeats so far, by the promise.",
        labels=("endpoint", "arm"),
    )
    for endpoint in snapshot.endpoints:
        spent: dict[str, float] = {}
        for row in endpoint.counters:
            if row.name == COUNTER:  # one row a quarter
                spent[row.label2] = spent.get(row.label2, 0.0) + row.value
        for arm, value in spent.items():
            expected.add_metric([endpoint.name, arm], value)
    yield expected


def _drills(snapshot: Snapshot) -> Iterable[Metric]:
    """Absent until the first drill has succeeded."""
    if snapshot.drill_success is not None:
        last = GaugeMetricFamily(
            "selfwatch_drill_last_success_timestamp_seconds", "When a fire drill last reached every notifier."
        )
        last.add_metric([], snapshot.drill_success.timestamp())
        yield last


def _buckets(rows: Iterable[CounterRow], plan: str) -> list[tuple[str, float]]:
    counts = {row.label2: row.value for row in rows if row.name == "duration" and row.label == plan}
    total, found = 0.0, []
    for limit in (*map(str, DURATION_BUCKETS_S), "+Inf"):
        total += counts.get(limit, 0.0)
        found.append((limit, total))
    return found


class Metrics:
    """The rendered text. `changed()` marks it old; it is made anew at most every REFRESH_S."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, database: Database, ledger: Ledger, *more: Collector) -> None:
        self._database = database
        self._ledger = ledger
        self._collector = SnapshotCollector()
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        for collector in more:
            self._registry.register(collector)
        self._old = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.text = b""

    def changed(self) -> None:
        self._old.set()

    def offline(self, since: Callable[[], object]) -> None:
        """Tell whether we are offline from `since`, which gives None while we are not."""
        self._collector.offline_since = since

    async def start(self) -> None:
        await self.refresh()
        self._task = asyncio.create_task(self._keep_fresh(), name="metrics")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Read and render now. While the database cannot be used, what was read last is shown, and that."""
        try:
            async with self._database.read() as session:
                found = await take(session)
                rows = await endpoint_store.all_endpoints(session)
            standing = {row.name: self._ledger.standing(row) for row in rows}
            self._collector.snapshot = replace(found, budgets={"": self._ledger.total(), **standing})
        except OperationalError:
            self.changed()
        self._collector.database_up = self._database.trouble is None
        # in a thread: with thousands of endpoints rendering would hold up the event loop
        self.text = await asyncio.to_thread(generate_latest, self._registry)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            with contextlib.suppress(TimeoutError):  # at midnight the budgets begin anew without anybody's doing
                await asyncio.wait_for(self._old.wait(), self._ledger.seconds_to_reset())
            self._old.clear()
            try:
                await uninterrupted(self.refresh())
            except Exception:
                log.exception("metrics cannot be refreshed", action="metrics_failed")
