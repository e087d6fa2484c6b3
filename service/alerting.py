"""From what was seen to alert rows, flips and outbox rows, inside the transaction of what was seen.

`survey` decides and writes nothing; `write` stores what was decided. A run's verdict and the clock go the same way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import render, tell
from alerts.custom import CUSTOM_RUNBOOK
from alerts.match import Subject, notifiers_of
from alerts.mute import Firing, Mute, Quiet, explains, mutes_of
from alerts.state import evaluate, flip_id, gone
from alerts.tell import Owed, Why
from alerts.types import INSTALLATION, Alert, AlertState, Facts, Flip, Notice, Rule, Source, Topic
from service.alert_policy import Policy
from service.maintenance import open_now
from service.storage import alerts as store
from service.storage.schema import AlertRow, DeliveryRow, EndpointRow

OPEN = frozenset({AlertState.PENDING, AlertState.FIRING})
"""What a rule that is removed does not leave behind."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """What holds beyond one endpoint: silences and windows, and what explains others for the installation."""

    quiet: Sequence[Quiet] = ()
    installation: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One alert after an evaluation: its transition if any, what is to be told to whom, and why it is muted if so."""

    before: Alert
    alert: Alert
    rule: Rule
    flip: Flip | None = None
    owed: Owed | None = None
    mutes: tuple[Mute, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    renewed: bool = False

    @property
    def matters(self) -> bool:
        return self.before != self.alert or self.owed is not None


class Alerting:
    """Evaluates the rules and writes what changed."""

    def __init__(self, *, policy: Policy, public_url: str) -> None:
        self.policy = policy
        self._url = public_url

    @property
    def rules(self) -> Mapping[str, Rule]:
        return {rule.name: rule for rule in self.policy.rules}

    def adopt(self, policy: Policy) -> None:
        """Go by another policy from now on. Alerts keep their state until they are evaluated under it."""
        self.policy = policy

    async def around(self, session: AsyncSession, now: datetime) -> Around:
        quiet = [*await store.silences(session, now), *open_now(self.policy.windows, now)]
        return Around(quiet=quiet, installation=frozenset(await store.explaining(session, INSTALLATION)))

    async def evaluate(self, session: AsyncSession, endpoint: EndpointRow | None, facts: Facts) -> None:
        """Step every rule with what was seen, and write what follows. `endpoint`: None for the installation."""
        rows = await store.of_subject(session, facts.endpoint)
        changes = self.survey(rows, facts, await self.around(session, facts.at))
        await self.write(session, endpoint.id if endpoint else None, changes, facts)

    def survey(
        self, rows: Mapping[str, AlertRow], facts: Facts, around: Around, *, only: Collection[str] | None = None
    ) -> list[Change]:
        """What the facts make of the alerts of their endpoint. `only`: the rules that look at them; None: all."""
        rules = self.rules
        before = {name: store.alert_of(row) for name, row in rows.items()}
        looking = [rule for rule in self.policy.rules if _looks(rule, facts, before.get(rule.name), only)]
        done = evaluate(looking, before, facts, self.policy.damping)
        flips = {flip.rule: flip for flip in done.flips}
        after = {name: alert for name, alert in before.items() if name in rules} | dict(done.alerts)
        for name, alert in before.items():  # rules that were removed or turned off
            if name not in rules and (alert.state in OPEN or alert.told):
                rules = {**rules, name: _stand_in(alert, rows[name].labels)}
                after[name] = alert
                if alert.state in OPEN:
                    after[name], flips[name] = gone(alert, facts.at)
        firing = {facts.endpoint: {name for name, alert in after.items() if explains(alert)}}
        firing.setdefault(INSTALLATION, set(around.installation))
        fresh = {name: Alert(rule=name, endpoint=facts.endpoint, severity=rules[name].severity) for name in after}
        found = []
        for name, alert in after.items():
            change = Change(before=before.get(name, fresh[name]), alert=alert, rule=rules[name], flip=flips.get(name))
            found.append(self._to_tell(change, facts, around, firing))
        return found

    def _to_tell(self, change: Change, facts: Facts, around: Around, firing: Firing) -> Change:
        """With what is to be told of it, and to whom."""
        alert, rule = change.alert, change.rule
        labels = {**facts.labels, **rule.labels}
        subject = Subject(endpoint=facts.endpoint, rule=rule.name, severity=alert.severity, labels=labels)
        mutes = mutes_of(subject, rule.muted_by, around.quiet, firing)
        known = tuple(name for name in alert.told if name in self.policy.notifiers)
        alert = replace(alert, told=known)
        targets = notifiers_of(subject, self.policy.routes, self.policy.notifiers)
        owed = tell.owed(
            alert, targets, muted=bool(mutes), now=facts.at, remind_after=self.policy.remind_after
        )  # fmt: skip
        if _left_to_the_clock(alert, rule, facts):
            owed = None
        renewed = alert.state is AlertState.FIRING and bool(facts.run_id) and rule.holds(facts) is True
        if owed is not None:
            alert = tell.after(alert, owed, facts.at)
        return replace(change, alert=alert, owed=owed, mutes=mutes, labels=labels, renewed=renewed)

    async def write(
        self, session: AsyncSession, endpoint_id: int | None, changes: Sequence[Change], facts: Facts
    ) -> None:
        """Store what was decided, and put into the outbox what is to be told."""
        for change in changes:
            if not (change.matters or change.renewed):
                continue
            seen = replace(facts, labels=change.labels)
            notice = self._notice(change, seen)
            more: dict[str, Any] = {"labels": dict(change.labels)}
            if notice is not None:
                more["notice"] = render.to_json(notice)
            if change.flip is not None:
                more |= {"run_id": facts.run_id or None, "summary": render.about(change.rule, facts)}
                await store.save_flip(session, change.flip, endpoint_id)
            await store.save(session, change.alert, endpoint_id, **more)
            if change.owed is not None:
                await self._tell(session, endpoint_id, change, seen, notice)

    def _notice(self, change: Change, facts: Facts) -> Notice | None:
        """Worded anew for a transition that is told, and for a run that confirms it; else the old words stand."""
        flip = change.flip
        if flip is not None and flip.notify:
            return render.notice(flip, change.rule, facts, self.links(flip, change.rule))
        if not change.renewed:
            return None
        return self._as_it_stands(change, facts)

    def _as_it_stands(self, change: Change, facts: Facts) -> Notice:
        flip = _standing(change.alert, change.rule, facts)
        found = render.notice(flip, change.rule, facts, self.links(flip, change.rule))
        return replace(found, since=change.alert.since or facts.at) if flip.after is AlertState.FIRING else found

    async def _tell(
        self, session: AsyncSession, endpoint_id: int | None, change: Change, facts: Facts, notice: Notice | None
    ) -> None:
        """One delivery for each notifier that is owed the news."""
        assert change.owed is not None  # noqa: S101 (asked by the caller)
        worded = notice or _read(await store.notice_of(session, change.alert))
        if worded is None or worded.status is not change.owed.status:
            worded = self._as_it_stands(change, facts)
        key = change.alert.flip_id or worded.idempotency_key
        if change.owed.why is Why.REMINDER:
            key = flip_id(
                change.alert.endpoint, change.alert.rule, f"reminder:{facts.at.isoformat()}", AlertState.FIRING
            )
        # a reminder, or a flip whose row retention has removed; a flip of now is there already
        again = replace(_standing(change.alert, change.rule, facts), id=key, run_id="")
        await store.save_flip(session, again, endpoint_id)
        told = replace(tell.worded(worded, change.owed, key, facts.at), idempotency_key=key)
        for name in change.owed.notifiers:
            lane = f"{name}/{change.alert.endpoint}/{change.rule.name}"
            before = _read(await store.last_told(session, lane)) if told.status is AlertState.RESOLVED else None
            payload = render.to_json(tell.known_as(told, before) if before else told)
            session.add(
                DeliveryRow(
                    flip_id=key, notifier=name, lane=lane, notice=payload, state="pending", attempt=0, next_at=facts.at
                )
            )
        await session.flush()

    def links(self, flip: Flip, rule: Rule) -> dict[str, str]:
        """Where to read on."""
        found = {"endpoint": f"{self._url}/endpoints/{flip.endpoint}"} if flip.endpoint else {"page": f"{self._url}/"}
        if flip.run_id:
            found["run"] = f"{self._url}/runs/{flip.run_id}"
        return {**found, "runbook": self.runbook(rule)}

    def runbook(self, rule: Rule) -> str:
        return runbook_url(self._url, rule)


def _looks(rule: Rule, facts: Facts, alert: Alert | None, only: Collection[str] | None) -> bool:
    """Whether a rule has anything to say. By the clock most have not, and there are many endpoints."""
    if only is not None and rule.name not in only:
        return False
    return facts.source in rule.sources or (alert is not None and alert.state is AlertState.PENDING)


def _left_to_the_clock(alert: Alert, rule: Rule, facts: Facts) -> bool:
    """A run may end what mutes an alert that only the clock looks at, and has then often ended its cause too."""
    by_clock = Source.CLOCK in rule.sources and Source.RUN not in rule.sources
    return by_clock and facts.source is Source.RUN and alert.state is AlertState.FIRING


def _read(stored: Mapping[str, Any] | None) -> Notice | None:
    """None for one of a version that wrote them otherwise: it is worded anew, and costs no verdict."""
    try:
        return render.from_json(stored) if stored else None
    except ValueError:
        return None


def runbook_url(url: str, rule: Rule) -> str:
    """The page of a shipped runbook on this service, or a rule's own address."""
    return rule.runbook if "://" in rule.runbook else f"{url}/runbooks/{PurePosixPath(rule.runbook).stem}"


def _standing(alert: Alert, rule: Rule, facts: Facts) -> Flip:
    """The alert's state as a transition into it: what a message about it is worded from."""
    firing = alert.state is AlertState.FIRING
    after = AlertState.FIRING if firing else AlertState.RESOLVED
    key = alert.flip_id or flip_id(alert.endpoint, alert.rule, facts.key, after)
    return Flip(
        id=key, rule=rule.name, endpoint=alert.endpoint, severity=alert.severity, before=AlertState.FIRING, after=after,
        at=facts.at, run_id=facts.run_id, notify=True, since=alert.since,
    )  # fmt: skip


def _stand_in(alert: Alert, labels: Mapping[str, str]) -> Rule:
    """In place of a rule that is no longer there, to close its alert. `labels`: those that the alert had."""

    def unknown(_facts: Facts) -> bool | None:
        return None

    return Rule(
        name=alert.rule, severity=alert.severity, summary="Its rule was removed from the configuration or turned off.",
        runbook=CUSTOM_RUNBOOK, holds=unknown, topic=Topic.INSTALLATION, labels=labels,
    )  # fmt: skip
