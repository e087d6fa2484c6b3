"""Sending again by hand: what would mislead is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from service.storage import deliveries
from service.storage.deliveries import CannotResendError
from tests.support.database import NOW
from tests.unit.service.storage.test_outbox import Fixture, fixture

LATER = NOW + timedelta(hours=1)


async def resend(f: Fixture, delivery_id: int, *, force: bool = False) -> None:
    async with f.database.write() as session:
        found = await deliveries.one(session, delivery_id)
        assert found is not None
        await deliveries.resend(session, found.row, LATER, force=force)


async def dead_firing_and_delivered_resolved(f: Fixture) -> None:
    await f.add("firing")
    (first,) = await f.deliveries()
    await f.outbox.dead(first, "404", NOW)
    await f.add("resolved")
    (second,) = await f.deliveries(1)
    await f.outbox.delivered(second, NOW)


async def test_a_dead_one_gets_all_its_attempts_again(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await f.add("a")
        for _ in range(3):
            (one,) = await f.deliveries()
            await f.outbox.retry(one, "503", NOW)
        (one,) = await f.deliveries()
        await f.outbox.dead(one, "gave up", NOW)
        await resend(f, int(one.id))
        (again,) = await f.deliveries(3600)
        assert (again.attempt, again.notice, again.delivered_at) == (0, one.notice, None)


async def test_a_firing_is_not_sent_after_its_resolved_unless_forced(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await dead_firing_and_delivered_resolved(f)
        with pytest.raises(
            CannotResendError, match="a later notice of the same alert, delivery 2, has arrived"
        ) as told:
            await resend(f, 1)
        assert told.value.later == 2
        assert await f.claim(7200) == []
        await resend(f, 1, force=True)
        assert await f.claim(7200) == ["firing"]


async def test_of_another_alert_what_has_arrived_does_not_matter(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await f.add("a", rule="A")
        (one,) = await f.deliveries()
        await f.outbox.dead(one, "404", NOW)
        await f.add("b", rule="B")
        (two,) = await f.deliveries(1)
        await f.outbox.delivered(two, NOW)
        await resend(f, 1)
        assert await f.claim(3600) == ["a"]


async def test_what_is_sent_again_is_not_counted_as_dead_any_more(tmp_path: Path) -> None:
    async with fixture(tmp_path) as f:
        await f.add("a")
        await f.add("p", notifier="pager")
        for one in await f.deliveries():
            await f.outbox.dead(one, "404", NOW)
        async with f.database.read() as session:
            assert await deliveries.unsettled(session) == {("chat", "dead"): 1, ("pager", "dead"): 1}
        await resend(f, 1)
        async with f.database.read() as session:
            assert await deliveries.unsettled(session) == {("chat", "pending"): 1, ("pager", "dead"): 1}


async def test_a_burst_is_settled_with_each_outcome_right(tmp_path: Path) -> None:
    """Many at once share commits; every one must still get what is its own."""
    import asyncio

    async with fixture(tmp_path) as f:
        for number in range(30):
            await f.add(f"k{number}", rule=f"r{number}")
        claimed = await f.deliveries()
        repeat = NOW + timedelta(minutes=1)
        await asyncio.gather(
            *(f.outbox.delivered(one, NOW, repeat) for one in claimed[0::3]),
            *(f.outbox.retry(one, f"503 {one.id}", NOW + timedelta(minutes=5)) for one in claimed[1::3]),
            *(f.outbox.dead(one, f"404 {one.id}", NOW) for one in claimed[2::3]),
        )
        async with f.database.read() as session:
            rows = {row.row.id: row.row for row in await deliveries.page(session, limit=99)}
        for position, one in enumerate(claimed):
            row = rows[int(one.id)]
            assert (row.attempt, row.lease_until) == (1, None)
            state = ("delivered", "pending", "dead")[position % 3]
            error = (None, f"503 {one.id}", f"404 {one.id}")[position % 3]
            assert (row.state, row.last_error) == (state, error)
            assert (row.repeat_at == repeat) is (state == "delivered")
