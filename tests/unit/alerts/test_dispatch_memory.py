"""The in-memory outbox keeps the promises that the dispatcher rests on."""

from datetime import timedelta

import pytest

from alerts.dispatch import MIN_LEASE_S, Delivery
from alerts.dispatch_memory import EntryState, MemoryOutbox
from tests.unit.alerts.facts import AT, notice


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


async def test_the_oldest_comes_first(outbox: MemoryOutbox) -> None:
    added = [outbox.add("chat", notice(endpoint=name), AT) for name in ("c", "a", "b")]
    assert await outbox.claim(AT) == added


async def test_what_is_claimed_is_leased(outbox: MemoryOutbox) -> None:
    delivery = outbox.add("chat", notice(), AT)
    assert await outbox.claim(AT) == [delivery]
    assert await outbox.claim(AT + timedelta(seconds=MIN_LEASE_S - 1)) == []


async def test_a_lease_that_runs_out_counts_no_attempt(outbox: MemoryOutbox) -> None:
    outbox.add("chat", notice(), AT)
    await outbox.claim(AT)
    (again,) = await outbox.claim(AT + timedelta(seconds=MIN_LEASE_S))
    assert again.attempt == 0


async def test_a_retry_is_due_at_its_time_with_one_attempt_more(outbox: MemoryOutbox) -> None:
    delivery = outbox.add("chat", notice(), AT)
    await outbox.claim(AT)
    await outbox.retry(delivery, "503", AT + timedelta(seconds=2))
    assert await outbox.claim(AT + timedelta(seconds=1)) == []
    (again,) = await outbox.claim(AT + timedelta(seconds=2))
    assert (again.id, again.attempt) == (delivery.id, 1)
    assert outbox.entry(delivery).error == "503"


@pytest.mark.parametrize("settle", ["delivered", "dead"])
async def test_what_is_settled_never_comes_again(outbox: MemoryOutbox, settle: str) -> None:
    delivery = outbox.add("chat", notice(), AT)
    await outbox.claim(AT)
    if settle == "delivered":
        await outbox.delivered(delivery, AT)
    else:
        await outbox.dead(delivery, "404")
    assert outbox.entry(delivery).state is EntryState(settle)
    assert await outbox.claim(AT + timedelta(days=365)) == []


async def test_a_later_one_of_the_lane_waits_for_the_earlier(outbox: MemoryOutbox) -> None:
    first = outbox.add("chat", notice(), AT)
    await outbox.claim(AT)
    second = outbox.add("chat", notice(idempotency_key="b"), AT)
    assert await outbox.claim(AT) == []
    await outbox.retry(first, "503", AT + timedelta(seconds=9))
    assert await outbox.claim(AT + timedelta(seconds=8)) == []
    claimed = await outbox.claim(AT + timedelta(seconds=9))
    assert [delivery.id for delivery in claimed] == [first.id, second.id]


async def test_a_lane_goes_on_after_a_delivery_was_given_up(outbox: MemoryOutbox) -> None:
    first = outbox.add("chat", notice(), AT)
    await outbox.claim(AT)
    second = outbox.add("chat", notice(idempotency_key="b"), AT)
    await outbox.dead(first, "404")
    assert await outbox.claim(AT) == [second]


@pytest.mark.parametrize(
    ("notifier", "changes"), [("mail", {}), ("chat", {"endpoint": "other"}), ("chat", {"rule": "EndpointDown"})]
)
async def test_other_lanes_do_not_wait(outbox: MemoryOutbox, notifier: str, changes: dict[str, str]) -> None:
    outbox.add("chat", notice(), AT + timedelta(hours=1))
    other = outbox.add(notifier, notice(**changes), AT)
    assert await outbox.claim(AT) == [other]


def test_a_lane_is_notifier_endpoint_and_rule() -> None:
    delivery = Delivery(id="1", notifier="chat", notice=notice())
    assert delivery.lane == ("chat", "support-bot", "BehaviourDrift")
