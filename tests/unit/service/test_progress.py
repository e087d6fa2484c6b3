"""Pace of runs, and what is told of them, on a real SQLite file."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from service.events import Event, Events, Subscription, Wanted
from service.progress import WINDOW_S, Pace, Progress
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import FlipRow, RunRow
from tests.support.database import NOW, add_endpoint, add_run, open_database


@dataclass
class Clock:
    """A wall clock and a monotonic one, moved together unless told otherwise."""

    at: datetime = NOW
    seconds: float = 100.0
    heard: list[Event] = field(default_factory=list)

    def wall(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


def test_a_rate_is_unknown_at_first_and_then_that_of_the_last_seconds() -> None:
    clock = Clock()
    pace = Pace(clock.monotonic)
    assert pace.rate() is None
    pace.saw(500)  # resumed: what was there before is no pace
    assert pace.rate() is None
    clock.forward(0.5)
    pace.saw(510)
    assert pace.rate() is None
    clock.forward(1.5)
    pace.saw(520)
    assert pace.rate() == pytest.approx(10.0)
    for _ in range(40):  # slower now
        clock.forward(2)
        pace.saw(520)
    assert pace.rate() == 0.0


def test_the_window_forgets() -> None:
    clock = Clock()
    pace = Pace(clock.monotonic)
    for second in range(int(3 * WINDOW_S)):
        pace.saw(second if second < WINDOW_S else int(WINDOW_S + (second - WINDOW_S) * 5))
        clock.forward(1)
    assert pace.rate() == pytest.approx(5.0)


async def _set(database: Database, run: RunRow, **values: Any) -> None:
    async with database.write() as session:
        await session.execute(update(RunRow).where(RunRow.id == run.id).values(**values))


async def _heard(reader: Subscription) -> list[tuple[str, Any]]:
    return [(one.kind, one.data.get("state", one.data.get("rule"))) for one in await reader.take(0.05)]


async def test_each_change_is_told_once_and_the_end_with_verdict_and_flips(tmp_path: Path) -> None:
    clock, events = Clock(), Events(max_streams=4)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        progress = Progress(database=database, events=events, clock=clock.wall, monotonic=clock.monotonic)
        reader = events.subscribe(Wanted())
        run = await add_run(database, endpoint)
        await progress.look()
        await progress.look()
        assert await _heard(reader) == [("progress", "queued")]
        await _set(database, run, state="running", lease="a", answered=3)
        await progress.look()
        await progress.look()
        assert await _heard(reader) == [("progress", "running")]
        await _set(database, run, state="succeeded", verdict="steady", finished_at=NOW)
        async with database.write() as session:
            session.add(
                FlipRow(
                    id="f", endpoint_id=endpoint.id, rule="JudgeDown", severity="ticket", before="inactive",
                    after="pending", at=NOW, run_id=run.id,
                )
            )  # fmt: skip
        await progress.look()
        await progress.look()
        assert await _heard(reader) == [("progress", "succeeded"), ("flip", "JudgeDown"), ("verdict", "succeeded")]


async def test_a_run_that_came_and_went_between_two_looks_is_told(tmp_path: Path) -> None:
    clock, events = Clock(), Events(max_streams=4)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        progress = Progress(database=database, events=events, clock=clock.wall, monotonic=clock.monotonic)
        reader = events.subscribe(Wanted())
        await progress.look()
        clock.forward(3600)
        await progress.look()
        run = await add_run(database, endpoint, at=clock.at)
        await _set(database, run, state="failed", verdict="insufficient_data")
        await progress.look()
        assert [kind for kind, _ in await _heard(reader)] == ["progress", "verdict"]
        clock.forward(-1800)  # the clock is set back: nothing is told again
        await progress.look()
        assert await _heard(reader) == []


async def test_a_cancelled_run_has_no_verdict_and_what_was_over_at_the_start_is_not_told(tmp_path: Path) -> None:
    clock, events = Clock(), Events(max_streams=4)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        old = await add_run(database, endpoint, slot="old")
        await _set(database, old, state="succeeded", verdict="steady")
        progress = Progress(database=database, events=events, clock=clock.wall, monotonic=clock.monotonic)
        reader = events.subscribe(Wanted())
        await progress.start()
        run = await add_run(database, endpoint, slot="new")
        async with database.write() as session:
            await run_store.request_cancel(session, run, NOW)
        progress.changed()
        await progress.look()
        await progress.stop()
        heard = await _heard(reader)
        assert heard[-1] == ("progress", "cancelled")
        assert {kind for kind, _ in heard} == {"progress"}


async def test_a_run_taken_up_again_counts_from_there(tmp_path: Path) -> None:
    clock, events = Clock(), Events(max_streams=4)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        run = await add_run(database, endpoint)
        progress = Progress(database=database, events=events, clock=clock.wall, monotonic=clock.monotonic)

        async def at(answered: int, lease: str, seconds: float) -> dict[str, Any]:
            clock.forward(seconds)
            await _set(database, run, state="running", lease=lease, answered=answered)
            await progress.look()
            async with database.read() as session:
                return progress.of(await session.get_one(RunRow, run.id))

        await at(0, "first", 1)
        assert await at(20, "first", 2) == {"answered": 20, "total": 46, "rate_per_s": 10.0, "eta_s": 2.6}
        taken_up = await at(20, "second", 600)
        assert (taken_up["rate_per_s"], taken_up["eta_s"]) == (None, None)
        assert await at(24, "second", 2) == {"answered": 24, "total": 46, "rate_per_s": 2.0, "eta_s": 11.0}
        stuck = await at(24, "second", 100)
        assert (stuck["rate_per_s"], stuck["eta_s"]) == (0.0, None)
