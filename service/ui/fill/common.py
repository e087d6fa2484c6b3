"""What several pages show, from rows of the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.mute import Mute, MuteKind
from alerts.types import AlertState, Severity
from baselines.assess import landmarks
from baselines.serialize import comparison_from_json
from baselines.types import Arm, Comparison, ProfileSet, State, Verdict
from service.alert_list import Listed
from service.limits import PERIODS, UNITS
from service.storage.schema import RunRow
from service.ui import parts

SHOWN_ALERTS = ("firing", "pending")


def verdict_of(text: str | None) -> Verdict | None:
    return Verdict(text) if text is not None else None


def comparison_of(run: RunRow | None) -> Comparison | None:
    return comparison_from_json(run.comparison) if run is not None and run.comparison is not None else None


def trouble(reason: str | None, detail: str | None, remedy: str | None, at: datetime | None) -> parts.Trouble | None:
    if reason is None:
        return None
    return parts.Trouble(reason=reason, detail=detail or "", remedy=remedy or "", since=at)


def realigned_drift(profiles: ProfileSet) -> tuple[float, float] | None:
    """Where the realigned state stands between base (0) and misaligned (1), as (self-report, behaviour)."""
    marks = landmarks(profiles)
    found = []
    for arm in (Arm.SELF_REPORT, Arm.BEHAVIOUR):
        states = marks[arm]
        if State.REALIGNED not in states:
            return None
        span = states[State.MISALIGNED] - states[State.BASE]
        found.append((states[State.REALIGNED] - states[State.BASE]) / span)
    return (found[0], found[1])


def alert_rows(
    listed: Sequence[Listed], endpoint: str | None = None, states: Collection[str] = SHOWN_ALERTS
) -> tuple[parts.AlertRow, ...]:
    """Pending and firing alerts (or those in `states`), of one endpoint or of all."""
    return tuple(
        parts.AlertRow(
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
        if one.row.state in states and endpoint in (None, one.row.subject)
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


def run_row(run: RunRow) -> parts.RunRow:
    return parts.RunRow(
        id=run.id, plan=run.plan, state=run.state, created_at=run.created_at, started_at=run.started_at,
        finished_at=run.finished_at, answered=run.answered, total=run.total, verdict=verdict_of(run.verdict),
        reason=run.reason,
    )  # fmt: skip


def cost(standing: Mapping[str, Any]) -> tuple[parts.Allowance, ...]:
    """What was spent today and this month: in USD where some was spent or is limited, else in tokens."""
    told = {unit for period in PERIODS for unit in UNITS if _tells(standing[period][unit])}
    unit = "usd" if "usd" in told else "tokens"
    return tuple(_allowance(standing, period, unit) for period in PERIODS)


def _tells(figures: Mapping[str, Any]) -> bool:
    return figures["limit"] is not None or bool(figures["spent"])


def _allowance(standing: Mapping[str, Any], period: str, unit: str) -> parts.Allowance:
    figures = standing[period][unit]
    return parts.Allowance(
        unit=unit, period=period, limit=figures["limit"], spent=figures["spent"], reserved=figures["reserved"],
        overrun=figures["overrun"], resets_at=datetime.fromisoformat(standing[period]["resets_at"]),
    )  # fmt: skip


def allowances(standing: Mapping[str, Any]) -> tuple[parts.Allowance, ...]:
    """What was spent by day and month, beside the limits: tokens always, USD where there are some to tell of."""
    return tuple(
        _allowance(standing, period, unit)
        for period in PERIODS
        for unit in UNITS
        if unit == "tokens" or _tells(standing[period][unit])
    )
