"""Alerting over a real database, with a clock, a network and slots that the test sets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from alerts.types import Facts, Offline, Skip
from baselines.types import Verdict
from service.alert_facts import Surroundings
from service.alert_policy import Policy, policy_of
from service.alerting import Alerting
from service.settings import load
from service.storage.engine import Database
from service.storage.schema import AlertRow, DeliveryRow, EndpointRow, SilenceRow
from service.ticker import Ticker
from tests.support.database import NOW, open_database
from tests.unit.alerts.facts import both, facts


@dataclass
class Desk:
    """Alerting over a real database, with a clock that is set by hand."""

    database: Database
    alerting: Alerting
    now: datetime = NOW
    offline: Offline | None = None
    skips: dict[int, Skip] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        async def skips(_session: Any) -> dict[int, Skip]:
            return self.skips

        async def drills(_session: Any, _now: datetime) -> None:
            return None

        self.ticker = Ticker(
            database=self.database, alerting=self.alerting, clock=lambda: self.now, changed=lambda: None,
            surroundings=Surroundings(offline=lambda: self.offline, skips=skips), drills=drills,
        )  # fmt: skip

    async def run(self, endpoint: EndpointRow, **changes: Any) -> None:
        """A run ends."""
        self.runs += 1
        seen: Facts = facts(
            **{"endpoint": endpoint.name, "run_id": f"run-{self.runs}", "at": self.now, "labels": endpoint.labels}
            | changes
        )
        async with self.database.write() as session:
            await self.alerting.evaluate(session, endpoint, seen)

    async def later(self, **span: float) -> None:
        """Time passes, and the clock looks."""
        self.now += timedelta(**span)
        await self.ticker.tick()

    async def sent(self) -> list[str]:
        """What was put into the outbox so far, such as `ops firing BehaviourDrift`; each is taken out."""
        async with self.database.write() as session:
            rows = (await session.scalars(select(DeliveryRow).where(DeliveryRow.state == "pending"))).all()
            for row in rows:
                row.state = "delivered"
            return sorted(f"{row.notifier} {row.notice['status']} {row.notice['rule']}" for row in rows)

    async def notices(self) -> list[dict[str, Any]]:
        async with self.database.read() as session:
            return list(await session.scalars(select(DeliveryRow.notice).order_by(DeliveryRow.id)))

    async def states(self, subject: str = "prod") -> dict[str, str]:
        async with self.database.read() as session:
            rows = await session.scalars(select(AlertRow).where(AlertRow.subject == subject))
            return {row.rule: row.state for row in rows if row.state != "inactive"}

    def again(self, **changes: Any) -> "Desk":
        """The same after a restart, perhaps with another policy."""
        policy = changes.pop("policy", self.alerting.policy)
        alerting = Alerting(policy=policy, public_url="http://here")
        return Desk(
            database=self.database, alerting=alerting, now=self.now, offline=self.offline, runs=self.runs, **changes
        )


def policy(**settings: Any) -> Policy:
    """As a config file says it."""
    return policy_of(load(None, **{"notifiers": {"ops": {"kind": "log"}}, "remind_after": None} | settings))


@asynccontextmanager
async def desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    async with open_database(folder) as database:
        yield Desk(database=database, alerting=Alerting(policy=policy(**settings), public_url="http://here"))


HARM: dict[str, Any] = {"verdict": Verdict.BEHAVIOUR_SHIFT, "arms": both(behaviour=True)}
DOWN: dict[str, Any] = {"endpoint_problem": "unreachable", "verdict": None, "arms": {}, "invalid_share": None}


async def silence(at: Desk, until: datetime, **match: Any) -> None:
    async with at.database.write() as session:
        session.add(
            SilenceRow(
                id=f"s{until:%H%M}",
                match=match,
                starts_at=at.now,
                ends_at=until,
                who="me",
                comment="c",
                created_at=at.now,
            )
        )
