"""The outbox consumer, one channel at a time: what is delivered, retried and given up."""

import asyncio
import logging
import random
from datetime import timedelta

import pytest

from alerts.dispatch import Backoff
from alerts.dispatch_memory import EntryState, MemoryOutbox
from alerts.types import DeliveryError, Notifier
from tests.unit.alerts.channels import Clock, dispatcher, hanging, memory, raising
from tests.unit.alerts.facts import AT, notice


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


async def test_a_due_notice_is_delivered_once(outbox: MemoryOutbox, clock: Clock) -> None:
    channel = await memory()
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    assert await sender.run_once() == 1
    assert await sender.run_once() == 0
    assert channel.notices == [notice()]
    assert outbox.entry(delivery).state is EntryState.DELIVERED


async def test_nothing_is_sent_before_it_is_due(outbox: MemoryOutbox, clock: Clock) -> None:
    channel = await memory()
    outbox.add("chat", notice(), AT + timedelta(seconds=5))
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    assert await sender.run_once() == 0
    clock.pass_s(5)
    assert await sender.run_once() == 1
    assert len(channel.notices) == 1


async def test_a_momentary_failure_loses_nothing(outbox: MemoryOutbox, clock: Clock) -> None:
    channel = await memory(fail_first=3)
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    for _ in range(3):
        await sender.run_once()
        assert channel.notices == []
        assert outbox.entry(delivery).error == "memory fails as it was told to"
        clock.pass_s((outbox.entry(delivery).next_at - clock()).total_seconds())
    await sender.run_once()
    assert channel.notices == [notice()]
    assert outbox.entry(delivery).delivery.attempt == 4


async def test_the_waits_grow(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": raising(DeliveryError("503", retryable=True))})
    waits = []
    for _ in range(16):
        await sender.run_once()
        waits.append((outbox.entry(delivery).next_at - clock()).total_seconds())
        clock.pass_s(waits[-1])
    for number, wait in enumerate(waits):
        assert min(3600, 2**number) * 0.8 <= max(wait, 1) <= min(3600, 2**number * 1.2)
    assert waits[0] >= 1.0
    assert waits[-1] <= 3600


async def test_the_wish_of_the_server_is_honoured_up_to_an_hour(outbox: MemoryOutbox, clock: Clock) -> None:
    for asked_s, expected_s in [(120.0, 120.0), (1e9, 3600.0)]:
        delivery = outbox.add(f"chat-{asked_s}", notice(), AT)
        slow_down = raising(DeliveryError("429", retryable=True, retry_after_s=asked_s))
        await dispatcher(outbox, clock, notifiers={delivery.notifier: slow_down}).run_once()
        assert outbox.entry(delivery).next_at == clock() + timedelta(seconds=expected_s)


async def test_it_gives_up_after_a_day_and_says_why(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": raising(DeliveryError("answered 503", retryable=True))})
    while outbox.entry(delivery).state is EntryState.WAITING:
        clock.now = max(clock.now, outbox.entry(delivery).next_at)
        assert await sender.run_once() == 1
    assert outbox.entry(delivery).error == "gave up after 36 attempts; the last: answered 503"
    assert timedelta(hours=20) < clock() - AT < timedelta(hours=26)


async def test_what_cannot_succeed_is_not_tried_again(outbox: MemoryOutbox, clock: Clock) -> None:
    channel = await memory(fail_first=1, retryable=False)
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    await sender.run_once()
    clock.pass_s(90_000)
    assert await sender.run_once() == 0
    assert channel.attempts == 1
    assert (outbox.entry(delivery).state, outbox.entry(delivery).error) == (
        EntryState.DEAD,
        "memory fails as it was told to",
    )


async def test_an_unknown_notifier_is_told_with_the_known_ones(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("pager", notice(), AT)
    await dispatcher(outbox, clock, notifiers={"chat": await memory()}).run_once()
    assert outbox.entry(delivery).state is EntryState.DEAD
    assert outbox.entry(delivery).error == ("no notifier is named 'pager' (configured: chat); add it to the notifiers")


async def test_a_faulty_notifier_is_retried_and_its_text_kept_out(
    outbox: MemoryOutbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = outbox.add("chat", notice(), AT)
    outbox.add("log", notice(), AT)
    channel = await memory()
    broken = raising(RuntimeError("https://user:hunter2@chat.example/"))
    with caplog.at_level(logging.DEBUG):
        assert await dispatcher(outbox, clock, notifiers={"chat": broken, "log": channel}).run_once() == 2
    entry = outbox.entry(delivery)
    assert entry.state is EntryState.WAITING
    assert entry.error is not None
    assert entry.error.startswith("unexpected RuntimeError at channels.py:")
    assert "hunter2" not in entry.error + caplog.text
    assert channel.notices == [notice()]


async def test_a_library_that_cancels_itself_stops_nobody(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    assert await dispatcher(outbox, clock, notifiers={"chat": raising(asyncio.CancelledError())}).run_once() == 1
    assert str(outbox.entry(delivery).error).startswith("unexpected CancelledError")


async def test_a_timeout_of_the_notifier_itself_is_not_taken_for_ours(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    await dispatcher(outbox, clock, notifiers={"chat": raising(TimeoutError())}).run_once()
    assert str(outbox.entry(delivery).error).startswith("unexpected TimeoutError")


async def test_every_send_has_a_deadline(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": hanging()}, deadline_s=0.05)
    async with asyncio.timeout(5):
        assert await sender.run_once() == 1
    assert outbox.entry(delivery).error == "no answer within 0.05 s"
    assert outbox.entry(delivery).delivery.attempt == 1


async def test_each_outcome_is_logged_with_a_stable_action(
    outbox: MemoryOutbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    notifiers: dict[str, Notifier] = {
        "good": await memory(),
        "late": raising(DeliveryError("503", retryable=True)),
        "gone": raising(DeliveryError("404", retryable=False)),
    }
    for name in notifiers:
        outbox.add(name, notice(), AT)
    with caplog.at_level(logging.INFO, logger="selfwatch.alerts.dispatch"):
        await dispatcher(outbox, clock, notifiers=notifiers).run_once()
    actions = {record.__dict__["notifier"]: record.__dict__["action"] for record in caplog.records}
    assert actions == {"good": "notice_delivered", "late": "notice_retry", "gone": "notice_dead"}


@pytest.mark.parametrize("attempt", [1, 2, 5, 12, 13, 36, 5000])
def test_the_wait_stays_within_its_bounds(attempt: int) -> None:
    waits = [Backoff().delay_s(attempt, random.Random(seed)) for seed in range(200)]
    assert min(waits) >= 1.0
    assert max(waits) <= 3600.0
    assert len(set(waits)) > 50  # spread, so that channels do not retry in step


async def test_a_longer_error_is_cut(outbox: MemoryOutbox, clock: Clock) -> None:
    delivery = outbox.add("chat", notice(), AT)
    await dispatcher(
        outbox, clock, notifiers={"chat": raising(DeliveryError("x" * 9000, retryable=True))}, backoff=Backoff()
    ).run_once()
    assert len(str(outbox.entry(delivery).error)) == 500
