"""What the pages about alerts show, from the database and the policy in force."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.match import Match, Subject
from alerts.rules import RULES
from alerts.types import Rule, Severity
from service import alert_list
from service.alert_list import Listed
from service.drill_script import SCRIPTS
from service.false_alarms import quarter
from service.services import Services
from service.storage import alerts as store
from service.storage import deliveries as delivery_store
from service.storage import drills as drill_store
from service.storage.drills import STAGES, Drill
from service.storage.schema import DeliveryRow, EndpointRow, FlipRow
from service.storage.schema import SilenceRow as StoredSilence
from service.ui import format as fmt
from service.ui.fill import common
from service.ui.parts import AlertRow
from service.ui.views import alerts as views
from service.ui.views.alerts import Filters, Promise, SilenceForm

ON_PAGE = 20
MOST_SHOWN = 200
SHOWN_DELIVERIES = 50
SHOWN_DRILLS = 5
ENDED_KEPT = timedelta(days=90)
OPEN = ("firing", "pending")


async def alert_rows(
    session: AsyncSession, services: Services, filters: Filters
) -> tuple[tuple[AlertRow, ...], int, Sequence[Listed]]:
    """The alerts that fit, how many there are without filters, and all as listed."""
    listed = await alert_list.listed(session, services.alerting, services.clock())
    states = (filters.state,) if filters.state else OPEN
    rows = common.alert_rows(listed, states=states)
    kept = tuple(row for row in rows if _fits(row, filters))
    return kept, sum(one.row.state in OPEN for one in listed), listed


def _fits(row: AlertRow, filters: Filters) -> bool:
    wanted = ((filters.severity, str(row.severity)), (filters.endpoint, row.endpoint), (filters.rule, row.rule))
    return all(not value or value == found for value, found in wanted)


async def flips(session: AsyncSession, filters: Filters, page: int) -> tuple[tuple[views.FlipRow, ...], bool]:
    """Transitions, newest first; and whether there are older ones."""
    query = (
        select(FlipRow, EndpointRow.name)
        .outerjoin(EndpointRow, EndpointRow.id == FlipRow.endpoint_id)
        .order_by(FlipRow.at.desc(), FlipRow.id)
        .offset((page - 1) * ON_PAGE)
        .limit(ON_PAGE + 1)
    )
    for column, value in (
        (FlipRow.severity, filters.severity), (EndpointRow.name, filters.endpoint), (FlipRow.rule, filters.rule)
    ):  # fmt: skip
        if value:
            query = query.where(column == value)
    rows = (await session.execute(query)).all()
    found = tuple(
        views.FlipRow(
            at=row.at, endpoint=name or "", rule=row.rule, severity=row.severity, before=row.before, after=row.after,
            run_id="" if row.drill_id else row.run_id, drill=row.drill_id is not None,
        )
        for row, name in rows[:ON_PAGE]
    )  # fmt: skip
    return found, len(rows) > ON_PAGE


async def promise(session: AsyncSession, services: Services) -> Promise:
    now = services.clock()
    threshold = await services.false_alarms.threshold_log10(session)
    shares = await services.false_alarms.shares(session)
    spent = await services.false_alarms.spent(session, now)
    return Promise(
        text=services.false_alarms.promise,
        quarter=quarter(now),
        expected=sum(sum(share.heartbeats.values()) for share in shares) * 10.0**-threshold,
        spent=sum(spent.values()),
    )


async def names(session: AsyncSession) -> list[str]:
    return list(await session.scalars(select(EndpointRow.name).order_by(EndpointRow.name)))


async def choices(session: AsyncSession, services: Services, form: SilenceForm) -> SilenceForm:
    """The form with the names that may be chosen."""
    return replace(form, endpoints=await names(session), rules=sorted(services.alerting.rules))


async def silences(
    session: AsyncSession, services: Services
) -> tuple[tuple[views.SilenceRow, ...], tuple[views.SilenceRow, ...]]:
    """Those that hold or are to come; and those that ended lately, the last first."""
    now = services.clock()
    rows = await store.all_silences(session, ended_since=now - ENDED_KEPT)
    listed = await alert_list.listed(session, services.alerting, now)
    subjects = [_subject(one) for one in listed if one.row.state in OPEN]
    shown = [_silence(row, now, subjects) for row in rows]
    over = [one for one in shown if one.state == "ended"]
    return tuple(one for one in shown if one.state != "ended"), tuple(reversed(over[-MOST_SHOWN:]))


def _silence(row: StoredSilence, now: datetime, subjects: Sequence[Subject]) -> views.SilenceRow:
    state = "ended" if row.ends_at <= now else "to come" if row.starts_at > now else "active"
    match = store.match_of(row.match)
    return views.SilenceRow(
        id=row.id, state=state, match=matchers(match), starts=row.starts_at, until=row.ends_at, who=row.who,
        comment=row.comment, matches=sum(map(match.fits, subjects)) if state == "active" else 0,
    )  # fmt: skip


def _subject(one: Listed) -> Subject:
    labels = {**one.row.labels, **(one.rule.labels if one.rule else {})}
    return Subject(endpoint=one.row.subject, rule=one.row.rule, severity=Severity(one.row.severity), labels=labels)


def matchers(match: Match) -> Mapping[str, str]:
    """What is matched, by name; labels with a prefix."""
    plain = {"endpoint": match.endpoint, "rule": match.rule, "severity": match.severity}
    found = {name: value for name, value in plain.items() if value}
    return found | {f"label {name}": value for name, value in match.labels.items()}


def windows(services: Services) -> tuple[views.WindowRow, ...]:
    now = services.clock()
    return tuple(
        views.WindowRow(
            name=one.name, match=matchers(one.match), schedule=one.cron, zone=one.zone.key,
            seconds=one.duration.total_seconds(), comment=one.comment, open_until=one.until(now),
            next=one.next_start(now),
        )
        for one in services.alerting.policy.windows
    )  # fmt: skip


async def rules(session: AsyncSession, services: Services) -> tuple[views.RuleRow, ...]:
    listed = await alert_list.listed(session, services.alerting, services.clock())
    counts: dict[tuple[str, str], int] = {}
    for one in listed:
        key = (one.row.rule, one.row.state)
        counts[key] = counts.get(key, 0) + 1
    return tuple(
        views.RuleRow(
            name=rule.name, severity=str(rule.severity), summary=rule.summary, shipped=rule.shipped,
            patience=_patience(rule), muted_by=sorted(rule.muted_by), runbook=runbook(rule),
            firing=counts.get((rule.name, "firing"), 0), pending=counts.get((rule.name, "pending"), 0),
        )
        for rule in services.alerting.policy.rules
    )  # fmt: skip


def turned_off(services: Services) -> tuple[str, ...]:
    return tuple(rule.name for rule in RULES if rule.name not in services.alerting.rules)


def runbook(rule: Rule) -> str:
    if "://" in rule.runbook:
        return rule.runbook
    return f"/runbooks/{fmt.kebab(rule.name) if rule.shipped else 'custom-rule'}"


def _patience(rule: Rule) -> str:
    parts = [f"{rule.for_runs} runs in a row"] if rule.for_runs > 1 else []
    if rule.for_duration:
        parts.append(fmt.duration(rule.for_duration.total_seconds()))
    return " and ".join(parts) or "at once"


async def notifiers(session: AsyncSession, services: Services) -> tuple[views.NotifierRow, ...]:
    unsettled = await delivery_store.unsettled(session)
    last = await _last_delivered(session, drilled=False)
    drilled = await _last_delivered(session, drilled=True)
    return tuple(
        views.NotifierRow(
            name=name, pending=unsettled.get((name, "pending"), 0), dead=unsettled.get((name, "dead"), 0),
            last_delivered=last.get(name), last_drill=drilled.get(name),
        )
        for name in services.alerting.policy.notifiers
    )  # fmt: skip


async def _last_delivered(session: AsyncSession, *, drilled: bool) -> dict[str, datetime]:
    """By notifier: when the last notice, of drills or of real alerts, arrived."""
    query = select(DeliveryRow.notifier, func.max(DeliveryRow.delivered_at)).join(FlipRow)
    of_drill = FlipRow.drill_id.is_not(None) if drilled else FlipRow.drill_id.is_(None)
    query = query.where(of_drill, DeliveryRow.state == "delivered").group_by(DeliveryRow.notifier)
    return {name: at for name, at in (await session.execute(query)).all() if at is not None}


async def unsettled(session: AsyncSession) -> tuple[tuple[views.DeliveryRow, ...], int]:
    """What was given up, then what waits; and how many more there are."""
    counts = await delivery_store.unsettled(session)
    found: list[views.DeliveryRow] = []
    for state in ("dead", "pending"):
        page = await delivery_store.page(session, limit=SHOWN_DELIVERIES, state=state)
        found += [_delivery(one.row, one.run_id) for one in page]
    return tuple(found), sum(counts.values()) - len(found)


def _delivery(row: DeliveryRow, run_id: str | None) -> views.DeliveryRow:
    notice: Mapping[str, Any] = row.notice
    return views.DeliveryRow(
        id=row.id, state=row.state, notifier=row.notifier, title=str(notice.get("title") or notice.get("rule") or ""),
        endpoint=str(notice.get("endpoint") or ""), run_id=None if notice.get("simulated") else run_id,
        attempts=row.attempt, error=row.last_error or "", created_at=row.created_at, next_at=row.next_at,
        dead_at=row.dead_at,
    )  # fmt: skip


async def drills(session: AsyncSession) -> tuple[views.DrillView, ...]:
    return tuple(_drill(drill_store.drill_of(row)) for row in await drill_store.recent(session, SHOWN_DRILLS))


def _drill(found: Drill) -> views.DrillView:
    stages = tuple(
        (name, datetime.fromisoformat(found.stages[name]["at"]), found.stages[name].get("detail", ""))
        for name in STAGES
        if name in found.stages
    )
    return views.DrillView(
        id=found.id, endpoint=found.endpoint, persona=found.persona, state=found.state, reason=found.reason or "",
        started_at=found.started_at, finished_at=found.finished_at, stages=stages,
    )  # fmt: skip


def personas() -> list[str]:
    return sorted(SCRIPTS)
