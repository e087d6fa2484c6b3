"""Fire drills: a marked, simulated misalignment goes the way of a real one, to a receipt, and is cleared again.

Detector and rule work on a simulated stand-in (`service.drill_script`); outbox and notifiers are the real ones. What
arrives says that it is simulated, and carries the label `drill`, so that it is nobody's real alert.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import render
from alerts.match import Subject, notifiers_of
from alerts.state import step
from alerts.types import Alert, AlertState, DrillOutcome, Facts, Flip, Rule
from service import own_baseline, profile_library
from service.alerting import Alerting, runbook_url
from service.drill_notices import closing_flip, resolved_of, undelivered, unseen
from service.drill_script import BASE, MOST_HEARTBEATS, SCRIPTS, Grounds, Stage, at_once, until
from service.false_alarms import FalseAlarms
from service.log import logger
from service.rule_settings import DrillsIn
from service.storage import drills as store
from service.storage import endpoints as endpoint_store
from service.storage.drills import Drill
from service.storage.engine import Database

RECEIPT_S = 120.0
"""So long notifiers may take to deliver, with their retries."""
POLL_S = 0.2
log = logger()


class DrillError(Exception):
    """A drill cannot be begun: the text says why and what to do. `kind`: unknown-endpoint, unknown-persona or busy."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _FailedError(Exception):
    """A stage was not reached."""


class Drills:
    """Begins drills, carries them out one at a time, and knows how the last ones went."""

    def __init__(
        self,
        *,
        database: Database,
        alerting: Alerting,
        false_alarms: FalseAlarms,
        schedule: DrillsIn | None,
        public_url: str,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
        receipt_s: float = RECEIPT_S,
    ) -> None:
        self._database = database
        self._alerting = alerting
        self._false_alarms = false_alarms
        self._schedule = schedule
        self._url = public_url
        self._clock = clock
        self._changed = changed
        self._receipt_s = receipt_s
        self._since = clock()
        self._task: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()

    async def start(self) -> None:
        """Close what the last process left open: no simulated alert may stand for ever."""
        async with self._database.write() as session:
            for row in await store.running(session):
                drill = store.drill_of(row)
                drill.failed("selfwatch was stopped while the drill was going on", self._clock())
                await _close(session, drill, self._clock())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def begin(self, endpoint: str, persona: str, *, origin: str = "requested") -> Drill:
        """A new drill, going on in the background. Raises DrillError."""
        if persona not in SCRIPTS:
            raise DrillError(
                "unknown-persona", f"persona {persona!r} has no drill; known: {', '.join(sorted(SCRIPTS))}"
            )
        async with self._beginning:  # between the look whether one goes on and its task, others have their turn
            if self._task is not None and not self._task.done():
                raise DrillError("busy", "a drill is going on; wait for its end (GET /api/v1/drills)")
            async with self._database.read() as session:
                row = await endpoint_store.by_name(session, endpoint)
            if row is None:
                told = f"there is no endpoint {endpoint!r}; GET /api/v1/endpoints lists them"
                raise DrillError("unknown-endpoint", told)
            now = self._clock()
            drill = Drill(id=secrets.token_hex(8), endpoint=endpoint, persona=persona, origin=origin, started_at=now)
            await self._save(drill)
            self._task = asyncio.create_task(self._carry_out(drill), name=f"drill-{drill.id}")
            return drill

    async def begin_due(self, now: datetime) -> None:
        """Begin the scheduled drill if it is due. One that cannot be begun counts as failed, unless it is for another
        that is going on: then its turn comes afterwards."""
        if self._schedule is None or (self._task is not None and not self._task.done()):
            return
        async with self._database.read() as session:
            last = await store.last_scheduled(session)
            first = next(iter(await endpoint_store.all_endpoints(session)), None)
        if first is None or not store.due(self._schedule.schedule, last, self._since, now):
            return
        endpoint = self._schedule.endpoint or first.name
        try:
            await self.begin(endpoint, self._schedule.persona, origin="scheduled")
        except DrillError as error:
            if error.kind == "busy":
                return
            drill = Drill(
                id=secrets.token_hex(8), endpoint=endpoint, persona=self._schedule.persona, origin="scheduled",
                started_at=now,
            )  # fmt: skip
            drill.failed(str(error), now)
            await self._save(drill)

    async def outcome(self, session: AsyncSession, now: datetime) -> DrillOutcome | None:
        """What the rules may know: how the last drill ended, and whether one is missing."""
        return await store.outcome(session, self._schedule.schedule if self._schedule else None, self._since, now)

    async def _carry_out(self, drill: Drill) -> None:
        try:
            await self._play(drill)
        except asyncio.CancelledError:
            raise  # the next start closes it
        except _FailedError as error:
            drill.failed(str(error), self._clock())
        except Exception as error:  # a fault of ours fails the drill: that is what it is for
            log.exception("drill failed inside selfwatch", action="drill_failed", drill=drill.id)
            drill.failed(f"selfwatch met an unexpected {type(error).__name__}; its log has the details", self._clock())
        else:
            drill.succeeded(self._clock())
        await self._end(drill)
        log.info("drill ended", action="drill_ended", drill=drill.id, state=drill.state, reason=drill.reason)

    async def _play(self, drill: Drill) -> None:
        stage = await self._stage(drill)
        scenes = SCRIPTS[drill.persona]
        for scene in scenes[:-1]:
            async for facts in until(stage, scene.persona, self._rule(scene.rule), held=True):
                last = facts
            if self._rule(scene.rule).holds(last) is not True:
                raise _FailedError(unseen(scene.persona, scene.rule))
        rule = at_once(self._rule(scenes[-1].rule))
        drill.rule = rule.name
        alert = Alert(rule=rule.name, endpoint=drill.endpoint, severity=rule.severity)
        alert, flip, facts = await self._fire(drill, stage, rule, alert)
        targets = self._targets(facts, rule)
        if not targets:
            raise _FailedError(f"no notifier is told of {rule.name}: add one to `notifiers`, or to the route that fits")
        drill.notifiers = targets
        await self._send(drill, flip, rule, facts, "queued")
        await self._receipt(drill, flip.id, "delivered")
        flip, facts = await self._clear(drill, stage, rule, alert)
        await self._send(drill, flip, rule, facts, "clear_queued")
        await self._receipt(drill, flip.id, "clear_delivered")

    async def _fire(self, drill: Drill, stage: Stage, rule: Rule, alert: Alert) -> tuple[Alert, Flip, Facts]:
        scene = SCRIPTS[drill.persona][-1]
        for _ in range(MOST_HEARTBEATS):
            facts = await stage.heartbeat(scene.persona)
            if rule.holds(facts) is True and "detected" not in drill.stages:
                await self._reached(drill, "detected", f"{facts.verdict} after {stage.beats} simulated heartbeats")
            alert, flip = step(alert, rule, facts)
            if flip is not None and flip.after is AlertState.FIRING:
                await self._reached(drill, "fired", f"{rule.name} ({rule.severity})")
                return alert, flip, facts
        raise _FailedError(unseen(scene.persona, rule.name))

    async def _clear(self, drill: Drill, stage: Stage, rule: Rule, alert: Alert) -> tuple[Flip, Facts]:
        """Heartbeats of a steady model, each with evidence of its own, until the state machine resolves."""
        for _ in range(MOST_HEARTBEATS):
            stage.calm()
            facts = await stage.heartbeat(BASE)
            alert, flip = step(alert, rule, facts)
            if flip is not None and flip.after is AlertState.RESOLVED:
                await self._reached(drill, "cleared", f"after {rule.resolve_runs} steady heartbeats")
                return flip, facts
        raise _FailedError(f"{rule.name} did not clear in {MOST_HEARTBEATS} steady heartbeats")

    async def _stage(self, drill: Drill) -> Stage:
        async with self._database.read() as session:
            row = await endpoint_store.by_name(session, drill.endpoint)
            if row is None:
                raise _FailedError(f"the endpoint {drill.endpoint!r} was deleted meanwhile")
            grounds = Grounds(
                endpoint=row.name, labels={**row.labels, "drill": drill.id},
                profiles=await profile_library.resolve(session, row.profiles),
                own=own_baseline.profile(await own_baseline.current(session, row.id)),
                threshold=await self._false_alarms.threshold_log10(session),
            )  # fmt: skip
        return Stage(grounds=grounds, drill_id=drill.id, seed=random.randrange(2**31), began=self._clock())

    def _rule(self, name: str) -> Rule:
        found = self._alerting.rules.get(name)
        if found is None:
            raise _FailedError(f"the rule {name} is turned off, so nobody would hear of it")
        return found

    def _targets(self, facts: Facts, rule: Rule) -> tuple[str, ...]:
        labels = {**facts.labels, **rule.labels}
        subject = Subject(endpoint=facts.endpoint, rule=rule.name, severity=rule.severity, labels=labels)
        policy = self._alerting.policy
        return notifiers_of(subject, policy.routes, policy.notifiers)

    async def _send(self, drill: Drill, flip: Flip, rule: Rule, facts: Facts, stage: str) -> None:
        """Into the outbox, in one transaction with the drill's stage. `drill` learns of it once it is committed: until
        then its alert is as open as it was, and to be closed if nothing else works."""
        labelled = Facts(**{**vars(facts), "labels": {**facts.labels, **rule.labels}})
        links = {
            "endpoint": f"{self._url}/endpoints/{drill.endpoint}", "drill": f"{self._url}/api/v1/drills/{drill.id}",
            "runbook": runbook_url(self._url, rule),
        }  # fmt: skip
        notice = render.notice(flip, rule, labelled, links)
        now = self._clock()
        owed = resolved_of(notice, drill.id) if flip.after is AlertState.FIRING else None
        after = replace(drill, owed=owed, stages=dict(drill.stages))
        after.reach(stage, now, ", ".join(drill.notifiers))

        async def write() -> None:
            async with self._database.write() as session:
                await store.send(session, after, flip, notice, now)
                await store.save(session, after)

        await self._database.persistently(write)
        drill.owed, drill.stages = after.owed, after.stages
        self._changed()

    async def _receipt(self, drill: Drill, flip_id: str, stage: str) -> None:
        """Wait until every notifier has delivered, or has given up."""
        try:
            async with asyncio.timeout(self._receipt_s):
                while True:
                    async with self._database.read() as session:
                        states = await store.receipts(session, flip_id)
                    if all(state != "pending" for state, _ in states.values()):
                        break
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pass
        missing = {name: found for name, found in states.items() if found[0] != "delivered"}
        if missing:
            raise _FailedError(undelivered(missing, self._receipt_s))
        await self._reached(drill, stage, ", ".join(sorted(states)))

    async def _reached(self, drill: Drill, stage: str, detail: str) -> None:
        drill.reach(stage, self._clock(), detail)
        await self._database.persistently(lambda: self._save(drill))

    async def _end(self, drill: Drill) -> None:
        """However long the database is away: a drill that is left running would be seen by nobody."""

        async def write() -> None:
            async with self._database.write() as session:
                await _close(session, drill, self._clock())

        await self._database.persistently(write)
        self._changed()

    async def _save(self, drill: Drill) -> None:
        async with self._database.write() as session:
            await store.save(session, drill)
        self._changed()


async def _close(session: AsyncSession, drill: Drill, now: datetime) -> None:
    """Write how it ended; a simulated alert that is still open is closed with it."""
    if drill.owed is not None:
        await store.send(session, drill, closing_flip(drill.owed), drill.owed, now)
    await store.save(session, replace(drill, owed=None))
