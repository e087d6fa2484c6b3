"""RunOverdue tells that nobody looks, and not that something else is known to keep runs from being made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from alerts.types import Offline, Skip
from service.storage.schema import CounterRow, EndpointRow, ScheduleRow
from tests.support.database import add_endpoint
from tests.support.desk import DOWN, HARM, Desk, desk
from tests.support.live import live


async def watched(at: Desk, name: str = "prod") -> EndpointRow:
    """An endpoint with a heartbeat every quarter of an hour."""
    endpoint = await add_endpoint(at.database, name)
    async with at.database.write() as session:
        row = ScheduleRow(endpoint_id=endpoint.id, plan="heartbeat", spec="PT15M", next_due=at.now, since=at.now)
        session.add(row)
    return endpoint


async def succeeded(at: Desk, endpoint: EndpointRow) -> None:
    """A heartbeat has, just now."""
    now: datetime = at.now
    async with at.database.write() as session:
        values = {"endpoint_id": endpoint.id, "name": "last_success", "label": "heartbeat", "label2": ""}
        await session.merge(CounterRow(**values, value=now.timestamp()))
    await at.run(endpoint)


async def test_a_budget_that_is_used_up_till_midnight_is_told_once_and_nobody_is_woken_after_it(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        prod = await watched(at)
        for slot in range(9):
            at.skips[prod.id] = Skip(slot=str(slot), reason="budget_exhausted", detail="90 of 90 tokens are used today")
            await at.later(minutes=10)
        assert await at.sent() == ["ops firing BudgetExhausted"]
        assert await at.states() == {"BudgetExhausted": "firing"}
        at.skips.clear()
        await at.later(minutes=1)
        await succeeded(at, prod)
        await at.later(seconds=10)
        assert await at.sent() == ["ops resolved BudgetExhausted"]
        assert await at.states() == {"BudgetExhausted": "resolved"}


async def test_after_the_network_is_back_each_endpoint_has_its_grace_to_run(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        fine, dead = await watched(at, "fine"), await watched(at, "dead")
        at.offline = Offline(since=at.now)
        for _ in range(6):
            await at.later(minutes=10)
        assert await at.sent() == ["ops firing WeAreOffline"]
        at.offline = None
        await at.later(seconds=10)
        assert await at.sent() == ["ops resolved WeAreOffline"]
        await at.later(minutes=5)
        await succeeded(at, fine)
        await at.later(minutes=5)
        assert await at.sent() == ["ops firing RunOverdue"]
        assert (await at.notices())[-1]["endpoint"] == "dead"
        assert await at.states("dead") == {"RunOverdue": "firing"}
        await succeeded(at, dead)
        await at.later(seconds=10)
        assert await at.sent() == ["ops resolved RunOverdue"]


async def test_what_was_about_to_fire_begins_anew_when_we_are_online_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await watched(at)
        await at.later(minutes=31)
        assert await at.states() == {"RunOverdue": "pending"}
        at.offline = Offline(since=at.now)
        await at.later(hours=1)
        at.offline = None
        await at.later(seconds=10)
        assert await at.states() == {"RunOverdue": "pending"}
        await at.later(minutes=10)
        assert await at.states() == {"RunOverdue": "firing"}


async def test_one_that_was_told_already_is_not_taken_back_by_going_offline(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await watched(at)
        await at.later(minutes=31)
        await at.later(minutes=10)
        assert await at.sent() == ["ops firing RunOverdue"]
        at.offline = Offline(since=at.now)
        await at.later(minutes=10)
        assert await at.states() == {"RunOverdue": "firing"}
        assert await at.sent() == ["ops firing WeAreOffline"]


async def test_a_run_by_hand_ends_it_at_once_though_the_newest_slot_was_left_out(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await watched(at)
        at.skips[prod.id] = Skip(slot="9", reason="plan_unknown")
        for _ in range(5):
            await at.later(minutes=10)
        assert await at.sent() == ["ops firing RunOverdue"]
        await succeeded(at, prod)
        await at.later(seconds=10)
        assert await at.sent() == ["ops resolved RunOverdue"]


async def test_a_run_that_ends_an_outage_does_not_tell_that_runs_were_missing(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await watched(at)
        for _ in range(2):
            await at.run(prod, **DOWN)
        for _ in range(6):
            await at.later(minutes=10)
        assert await at.states() == {"EndpointDown": "firing", "RunOverdue": "firing"}
        assert await at.sent() == ["ops firing EndpointDown"]
        await succeeded(at, prod)
        await at.run(prod, **HARM)
        await at.later(seconds=10)
        assert await at.sent() == ["ops firing BehaviourDrift", "ops resolved EndpointDown"]
        assert (await at.states())["RunOverdue"] == "resolved"


async def test_after_a_pause_there_is_as_much_time_as_after_a_registration(tmp_path: Path) -> None:
    """Over real HTTP: a daily plan, paused for three days."""
    passed = timedelta(0)
    async with live(tmp_path, lambda: datetime.now(UTC) + passed) as service:
        await service.register(schedules={"heartbeat": "P1D"})

        async def overdue() -> list[str]:
            await service.services.ticker.tick()
            return [one["state"] for one in (await service.get("/api/v1/alerts"))["alerts"] if "Run" in one["rule"]]

        assert (await service.http.post("/api/v1/endpoints/prod/pause")).status_code == 204
        passed += timedelta(days=3)
        assert (await service.http.post("/api/v1/endpoints/prod/resume")).status_code == 204
        assert await overdue() == []
        passed += timedelta(hours=47)
        assert await overdue() == []
        assert (await service.http.post("/api/v1/endpoints/prod/resume")).status_code == 204
        passed += timedelta(hours=2)
        assert await overdue() == ["pending"], "resuming what is not paused gains no time"
        async with service.services.database.read() as session:
            (since,) = (await session.scalars(select(ScheduleRow.since))).all()
        assert since is not None
        assert timedelta(hours=48) < datetime.now(UTC) + passed - since < timedelta(hours=50)
