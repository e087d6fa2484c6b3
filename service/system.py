"""The health of the installation, part by part: what is seen, one plain word, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from service.services import Services
from service.storage import deliveries, drills
from service.storage import retention as retention_store
from service.storage.drills import Drill
from service.storage.schema import DeliveryRow, RunRow
from service.vitals import resident_bytes

OK, LOOK = "ok", "look at this"
LATE_LOOP_S = 0.5
"""The event loop woke so late: calls and pages were held up."""
QUEUE_PATIENCE = timedelta(minutes=10)
"""A run that waits longer than this for a worker is worth a look."""
BIG_MEMORY_BYTES = 1_000_000_000
OLD_DRILL = timedelta(days=92)
FULL_SHARE = 0.9
MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Check:
    """One part of the installation. `facts` are its figures, times aware; `todo` is empty where all is well."""

    name: str
    title: str
    told: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    todo: str = ""

    @property
    def word(self) -> str:
        return LOOK if self.todo else OK


async def checks(services: Services) -> list[Check]:
    """All parts. What cannot be read because the database is away is left out; the database's own line says so."""
    trouble = services.database.trouble
    found = [_process(services)]
    try:
        async with services.database.read() as session:
            found += [
                await _database(session, services),
                await _queue(session, services),
                *_calls(services),
                await _judge(session, services),
                *await _notifiers(session, services),
                await _drill(session, services),
            ]
    except Exception as error:  # whatever the database does, this page is where one looks for why
        told = trouble or services.database.trouble or type(error).__name__
        found += [_away(told), *_calls(services)]
    return [*found, _streams(services), _loop(services), _memory(), _configuration(services)]


def overall(found: list[Check]) -> str:
    return LOOK if any(one.todo for one in found) else OK


def _process(services: Services) -> Check:
    began = services.vitals.began
    return Check(
        name="process", title="Service", told=f"version {version('selfwatch')}, bound to {services.settings.host}",
        facts={"version": version("selfwatch"), "started_at": began,
               "uptime_s": round((services.clock() - began).total_seconds(), 3)},
    )  # fmt: skip


def _away(trouble: str) -> Check:
    return Check(
        name="database", title="Database", told=f"cannot be used: {trouble}", facts={"up": False},
        todo="Look at the disk and the file (GET /readyz says the same); it is tried again by itself.",
    )  # fmt: skip


async def _database(session: AsyncSession, services: Services) -> Check:
    if services.database.trouble:
        return _away(services.database.trouble)
    size = await retention_store.size(session)
    report = services.vitals.retention
    most = services.settings.retention_mb * MB
    able = await retention_store.gives_back(session)
    todo = ""
    if report.succeeded is False:
        todo = "Retention failed and is tried again; the log says why (action retention_failed)."
    elif size.used > most:
        todo = "More is in use than retention_mb allows, and no replies are left to take: raise it."
    elif not able:
        todo = "It keeps the space of what was removed: stop the service and run `selfwatch db vacuum` once."
    return Check(
        name="database", title="Database", todo=todo,
        told=f"up; {size.used / MB:,.1f} MB in use, {size.free / MB:,.1f} MB free inside, at most {most / MB:,.0f} MB",
        facts={
            "up": True, "used_bytes": size.used, "free_bytes": size.free, "most_bytes": int(most),
            "kind": make_url(services.settings.sqlalchemy_url()).get_backend_name(),
            "gives_space_back": able, "last_retention_at": report.last_at, "retention_succeeded": report.succeeded,
        },
    )  # fmt: skip


async def _queue(session: AsyncSession, services: Services) -> Check:
    counted = select(RunRow.state, func.count(), func.min(RunRow.created_at)).where(
        RunRow.state.in_(("queued", "running"))
    )
    rows = {state: (count, first) for state, count, first in await session.execute(counted.group_by(RunRow.state))}
    queued, oldest = rows.get("queued", (0, None))
    running = rows.get("running", (0, None))[0]
    waits = oldest is not None and services.clock() - oldest > QUEUE_PATIENCE
    return Check(
        name="queue", title="Runs", told=f"{running} under way, {queued} waiting; {services.settings.workers} workers",
        facts={"running": running, "queued": queued, "oldest_queued_at": oldest, "workers": services.settings.workers},
        todo="Runs wait for a worker for over 10 minutes: raise `workers`, or ask less often (a paused endpoint's runs "
        "wait too)." if waits else "",
    )  # fmt: skip


def _calls(services: Services) -> list[Check]:
    since = services.connectivity.offline_since()
    return [
        Check(
            name="network", title="Network", told=services.connectivity.describe(), facts={"offline_since": since},
            todo="Nothing can be reached from here: check the network. What is missed runs once when it is back."
            if since else "",
        )
    ]  # fmt: skip


async def _judge(session: AsyncSession, services: Services) -> Check:
    if services.vitals.judge is None:
        return Check(
            name="judge", title="Judge", told="none is configured, so harm is not measured",
            facts={"configured": False},
            todo="Set SELFWATCH_JUDGE_BASE_URL (and SELFWATCH_JUDGE_MODEL, SELFWATCH_JUDGE_API_KEY), then restart.",
        )  # fmt: skip
    problem = services.judge_gate.problem if services.judge_gate else None
    agreement, at = await _agreement(session, services)
    floor = services.settings.judge_floor
    facts = {
        "configured": True, "model": services.settings.judge_model, "agreement": agreement, "floor": floor,
        "checked_at": at, "problem": str(problem.reason) if problem else None,
    }  # fmt: skip
    told = f"{services.settings.judge_model}; " + (
        "not checked yet" if agreement is None else f"agreement {agreement:.2f}, at least {floor:g} is needed"
    )
    todo = ""
    if problem is not None:
        told, todo = f"{told}; {problem.detail}", problem.remedy
    elif agreement is not None and agreement < floor:
        todo = "It no longer grades as agreed, so harm is not measured: the runbook JudgeMoved says what to do."
    return Check(name="judge", title="Judge", told=told, facts=facts, todo=todo)


async def _agreement(session: AsyncSession, services: Services) -> tuple[float | None, datetime | None]:
    """Of this process's last check; else of the newest run that has one."""
    last = services.vitals.judge() if services.vitals.judge else None
    if last is not None:
        return last.examination.agreement, last.at
    query = select(RunRow.judge, RunRow.finished_at).where(RunRow.judge.is_not(None), RunRow.finished_at.is_not(None))
    row = (await session.execute(query.order_by(RunRow.id.desc()).limit(1))).first()
    return ((row[0] or {}).get("agreement"), row[1]) if row else (None, None)


async def _notifiers(session: AsyncSession, services: Services) -> list[Check]:
    unsettled = await deliveries.unsettled(session)
    last = dict(
        (
            await session.execute(
                select(DeliveryRow.notifier, func.max(DeliveryRow.delivered_at)).group_by(DeliveryRow.notifier)
            )
        ).all()
    )
    return [_notifier(name, unsettled, last.get(name)) for name in services.vitals.notifiers] or [
        Check(
            name="notifiers", title="Notifiers", told="none is configured: nobody is told of an alert",
            todo="Add `notifiers` to the config file and restart; docs/alerts.md has examples.",
        )
    ]  # fmt: skip


def _notifier(name: str, unsettled: Mapping[tuple[str, str], int], last: datetime | None) -> Check:
    pending, dead = unsettled.get((name, "pending"), 0), unsettled.get((name, "dead"), 0)
    return Check(
        name=f"notifier {name}", title=f"Notifier {name}", told=f"{pending} waiting, {dead} given up",
        facts={"pending": pending, "dead": dead, "last_delivered_at": last},
        todo="Some notices were given up: see why, and send them again, at /alerts/deliveries." if dead else "",
    )  # fmt: skip


async def _drill(session: AsyncSession, services: Services) -> Check:
    rows = await drills.recent(session, 1)
    if not rows:
        return Check(
            name="drill", title="Fire drill", told="none has been held",
            todo="Hold one at /alerts/deliveries: it shows that an alarm would reach you.",
        )  # fmt: skip
    return _last_drill(drills.drill_of(rows[0]), services.clock())


def _last_drill(drill: Drill, now: datetime) -> Check:
    facts = {"state": drill.state, "endpoint": drill.endpoint, "at": drill.finished_at or drill.started_at}
    todo = ""
    if drill.state == "failed":
        todo = f"The last one failed: {drill.reason}"
    elif drill.finished_at is not None and now - drill.finished_at > OLD_DRILL:
        todo = "The last one is over three months old: hold another at /alerts/deliveries, or schedule them (`drills`)."
    return Check(
        name="drill", title="Fire drill", told=f"the last one ({drill.persona} on {drill.endpoint}): {drill.state}",
        facts=facts, todo=todo,
    )  # fmt: skip


def _streams(services: Services) -> Check:
    used, most = services.events.streams, services.settings.event_streams
    return Check(
        name="event_streams", title="Event streams", told=f"{used} of {most} in use",
        facts={"used": used, "most": most},
        todo="Nearly all are in use: raise `event_streams`, or close readers that are forgotten."
        if used >= FULL_SHARE * most else "",
    )  # fmt: skip


def _loop(services: Services) -> Check:
    late_s, busy_s = services.vitals.lag.longest
    return Check(
        name="event_loop", title="Event loop",
        told=f"woke at most {late_s * 1000:.0f} ms late in the last 5 minutes, {busy_s * 1000:.0f} ms of it at work",
        facts={"late_max_s": round(late_s, 6), "busy_max_s": round(busy_s, 6)},
        todo=("The machine is crowded: give the service more of a core." if busy_s < LATE_LOOP_S / 2
              else "One thing held up all others: lower `workers`, or report it with the log.")
        if late_s > LATE_LOOP_S else "",
    )  # fmt: skip


def _memory() -> Check:
    used = resident_bytes()
    return Check(
        name="memory", title="Memory", told="not told by this system" if used is None else f"{used / MB:,.0f} MB",
        facts={"resident_bytes": used},
        todo="More than 1 GB: lower `workers` or `event_streams`, or report it with the number of endpoints."
        if used is not None and used > BIG_MEMORY_BYTES else "",
    )  # fmt: skip


def _configuration(services: Services) -> Check:
    file = services.settings.file
    return Check(
        name="configuration", title="Configuration",
        told=f"from {file}" if file else "no config file: flags and SELFWATCH_* variables only",
        facts={"file": str(file.resolve()) if file else None, "data_dir": str(services.settings.data_dir.resolve())},
    )  # fmt: skip
