"""What every outbox keeps: the dispatcher rests on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from alerts import render
from alerts.dispatch import MIN_LEASE_S, Delivery, Outbox
from alerts.dispatch_memory import MemoryOutbox
from alerts.types import AlertState, Notice
from service.storage.outbox import LEASE, DatabaseOutbox
from service.storage.schema import DeliveryRow, FlipRow
from tests.support.database import NOW, add_endpoint, open_database
from tests.unit.alerts.facts import notice

Add = Callable[[str, Notice, datetime], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Store:
    """An outbox, and a way to put notices in."""

    outbox: Outbox
    insert: Add
    lease_s: float

    async def add(
        self, key: str, *, notifier: str = "chat", rule: str = "R", status: str = "firing", seconds: float = 0
    ) -> None:
        told = notice(idempotency_key=key, rule=rule, status=AlertState(status))
        await self.insert(notifier, told, NOW + timedelta(seconds=seconds))

    async def claim(self, seconds: float = 0) -> list[str]:
        """The keys of all that is due, leased."""
        return [delivery.notice.idempotency_key for delivery in await self.deliveries(seconds)]

    async def deliveries(self, seconds: float = 0, limit: int = 99) -> list[Delivery]:
        now = NOW + timedelta(seconds=seconds)
        return [one for name in sorted(await self.outbox.due(now)) for one in await self.outbox.claim(now, name, limit)]


@asynccontextmanager
async def in_memory(_folder: Path) -> AsyncIterator[Store]:
    outbox = MemoryOutbox()

    async def insert(notifier: str, told: Notice, at: datetime) -> None:
        outbox.add(notifier, told, at)

    yield Store(outbox=outbox, insert=insert, lease_s=MIN_LEASE_S)


@asynccontextmanager
async def in_database(folder: Path) -> AsyncIterator[Store]:
    async with open_database(folder) as database:
        endpoint = await add_endpoint(database)

        async def insert(notifier: str, told: Notice, at: datetime) -> None:
            flip = FlipRow(
                id=told.idempotency_key + notifier, endpoint_id=endpoint.id, rule=told.rule, severity="critical",
                before="inactive", after=str(told.status), at=at, run_id="r",
            )  # fmt: skip
            payload = render.to_json(told)
            async with database.write() as session:
                session.add(flip)
                await session.flush()
                session.add(
                    DeliveryRow(
                        flip_id=flip.id, notifier=notifier, lane=f"{notifier}/prod/{told.rule}", notice=payload,
                        state="pending", next_at=at,
                    )
                )  # fmt: skip

        yield Store(outbox=DatabaseOutbox(database, lambda: None), insert=insert, lease_s=LEASE.total_seconds())


@pytest.fixture(params=[in_memory, in_database], ids=["memory", "database"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with request.param(tmp_path) as made:
        yield made


async def test_the_notice_comes_out_as_it_went_in(store: Store) -> None:
    await store.add("a")
    (delivery,) = await store.deliveries()
    assert delivery.notice == notice(idempotency_key="a", rule="R")
    assert (delivery.notifier, delivery.attempt) == ("chat", 0)


async def test_the_oldest_comes_first_and_what_is_not_due_waits(store: Store) -> None:
    for key in ("c", "a", "b"):
        await store.add(key, rule=key)
    await store.add("later", rule="later", seconds=9)
    assert await store.claim() == ["c", "a", "b"]
    assert await store.claim(9) == ["later"]


async def test_what_is_claimed_is_leased_and_comes_back_without_an_attempt_counted(store: Store) -> None:
    assert store.lease_s >= MIN_LEASE_S
    await store.add("a")
    assert await store.claim() == ["a"]
    assert await store.claim(store.lease_s - 1) == []
    (again,) = await store.deliveries(store.lease_s + 1)
    assert again.attempt == 0


@pytest.mark.parametrize("settle", ["delivered", "dead"])
async def test_what_is_settled_never_comes_again_and_its_lane_goes_on(store: Store, settle: str) -> None:
    await store.add("a")
    (delivery,) = await store.deliveries()
    await store.add("b")
    if settle == "delivered":
        await store.outbox.delivered(delivery, NOW)
    else:
        await store.outbox.dead(delivery, "404: no such hook", NOW)
    assert await store.claim(10**6) == ["b"]


async def test_a_retry_is_due_at_its_time_with_one_attempt_more(store: Store) -> None:
    await store.add("a")
    for attempt in (1, 2):
        (delivery,) = await store.deliveries(30 * (attempt - 1))
        await store.outbox.retry(delivery, "503", NOW + timedelta(seconds=30 * attempt))
        assert await store.claim(30 * attempt - 1) == []
    (again,) = await store.deliveries(60)
    assert again.attempt == 2


async def test_a_later_one_of_the_lane_waits_for_the_earlier(store: Store) -> None:
    await store.add("a")
    (delivery,) = await store.deliveries()
    await store.add("b")
    assert await store.claim() == []
    await store.outbox.retry(delivery, "503", NOW + timedelta(seconds=30))
    assert await store.claim(29) == []
    assert await store.claim(30) == ["a"]


@pytest.mark.parametrize(("notifier", "rule"), [("pager", "R"), ("chat", "EndpointDown")])
async def test_other_lanes_do_not_wait(store: Store, notifier: str, rule: str) -> None:
    await store.add("a", seconds=3600)
    await store.add("b", notifier=notifier, rule=rule)
    assert await store.claim() == ["b"]


async def test_one_channel_is_claimed_alone_and_no_more_than_asked_for(store: Store) -> None:
    for number in range(5):
        await store.add(f"c{number}", rule=f"r{number}")
    await store.add("p", notifier="pager")
    assert set(await store.outbox.due(NOW)) == {"chat", "pager"}
    assert [d.notice.idempotency_key for d in await store.outbox.claim(NOW, "chat", 2)] == ["c0", "c1"]
    assert [d.notice.idempotency_key for d in await store.outbox.claim(NOW, "chat", 2)] == ["c2", "c3"]
    assert [d.notice.idempotency_key for d in await store.outbox.claim(NOW, "pager", 2)] == ["p"]
    assert await store.outbox.due(NOW) == {"chat"}
    assert await store.outbox.claim(NOW, "nobody", 9) == []


async def test_a_repeat_is_due_at_its_time_as_often_as_it_is_told(store: Store) -> None:
    await store.add("a")
    (first,) = await store.deliveries()
    await store.outbox.delivered(first, NOW, NOW + timedelta(seconds=60))
    assert await store.claim(59) == []
    (again,) = await store.deliveries(60)
    assert (again.notice.idempotency_key, again.delivered_at, again.attempt) == ("a", NOW, 1)
    assert await store.claim(61) == []  # leased
    await store.outbox.repeated(again, NOW + timedelta(seconds=120), "503")
    assert await store.claim(119) == []
    (third,) = await store.deliveries(120)
    await store.outbox.repeated(third, None)
    assert await store.claim(10**6) == []


async def test_a_later_notice_ends_the_repeats_of_the_earlier_and_waits_for_one_under_way(store: Store) -> None:
    await store.add("firing")
    (first,) = await store.deliveries()
    await store.outbox.delivered(first, NOW, NOW + timedelta(seconds=60))
    (repeat,) = await store.deliveries(60)
    await store.add("resolved", status="resolved", seconds=60)
    assert await store.claim(61) == []  # the repeat is on its way: the resolved would overtake it
    await store.outbox.repeated(repeat, NOW + timedelta(seconds=120))
    assert await store.claim(61) == ["resolved"]
    assert await store.claim(62 + store.lease_s) == ["resolved"]  # and never the firing again


async def told_and_to_be_repeated(store: Store, seconds: float = 60) -> None:
    await store.add("firing")
    (first,) = await store.deliveries()
    await store.outbox.delivered(first, NOW, NOW + timedelta(seconds=seconds))


async def test_a_reminder_that_waits_or_is_given_up_does_not_end_the_repeats(store: Store) -> None:
    """The receiver forgets what it is not told again: it would take the alert for over while it fires."""
    await told_and_to_be_repeated(store)
    await store.add("reminder", seconds=60)
    (reminder,) = await store.deliveries(60)  # alone: two of a lane are never under way together
    assert reminder.notice.idempotency_key == "reminder"
    assert await store.claim(61) == []
    await store.outbox.retry(reminder, "503", NOW + timedelta(seconds=3600))
    (repeat,) = await store.deliveries(62)
    assert repeat.notice.idempotency_key == "firing"
    await store.outbox.repeated(repeat, NOW + timedelta(seconds=120))
    (reminder,) = await store.deliveries(3600)
    await store.outbox.dead(reminder, "404", NOW + timedelta(seconds=3600))
    assert await store.claim(3601) == ["firing"]


async def test_a_reminder_that_has_arrived_is_repeated_in_place_of_the_firing(store: Store) -> None:
    await told_and_to_be_repeated(store)
    await store.add("reminder", seconds=30)
    (reminder,) = await store.deliveries(30)
    await store.outbox.delivered(reminder, NOW, NOW + timedelta(seconds=90))
    assert await store.claim(89) == []
    assert await store.claim(90) == ["reminder"]


@pytest.mark.parametrize("settle", ["retry", "dead"])
async def test_what_is_over_is_not_repeated_as_firing_though_its_end_has_not_arrived(store: Store, settle: str) -> None:
    await told_and_to_be_repeated(store)
    await store.add("resolved", status="resolved", seconds=30)
    (resolved,) = await store.deliveries(30)
    if settle == "retry":
        await store.outbox.retry(resolved, "503", NOW + timedelta(seconds=3600))
    else:
        await store.outbox.dead(resolved, "404", NOW)
    assert await store.claim(100) == []
