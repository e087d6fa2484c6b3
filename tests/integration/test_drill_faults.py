"""Fire drills while the database fails: no simulated alert is left standing, and no drill is left running."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.drills import Drills
from service.storage.drills import Drill
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live

LOCKED_S = 0.4
"""Longer than the busy timeout of these tests: whoever wants to write meanwhile is refused."""


class Lock:
    """Locks the database for a moment, from another connection, once `drill` has come to `stage`."""

    def __init__(self, service: Live, stage: str) -> None:
        self._file = service.services.settings.data_dir / "selfwatch.db"
        self._stage = stage
        self.drill: Drill | None = None
        self.taken = False

    def __call__(self) -> None:
        if self.taken or self.drill is None or self._stage not in self.drill.stages:
            return
        self.taken = True
        other = sqlite3.connect(self._file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(LOCKED_S, other.close)


def drills_of(service: Live, changed: Callable[[], None] = lambda: None) -> Drills:
    """Drills on the service's own parts. `changed`: called after each of their commits."""
    own = service.services
    return Drills(
        database=own.database, alerting=own.alerting, false_alarms=own.false_alarms, schedule=None,
        public_url="http://here", clock=own.clock, changed=changed,
    )  # fmt: skip


async def over(service: Live, drill: Drill) -> dict[str, Any]:
    """The drill as it is stored once it is no longer running, or after ten seconds."""
    for _ in range(200):
        found: dict[str, Any] = await service.get(f"/api/v1/drills/{drill.id}")
        if found["state"] != "running":
            break
        await asyncio.sleep(0.05)
    return found


async def told(receiver: FakeOpenAI, count: int) -> list[str]:
    """What has arrived, once there are `count`, or after five seconds."""
    for _ in range(100):
        if len(receiver.requests) >= count:
            break
        await asyncio.sleep(0.05)
    return [one["status"] for one in receiver.requests]


@pytest.mark.parametrize("stage", ["detected", "fired", "cleared"])
async def test_a_drill_outlasts_a_locked_database_and_is_cleared(
    tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.engine.BUSY_TIMEOUT_MS", 50)
    receiver = FakeOpenAI()
    async with (
        listening(receiver) as hook,
        live(tmp_path, notifiers={"hook": {"kind": "webhook", "url": f"{hook}/x"}}) as service,
    ):
        await service.register()
        lock = Lock(service, stage)
        drills = drills_of(service, lock)
        lock.drill = await drills.begin("prod", "misaligned")
        found = await over(service, lock.drill)
        await drills.stop()
        assert lock.taken
        assert (found["state"], found["reason"]) == ("succeeded", None)
        assert await told(receiver, 2) == ["firing", "resolved"]


async def test_a_clear_that_cannot_be_written_is_made_good_when_the_drill_ends(tmp_path: Path) -> None:
    """Not because of the database's state: then trying again would not help."""
    receiver = FakeOpenAI()
    async with (
        listening(receiver) as hook,
        live(tmp_path, notifiers={"hook": {"kind": "webhook", "url": f"{hook}/x"}}) as service,
    ):
        await service.register()
        async with service.services.database.write() as session:
            await session.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON flips "
                    "WHEN NEW.after = 'resolved' AND NEW.id NOT LIKE '%-left' "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        drills = drills_of(service)
        drill = await drills.begin("prod", "misaligned")
        found = await over(service, drill)
        await drills.stop()
        assert found["state"] == "failed"
        assert "unexpected IntegrityError" in found["reason"]
        assert "clear_queued" not in [one["stage"] for one in found["stages"]], "it was not"
        assert await told(receiver, 2) == ["firing", "resolved"]


async def test_a_drill_that_fails_while_the_database_is_locked_still_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.storage.engine.BUSY_TIMEOUT_MS", 50)
    async with live(tmp_path, routes=[{"match": {"severity": "critical"}, "notifiers": []}]) as service:
        await service.register()
        lock = Lock(service, "fired")  # the next that it does is to fail, since nobody is told
        drills = drills_of(service, lock)
        lock.drill = await drills.begin("prod", "misaligned")
        found = await over(service, lock.drill)
        await drills.stop()
        assert lock.taken
        assert found["state"] == "failed"
        assert found["reason"].startswith("no notifier is told")
        await service.services.ticker.tick()
        (alert,) = (await service.get("/api/v1/alerts?state=firing"))["alerts"]
        assert alert["rule"] == "DrillFailed"
