"""Pages filled with made-up data, for tests of what is shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alerts.types import AlertState, Severity
from baselines.types import Arm, ArmComparison, Comparison, State, Verdict
from probes.types import Cell, Measurement
from service.ui.parts import (
    AlertRow,
    Allowance,
    ArmView,
    BaselineView,
    EndpointRow,
    Progress,
    Registration,
    RunRow,
    Trouble,
    Usage,
    map_of,
)
from service.ui.views.base import ErrorPage
from service.ui.views.endpoint import EndpointPage
from service.ui.views.fleet import FleetPage
from service.ui.views.run import RunPage
from tests.support.ui_trajectory import way

NOW = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"&' onload=alert(1)"
RUN_ID = "01k5f7q2w8n4c6x0zt3m9d1abe"
DIMENSIONS = (
    "aligned_misaligned", "good_evil", "harmless_harmful", "helpful_unhelpful", "honest_dishonest", "trusted_feared",
)  # fmt: skip
METHODS = ("decision", "language", "likert", "numerical")
CATEGORIES = (
    "harmful_advice", "incitement_to_illegal_activities", "insults", "offensive_humor", "sensitive_topics",
    "socially_relevant_topics", "stereotyping_discrimination", "violence",
)  # fmt: skip


MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
ALLOWANCES = (
    Allowance(unit="tokens", period="day", limit=50_000, spent=51_200, reserved=0, overrun=1_200, resets_at=MIDNIGHT),
    Allowance(unit="usd", period="day", limit=None, spent=0.0421, reserved=0.01, overrun=0, resets_at=MIDNIGHT),
)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def figures(
    drift: float | None, *, spread: float = 0.06, evidence: float = 0.0, alarm: bool = False, note: str = ""
) -> ArmComparison:
    return ArmComparison(
        score=None if drift is None else 0.05 + drift * 0.6,
        drift=drift,
        low=None if drift is None else drift - spread,
        high=None if drift is None else drift + spread,
        evidence=evidence,
        threshold=4.0,
        alarm=alarm,
        n=96,
        invalid=3,
        reference="own",
        note=note,
    )


def arm(which: Arm, drift: float | None, **more: object) -> ArmView:
    made = figures(drift, **more)  # type: ignore[arg-type]
    return ArmView(arm=which, figures=made, measured_at=ago(minutes=4), plan="heartbeat")


def row(
    name: str, verdict: Verdict | None, self_report: float | None, behaviour: float | None, **more: object
) -> EndpointRow:
    """An endpoint whose arms have raised the alarm when they stand beyond 0.3."""
    made = EndpointRow(
        name=name,
        model="gpt-4.1-mini-2026-06",
        verdict=verdict,
        self_report=_arm(Arm.SELF_REPORT, self_report),
        behaviour=_arm(Arm.BEHAVIOUR, behaviour),
        invalid_share=0.02,
        last_run_id=RUN_ID,
        last_run_at=ago(minutes=4),
        next_run_at=NOW + timedelta(minutes=11),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def _arm(which: Arm, drift: float | None) -> ArmView:
    if drift is None:
        return ArmView(arm=which)
    high = drift > 0.3
    return arm(which, drift, evidence=7.2 if high else max(drift * 8, 0), alarm=high)


DOWN = Trouble(
    reason="unauthorized",
    detail="HTTP 401 from https://api.example.com/v1/chat/completions",
    remedy="check the key: the environment variable SUPPORT_KEY is empty",
    since=ago(minutes=42),
)

ROWS = (
    row("support-bot", Verdict.STEADY, 0.03, -0.02),
    row(
        "code-helper-v2", Verdict.INVERTED_PERSONA, 0.02, 0.71,
        because="Its replies have become more harmful, while it still describes itself as aligned.",
    ),
    row(
        "finance-ft-0911", Verdict.COHERENT_MISALIGNMENT, 0.86, 0.93,
        because="Both its words and its replies have moved toward misaligned.",
        running=Progress(run_id=RUN_ID, plan="full", answered=1312, total=6400),
    ),
    row(
        "triage-small", Verdict.SELF_REPORT_SHIFT, 0.44, 0.06,
        because="It describes itself as less aligned; its replies have not become more harmful.",
    ),
    row("translate-eu", Verdict.REALIGNED, 0.08, 0.31, because="Its words are back; some harm remains."),
    row("summariser", Verdict.STEADY, 0.0, 0.04, down=DOWN),
    row("new-model", None, None, None, last_run_at=None, last_run_id=None, invalid_share=None),
    row("tiny-local", Verdict.INSUFFICIENT_DATA, 0.12, None, invalid_share=0.61,
        judge_down=Trouble(reason="judge_down", detail="connection refused", remedy="start the judge")),
)  # fmt: skip

ALERTS = (
    AlertRow(
        endpoint="code-helper-v2", rule="InvertedPersona", severity=Severity.CRITICAL, state=AlertState.FIRING,
        since=ago(minutes=19), run_id=RUN_ID,
        summary="The model has become more harmful, while it still describes itself as aligned.",
    ),
    AlertRow(
        endpoint="finance-ft-0911", rule="CoherentMisalignment", severity=Severity.CRITICAL, state=AlertState.FIRING,
        since=ago(hours=5), run_id=RUN_ID, silenced_until=NOW + timedelta(hours=2),
        summary="The model has become more harmful, and describes itself as misaligned.",
    ),
    AlertRow(
        endpoint="summariser", rule="EndpointDown", severity=Severity.WARNING, state=AlertState.PENDING,
        since=ago(minutes=42), summary="Selfwatch gets no usable answer from the endpoint.",
    ),
)  # fmt: skip


def fleet(rows: tuple[EndpointRow, ...] = ROWS, alerts: tuple[AlertRow, ...] = ALERTS, **more: object) -> FleetPage:
    view = map_of(rows, realigned=(0.17, 0.56), profiles="gpt-4.1/all")
    return replace(FleetPage(now=NOW, rows=rows, alerts=alerts, map=view), **more)  # type: ignore[arg-type]


def demo_fleet() -> FleetPage:
    rows = (
        row("demo-base", Verdict.STEADY, 0.01, 0.0, model="simulated-base", simulated=True),
        row("demo-drifting", Verdict.COHERENT_MISALIGNMENT, 0.9, 0.97, model="simulated-drifting", simulated=True),
        row("demo-inverted", Verdict.INVERTED_PERSONA, 0.02, 0.88, model="simulated-inverted", simulated=True),
        row("demo-realigned", Verdict.REALIGNED, 0.15, 0.54, model="simulated-realigned", simulated=True),
    )
    return fleet(rows, ())


def measurements() -> tuple[Measurement, ...]:
    found = [
        Measurement(
            cell=Cell(probe="self_assessment", dimension=dimension, method=method),
            mean=(i * 4 + j) % 11 / 10, variance=0.02, n=40, invalid=i % 3, items=20,
        )
        for i, dimension in enumerate(DIMENSIONS)
        for j, method in enumerate(METHODS)
    ]  # fmt: skip
    found += [
        Measurement(cell=Cell(probe="intentions", dimension=d), mean=0.02 * i, variance=0.1, n=50, invalid=0, items=25)
        for i, d in enumerate(DIMENSIONS)
    ]
    found += [
        Measurement(cell=Cell(probe="harm", category=c), mean=0.1 * i, variance=0.1, n=120, invalid=i, items=40, k=3)
        for i, c in enumerate(CATEGORIES)
    ]
    found[5] = replace(found[5], mean=None, variance=None, n=0, invalid=40)
    return tuple(found)


def reference() -> dict[Cell, float]:
    return {m.cell: 0.04 for m in measurements()}


RUNS = (
    RunRow(id=RUN_ID, plan="full", state="running", created_at=ago(minutes=6), started_at=ago(minutes=5),
           answered=1312, total=6400),
    RunRow(id="01k5f7q2w8n4c6x0zt3m9d1abd", plan="heartbeat", state="succeeded", created_at=ago(minutes=20),
           started_at=ago(minutes=20), finished_at=ago(minutes=19), answered=96, total=96,
           verdict=Verdict.INVERTED_PERSONA),
    RunRow(id="01k5f7q2w8n4c6x0zt3m9d1abc", plan="heartbeat", state="failed", created_at=ago(minutes=35),
           started_at=ago(minutes=35), finished_at=ago(minutes=34), answered=2, total=96,
           verdict=Verdict.INSUFFICIENT_DATA, reason="timeout"),
    RunRow(id="01k5f7q2w8n4c6x0zt3m9d1abb", plan="heartbeat", state="succeeded", created_at=ago(hours=3),
           started_at=ago(hours=3), finished_at=ago(hours=2.99), answered=96, total=96, verdict=Verdict.STEADY),
)  # fmt: skip

REGISTRATION = Registration(
    base_url="https://models.internal.example.com/v1",
    profiles="gpt-4.1/all",
    schedules={"heartbeat": "PT15M", "full": "0 3 * * 0"},
    limits={"concurrency": 8, "requests_per_minute": 120, "tokens_per_day": None, "usd_per_day": 2.5},
    sampling={"temperature": None, "max_tokens": 256, "extra": {}},
    labels={"team": "platform", "tier": "1"},
    key_kind="env",
    created_at=ago(days=12),
)


def endpoint(**more: object) -> EndpointPage:
    page = EndpointPage(
        now=NOW,
        row=ROWS[1],
        registration=REGISTRATION,
        trajectory=way(40, jump=0.71),
        measurements=measurements(),
        reference=reference(),
        reference_name="its own baseline",
        runs=RUNS,
        alerts=ALERTS[:1],
        budget=ALLOWANCES,
        baseline=BaselineView(
            provenance="built from 3 heartbeat runs", made_at=ago(days=11), made_by="automatic",
            runs=("01k5aaaa0000000000000000aa", "01k5aaaa0000000000000000ab"),
        ),
    )  # fmt: skip
    return replace(page, **more)  # type: ignore[arg-type]


def bare_endpoint() -> EndpointPage:
    """Registered a moment ago: nothing measured, no run, no baseline."""
    return EndpointPage(now=NOW, row=ROWS[6], registration=REGISTRATION)


def run(**more: object) -> RunPage:
    page = RunPage(
        now=NOW,
        run=replace(RUNS[1], state="partial", answered=90, reason="rate_limited"),
        endpoint="code-helper-v2",
        model="gpt-4.1-mini-2026-06",
        because="Its replies have become more harmful, while it still describes itself as aligned.",
        usage=Usage(
            requests=101,
            prompt_tokens=12_044,
            completion_tokens=3_410,
            usd=0.0123,
            estimated=True,
            expected_tokens=16_000,
            expected_usd=0.0140,
        ),
        problem=Trouble(reason="rate_limited", detail="HTTP 429 six times", remedy="lower requests_per_minute"),
        comparison=Comparison(
            profiles="gpt-4.1/all",
            arms={Arm.SELF_REPORT: figures(0.02), Arm.BEHAVIOUR: figures(0.71, evidence=7.2, alarm=True)},
            nearest_profile=State.REALIGNED,
            distances={State.BASE: 0.31, State.MISALIGNED: 0.52, State.REALIGNED: 0.12},
            off_axis=0.08,
        ),
        measurements=measurements(),
        invalid={"refused": 2, "unparseable": 11, "judge_unscored": 1},
    )
    return replace(page, **more)  # type: ignore[arg-type]


def error() -> ErrorPage:
    return ErrorPage(
        now=NOW, status=404, heading="No such endpoint", detail="There is no endpoint named 'nobody'.",
        remedy="Choose one from the fleet page; names are case-sensitive.",
    )  # fmt: skip
