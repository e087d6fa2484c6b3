"""Alerts, flips and silences in the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.match import Match
from alerts.mute import Mute, MuteKind, Quiet, explains
from alerts.state import NO_RULE
from alerts.types import Alert, AlertState, Flip, Severity
from service.storage.schema import AlertRow, DeliveryRow, FlipRow, SilenceRow


async def of_subject(session: AsyncSession, subject: str) -> dict[str, AlertRow]:
    """The stored alerts of an endpoint, or with an empty name of the installation, by rule."""
    rows = await session.scalars(select(AlertRow).where(AlertRow.subject == subject))
    return {row.rule: row for row in rows}


async def by_subject(session: AsyncSession) -> dict[str, dict[str, AlertRow]]:
    found: dict[str, dict[str, AlertRow]] = {}
    for row in await session.scalars(select(AlertRow)):
        found.setdefault(row.subject, {})[row.rule] = row
    return found


async def explaining(session: AsyncSession, subject: str) -> set[str]:
    """The rules whose alerts for it explain others (`alerts.mute.explains`)."""
    rows = await session.scalars(select(AlertRow).where(AlertRow.subject == subject, AlertRow.state == "firing"))
    return {row.rule for row in rows if explains(alert_of(row))}


def alert_of(row: AlertRow) -> Alert:
    return Alert(
        rule=row.rule, endpoint=row.subject, severity=Severity(row.severity), state=AlertState(row.state),
        streak=row.streak, since=row.since, beat=row.beat, fired=tuple(map(datetime.fromisoformat, row.fired)),
        flip_id=row.flip_id, told=tuple(row.told), told_at=row.told_at, rule_key=row.rule_key,
    )  # fmt: skip


async def save(session: AsyncSession, alert: Alert, endpoint_id: int | None, **more: Any) -> None:
    """Write an alert. `more`: run_id, summary, labels, notice; what is not given stays as it is."""
    values = {
        "subject": alert.endpoint,
        "rule": alert.rule,
        "endpoint_id": endpoint_id,
        "severity": str(alert.severity),
        "state": str(alert.state),
        "streak": alert.streak,
        "since": alert.since,
        "beat": alert.beat,
        "fired": [at.isoformat() for at in alert.fired],
        "flip_id": alert.flip_id,
        "told": list(alert.told),
        "told_at": alert.told_at,
        "rule_key": alert.rule_key,
        **more,
    }
    statement = insert(AlertRow).values({"summary": "", "labels": {}, **values})
    changed = {name: statement.excluded[name] for name in values if name not in ("subject", "rule")}
    await session.execute(statement.on_conflict_do_update(index_elements=["subject", "rule"], set_=changed))


async def retire(session: AsyncSession, rules_in_force: Collection[str]) -> None:
    """Note with alerts at rest that their rule is not in force; those that are not are closed (`alerts.state.gone`)."""
    resting = AlertRow.state.in_([str(AlertState.INACTIVE), str(AlertState.RESOLVED)])
    query = update(AlertRow).where(resting, AlertRow.rule.not_in(rules_in_force), AlertRow.rule_key != NO_RULE)
    await session.execute(query.values(rule_key=NO_RULE, beat=""))


async def save_flip(session: AsyncSession, flip: Flip, endpoint_id: int | None, drill_id: str | None = None) -> None:
    """Write a transition; one that is there already stays as it is."""
    values = {
        "id": flip.id, "endpoint_id": endpoint_id, "rule": flip.rule, "severity": str(flip.severity),
        "before": str(flip.before), "after": str(flip.after), "at": flip.at, "run_id": flip.run_id,
        "drill_id": drill_id,
    }  # fmt: skip
    await session.execute(insert(FlipRow).values(values).on_conflict_do_nothing())


async def notice_of(session: AsyncSession, alert: Alert) -> dict[str, Any] | None:
    """The message of its last transition, as it was worded then."""
    query = select(AlertRow.notice).where(AlertRow.subject == alert.endpoint, AlertRow.rule == alert.rule)
    found: dict[str, Any] | None = await session.scalar(query)
    return found


async def last_told(session: AsyncSession, lane: str) -> dict[str, Any] | None:
    """The newest notice of a lane, delivered or on its way."""
    query = select(DeliveryRow.notice).where(DeliveryRow.lane == lane).order_by(DeliveryRow.id.desc()).limit(1)
    found: dict[str, Any] | None = await session.scalar(query)
    return found


async def silences(session: AsyncSession, now: datetime) -> list[Quiet]:
    """The silences that hold now."""
    query = select(SilenceRow).where(SilenceRow.starts_at <= now, SilenceRow.ends_at > now)
    return [quiet_of(row) for row in await session.scalars(query)]


def quiet_of(row: SilenceRow) -> Quiet:
    mute = Mute(kind=MuteKind.SILENCE, by=row.id, until=row.ends_at, comment=row.comment)
    return Quiet(match=match_of(row.match), mute=mute)


def match_of(stored: Mapping[str, Any]) -> Match:
    return Match(**{**stored, "labels": stored.get("labels") or {}})


def match_to_json(match: Match) -> dict[str, Any]:
    return {name: value for name, value in asdict(match).items() if value}


async def all_silences(session: AsyncSession, *, ended_since: datetime) -> Sequence[SilenceRow]:
    """Silences that have not ended before that time, by their end."""
    query = select(SilenceRow).where(SilenceRow.ends_at > ended_since).order_by(SilenceRow.ends_at, SilenceRow.id)
    return (await session.scalars(query)).all()
