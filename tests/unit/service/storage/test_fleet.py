"""All endpoints at a glance, from a real SQLite file."""

from datetime import timedelta
from pathlib import Path

from service.storage import endpoints as endpoint_store
from service.storage import fleet, results
from tests.support.database import NOW, add_endpoint, add_run, open_database
from tests.support.fleet import Told, add
from tests.unit.service.test_metrics_reading import counted

TREND = [(0.01 * at, 0.02 * at) for at in range(40)]


async def test_an_endpoint_is_listed_with_the_drift_of_its_last_run_that_told_it(tmp_path: Path) -> None:
    told = [
        Told(name="zeta", model="v/m", verdict="steady", labels={"team": "a"}, drifts=[(0.1, 0.2), (0.3, None), None]),
        Told(name="alpha", paused=True, simulated=True, down=True),
    ]
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            await add(session, told, NOW)
        async with database.read() as session:
            alpha, zeta = await fleet.listings(session)
    assert (zeta.name, zeta.model, zeta.verdict, zeta.labels) == ("zeta", "v/m", "steady", {"team": "a"})
    assert (zeta.self_report, zeta.behaviour) == (0.3, None)
    assert zeta.last_run_at == NOW - timedelta(minutes=5), "of the run that failed"
    assert (alpha.paused, alpha.simulated, alpha.down) == (True, True, True)
    assert (alpha.verdict, alpha.self_report, alpha.last_run_at) == (None, None, None)


async def test_drifts_are_those_of_the_last_runs_of_each_endpoint_oldest_first(tmp_path: Path) -> None:
    told = [
        Told(name="many", drifts=TREND),
        Told(name="few", drifts=[(0.5, None), None, (0.7, 0.1)]),
        Told(name="none"),
        Told(name="other", drifts=[(9.0, 9.0)]),
    ]
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            many, few, none, _other = await add(session, told, NOW)
        async with database.read() as session:
            found = await fleet.drifts(session, [many, few, none], 30)
    assert found == {many: TREND[-30:], few: [(0.5, None), (0.7, 0.1)], none: []}


async def test_it_takes_as_many_queries_for_forty_endpoints_as_for_one(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        numbers = []
        for start, size in ((0, 1), (1, 39)):
            async with database.write() as session:
                await add(session, [Told(name=f"e{start + n}", drifts=TREND[:3]) for n in range(size)], NOW)
            async with database.read() as session:
                with counted(database) as seen:
                    ids = [one.id for one in await fleet.listings(session)]
                    trends = await fleet.drifts(session, ids, 30)
                    last = await endpoint_store.last_runs(session, ids)
                    newest = await results.newest_concluded(session, ids)
                    active = await endpoint_store.active_runs(session, ids)
            numbers.append(sum("SELECT" in one for one in seen))
            assert all(len(trend) == 3 for trend in trends.values())
            assert [run.slot for run in last.values()] == ["s2"] * len(ids)
            assert all(newest[one].comparison for one in ids), "whole, though it was read before without details"
            assert active == {}
        assert numbers == [5, 5]


async def test_of_the_runs_that_wait_the_one_that_is_going_on_is_shown(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint, other = await add_endpoint(database), await add_endpoint(database, "other")
        running = await add_run(database, endpoint, slot="a")
        await add_run(database, endpoint, slot="b", at=NOW + timedelta(hours=1))
        waiting = await add_run(database, other, slot="c")
        async with database.write() as session:
            run = await session.merge(running)
            run.state = "running"
        async with database.read() as session:
            active = await endpoint_store.active_runs(session, [endpoint.id, other.id])
            assert {one.id for one in active.values()} == {running.id, waiting.id}
            assert await endpoint_store.active_runs(session, [99]) == {}
            assert await endpoint_store.last_runs(session, [endpoint.id]) == {}
