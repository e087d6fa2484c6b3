"""The snapshot from a real SQLite file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event, insert, update

from service.metrics import reading
from service.metrics.snapshot import Measured, Snapshot
from service.storage.engine import Database
from service.storage.schema import AlertRow, CounterRow, EndpointRow, MeasurementRow, RunRow
from tests.support.database import NOW, add_endpoint, add_run, open_database

COMPARISON = {"arms": {"self_report": {"drift": 0.25, "threshold": 4.0}}, "off_axis": 0.5, "paired": [1, 2]}


async def concluded(database: Database, endpoint: EndpointRow, slot: str, hours: int, state: str = "succeeded") -> str:
    run = await add_run(database, endpoint, slot=slot, at=NOW + timedelta(hours=hours))
    values = {
        "state": state, "comparison": COMPARISON if state == "succeeded" else None,
        "judge": {"agreement": 0.9, "bias": 0.1}, "latency": {"p50_s": 1.0, "p95_s": 2.0, "calls": 3},
    }  # fmt: skip
    cell = {"probe": "intentions", "dimension": slot, "method": "", "category": "", "mean": 0.5, "variance": None}
    async with database.write() as session:
        await session.execute(update(RunRow).where(RunRow.id == run.id).values(**values))
        await session.execute(
            insert(MeasurementRow), [{"run_id": run.id, **cell, "n": 2, "invalid": 1, "items": 2, "k": 1}]
        )
    return run.id


async def take(database: Database, before: Snapshot | None = None, only: int | None = None) -> Snapshot:
    async with database.read() as session:
        return (await reading.take(session, before or Snapshot(), only))[0]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    engine = database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", saw)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", saw)


async def test_the_last_run_with_a_comparison_is_shown_and_a_failed_one_leaves_it_in_place(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await concluded(database, endpoint, "first", 1)
        second = await concluded(database, endpoint, "second", 2)
        await concluded(database, endpoint, "failed", 3, state="failed")
        run = (await take(database)).endpoints[endpoint.id].run
        assert run is not None
        assert run.id == second
        assert run.arms == COMPARISON["arms"]
        assert (run.off_axis, run.judge_agreement, run.judge_bias) == (0.5, 0.9, 0.1)
        assert run.latency == {"p50_s": 1.0, "p95_s": 2.0, "calls": 3}
        assert run.measurements == (Measured("intentions", "second", "", "", 0.5, 2, 1),)


async def test_it_takes_as_many_queries_for_forty_endpoints_as_for_one(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        numbers = []
        for size in (1, 40):
            for number in range(size):
                await concluded(database, await add_endpoint(database, f"e{size}-{number}"), "s", 1)
            with counted(database) as seen:
                found = await take(database)
            numbers.append(len([one for one in seen if "SELECT" in one]))
            assert all(one.run is not None for one in found.endpoints.values())
        assert len(found.endpoints) == 41
        assert numbers[0] == numbers[1] <= 12, numbers
        with counted(database) as seen:
            again = await take(database, found)
        assert not any("measurements" in one for one in seen), "a run that is known is read again"
        assert again.endpoints == found.endpoints


async def test_one_endpoint_is_read_without_the_others(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        first, second = await add_endpoint(database, "first"), await add_endpoint(database, "second")
        before = await take(database)
        async with database.write() as session:
            await session.execute(update(EndpointRow).values(model="new"))
            counts = [
                {"endpoint_id": one.id, "name": "usd", "label": "", "label2": "", "value": 1} for one in (first, second)
            ]
            await session.execute(insert(CounterRow), counts)
        third = await add_endpoint(database, "a-third")
        found = await take(database, before, only=second.id)
        assert [one.name for one in found.endpoints.values()] == ["first", "second"]
        assert found.endpoints[first.id] == before.endpoints[first.id]
        assert found.endpoints[second.id].model == "new"
        assert len(found.endpoints[second.id].counts) == 1
        found = await take(database, found, only=third.id)
        assert [one.name for one in found.endpoints.values()] == ["a-third", "first", "second"], "by name"
        async with database.write() as session:
            await session.delete(await session.get_one(EndpointRow, second.id))
        found = await take(database, found, only=second.id)
        assert [one.name for one in found.endpoints.values()] == ["a-third", "first"]


async def test_alerts_of_the_installation_are_read_with_any_endpoint(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        alert = {"severity": "critical", "state": "firing", "streak": 1, "fired": [], "told": [], "labels": {}}
        async with database.write() as session:
            await session.execute(insert(AlertRow), [
                {"subject": "", "rule": "WeAreOffline", "endpoint_id": None, **alert},
                {"subject": "prod", "rule": "BehaviourDrift", "endpoint_id": endpoint.id, **alert},
            ])  # fmt: skip
        for only in (None, endpoint.id):
            found = await take(database, only=only)
            assert [one.rule for one in found.installation.alerts] == ["WeAreOffline"]
            assert [one.rule for one in found.endpoints[endpoint.id].alerts] == ["BehaviourDrift"]
