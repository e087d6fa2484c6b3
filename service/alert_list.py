"""Alerts as they stand now, with what mutes them: for the API and the pages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.match import Subject
from alerts.mute import Mute, Quiet, explains, mutes_of
from alerts.state import Damping
from alerts.types import INSTALLATION, Rule, Severity
from service.alerting import Alerting
from service.storage import alerts as store
from service.storage.schema import AlertRow, EndpointRow


@dataclass(frozen=True, kw_only=True)
class Listed:
    """`rule` is None where it is not in force any more; `flapping`: it needs more quiet runs than usual to resolve."""

    row: AlertRow
    rule: Rule | None
    mutes: tuple[Mute, ...]
    flapping: bool
    simulated: bool


async def listed(
    session: AsyncSession, alerting: Alerting, now: datetime, subject: str | None = None
) -> Sequence[Listed]:
    """Every stored alert, or those of one `subject` and of the installation, which explain each other."""
    around = await alerting.around(session, now)
    query = select(AlertRow, EndpointRow.simulated).outerjoin(EndpointRow).order_by(AlertRow.subject, AlertRow.rule)
    if subject is not None:
        query = query.where(AlertRow.subject.in_((subject, INSTALLATION)))
    rows = (await session.execute(query)).all()
    # in a thread: silences times alerts are many comparisons
    return await asyncio.to_thread(_judged, rows, alerting.rules, alerting.policy.damping, around.quiet, now)


def _judged(
    rows: Sequence[Row[AlertRow, bool]],
    rules: Mapping[str, Rule],
    damping: Damping,
    quiet: Sequence[Quiet],
    now: datetime,
) -> Sequence[Listed]:
    firing: dict[str, set[str]] = {}
    for row, _ in rows:
        if explains(store.alert_of(row)):
            firing.setdefault(row.subject, set()).add(row.rule)
    found = []
    for row, simulated in rows:
        rule = rules.get(row.rule)
        labels = {**row.labels, **(rule.labels if rule else {})}
        about = Subject(endpoint=row.subject, rule=row.rule, severity=Severity(row.severity), labels=labels)
        mutes = mutes_of(about, rule.muted_by if rule else frozenset(), quiet, firing)
        flapping = row.state == "firing" and damping.flaps(store.alert_of(row), now)
        found.append(Listed(row=row, rule=rule, mutes=mutes, flapping=flapping, simulated=bool(simulated)))
    return found
