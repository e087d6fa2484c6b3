"""The outbox consumer, many channels and rounds: order, and that no channel delays another."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pytest

from alerts.dispatch import SLOTS, Delivery
from alerts.dispatch_memory import EntryState, MemoryOutbox
from alerts.types import AlertState, DeliveryError, Notice
from tests.unit.alerts.channels import Clock, Scripted, dispatcher, hanging, memory, pair
from tests.unit.alerts.facts import AT, notice


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox()


async def test_a_resolved_never_overtakes_its_firing(outbox: MemoryOutbox, clock: Clock) -> None:
    fired, cleared = pair()
    other, _ = pair("other-bot")
    failures = [DeliveryError("503", retryable=True)] * 2

    def act(message: Notice) -> None:
        if message == fired and failures:
            raise failures.pop()

    channel = Scripted(act)
    for message in (fired, cleared, other):
        outbox.add("chat", message, AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    await sender.run_once()
    assert channel.got == [other]  # another alert on the same channel is not held up
    for _ in range(5):
        clock.pass_s(5)
        await sender.run_once()
    assert channel.got == [other, fired, cleared]


async def test_a_resolved_that_comes_later_waits_for_its_firing_too(outbox: MemoryOutbox, clock: Clock) -> None:
    fired, cleared = pair()
    channel = await memory(fail_first=1)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    outbox.add("chat", fired, AT)
    await sender.run_once()
    outbox.add("chat", cleared, AT)
    assert await sender.run_once() == 0
    clock.pass_s(2)
    assert await sender.run_once() == 2
    assert channel.notices == [fired, cleared]


async def test_a_resolved_goes_out_after_its_firing_was_given_up(outbox: MemoryOutbox, clock: Clock) -> None:
    fired, cleared = pair()

    def act(message: Notice) -> None:
        if message == fired:
            raise DeliveryError("404", retryable=False)

    channel = Scripted(act)
    outbox.add("chat", fired, AT)
    outbox.add("chat", cleared, AT)
    assert await dispatcher(outbox, clock, notifiers={"chat": channel}).run_once() == 2
    assert channel.got == [cleared]


async def test_a_hanging_channel_delays_no_other_within_one_round(outbox: MemoryOutbox, clock: Clock) -> None:
    arrived: asyncio.Queue[Notice] = asyncio.Queue()
    for number in range(20):
        outbox.add("stuck", notice(endpoint=f"bot-{number}"), AT)
    outbox.add("chat", notice(), AT)
    notifiers = {"stuck": hanging(), "chat": Scripted(arrived.put_nowait)}
    working = asyncio.create_task(dispatcher(outbox, clock, notifiers=notifiers).run_once())
    async with asyncio.timeout(2):
        assert await arrived.get() == notice()
    assert not working.done()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    # cut short by us, not failed: each comes again when its lease runs out
    stuck = [entry for entry in outbox.entries if entry.delivery.notifier == "stuck"]
    assert all((entry.error, entry.delivery.attempt) == (None, 0) for entry in stuck)


async def test_a_hanging_channel_delays_no_later_round_either(outbox: MemoryOutbox, clock: Clock) -> None:
    arrived: asyncio.Queue[Notice] = asyncio.Queue()
    stuck = hanging()
    notifiers = {"stuck": stuck, "chat": Scripted(arrived.put_nowait)}
    sender = dispatcher(outbox, clock, notifiers=notifiers, deadline_s=0.5)
    stop = asyncio.Event()
    working = asyncio.create_task(sender.run(stop, poll_s=0.01))
    async with asyncio.timeout(5):
        for number in range(5):
            outbox.add("stuck", notice(endpoint=f"stuck-{number}"), AT)
            outbox.add("chat", notice(endpoint=f"bot-{number}"), AT)
            assert (await arrived.get()).endpoint == f"bot-{number}"
        assert all(entry.error is None for entry in outbox.entries)  # nothing has even timed out yet
        while any(entry.leased_until is None for entry in outbox.entries if entry.delivery.notifier == "stuck"):
            await asyncio.sleep(0.005)
        stop.set()
        await working
    assert [entry.error for entry in outbox.entries if entry.delivery.notifier == "stuck"] == [
        "no answer within 0.5 s"
    ] * 5


async def test_a_channel_claims_no_more_than_it_can_send_at_once(outbox: MemoryOutbox, clock: Clock) -> None:
    in_flight = most = 0

    async def slow() -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        leased = [entry for entry in outbox.entries if entry.leased_until is not None]
        assert len(leased) <= SLOTS  # whatever waits for a slot waits in the outbox, where another process may take it
        await asyncio.sleep(0.01)
        in_flight -= 1

    for number in range(3 * SLOTS + 2):
        outbox.add("chat", notice(endpoint=f"bot-{number}"), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": Scripted(lambda _: slow())})
    assert await sender.run_once() == 3 * SLOTS + 2
    assert most == SLOTS
    assert all((entry.error, entry.delivery.attempt) == (None, 1) for entry in outbox.entries)


async def test_a_few_hanging_sends_leave_the_other_slots_of_the_channel_working(
    outbox: MemoryOutbox, clock: Clock
) -> None:
    arrived: asyncio.Queue[Notice] = asyncio.Queue()

    async def act(message: Notice) -> None:
        if message.endpoint == "stuck":
            await asyncio.sleep(3600)
        arrived.put_nowait(message)

    outbox.add("chat", notice(endpoint="stuck"), AT)
    stop = asyncio.Event()
    sender = dispatcher(outbox, clock, notifiers={"chat": Scripted(act)}, deadline_s=1)
    working = asyncio.create_task(sender.run(stop, poll_s=0.01))
    async with asyncio.timeout(5):
        for number in range(5):
            await asyncio.sleep(0.02)  # the stuck one is all that the channel has in flight
            outbox.add("chat", notice(endpoint=f"bot-{number}"), AT)
            assert (await arrived.get()).endpoint == f"bot-{number}"
        assert outbox.entries[0].error is None
        stop.set()
        await working


class Forgetful(Scripted):
    """A notifier whose receiver wants to be told again every minute, and of the end for two minutes."""

    def repeat_after_s(self, message: Notice, told_for_s: float) -> float | None:
        return 60.0 if message.status is AlertState.FIRING or told_for_s < 120 else None


async def test_a_receiver_that_forgets_is_told_again_until_it_is_over(outbox: MemoryOutbox, clock: Clock) -> None:
    fired, cleared = pair()
    down: list[DeliveryError] = []

    def act(_: Notice) -> None:
        if down:
            raise down.pop()

    channel = Forgetful(act)
    sender = dispatcher(outbox, clock, notifiers={"am": channel})
    outbox.add("am", fired, AT)
    for minute in range(10):
        down += [DeliveryError("503", retryable=True)] * (minute == 4)
        await sender.run_once()
        clock.pass_s(60)
    assert channel.got == [fired] * 9  # one was lost while the receiver was down; the next told the same
    assert (outbox.entries[0].delivery.attempt, outbox.entries[0].state) == (1, EntryState.DELIVERED)
    outbox.add("am", cleared, clock())
    for _ in range(10):
        await sender.run_once()
        clock.pass_s(60)
    assert channel.got == [fired] * 9 + [cleared] * 3
    assert {message.idempotency_key for message in channel.got} == {"support-bot-1", "support-bot-2"}


async def test_repeats_end_with_their_notifier(outbox: MemoryOutbox, clock: Clock) -> None:
    outbox.add("am", notice(), AT)
    await dispatcher(outbox, clock, notifiers={"am": Forgetful(lambda _: None)}).run_once()
    clock.pass_s(60)
    await dispatcher(outbox, clock, notifiers={}).run_once()
    assert outbox.entries[0].repeat_at is None
    assert "no notifier is named 'am'" in str(outbox.entries[0].error)


@dataclass
class FailingOutbox(MemoryOutbox):
    """An outbox whose database is away for the first few calls."""

    failures: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        if self.failures > 0:
            self.failures -= 1
            raise OSError("the database is away")
        return await super().claim(now, notifier, limit)


async def test_the_loop_survives_an_outbox_that_cannot_be_read(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outbox = FailingOutbox(failures=3)
    outbox.add("chat", notice(), AT)
    arrived: asyncio.Queue[Notice] = asyncio.Queue()
    stop = asyncio.Event()
    sender = dispatcher(outbox, clock, notifiers={"chat": Scripted(arrived.put_nowait)})
    working = asyncio.create_task(sender.run(stop, poll_s=0.01))
    async with asyncio.timeout(5):
        assert await arrived.get() == notice()
        stop.set()
        await working
    assert [getattr(record, "action", "") for record in caplog.records].count("outbox_failed") == 3


class ForgetfulOutbox(MemoryOutbox):
    """An outbox that loses its database between a send and its record, once."""

    forgot = False

    async def delivered(self, delivery: Delivery, now: datetime, repeat_at: datetime | None = None) -> None:
        if not self.forgot:
            self.forgot = True
            raise OSError("the database is away")
        await super().delivered(delivery, now, repeat_at)


async def test_a_send_that_could_not_be_recorded_is_repeated_under_the_same_key(clock: Clock) -> None:
    outbox, channel = ForgetfulOutbox(), await memory()
    outbox.add("chat", notice(), AT)
    sender = dispatcher(outbox, clock, notifiers={"chat": channel})
    assert await sender.run_once() == 0
    clock.pass_s(61)
    assert await sender.run_once() == 1
    assert [message.idempotency_key for message in channel.notices] == [notice().idempotency_key] * 2


async def test_a_stop_lets_what_is_in_flight_arrive(outbox: MemoryOutbox, clock: Clock) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await may_end.wait()

    channel = Scripted(lambda _: slow())
    outbox.add("chat", notice(), AT)
    stop = asyncio.Event()
    working = asyncio.create_task(dispatcher(outbox, clock, notifiers={"chat": channel}).run(stop, poll_s=0.01))
    async with asyncio.timeout(5):
        await begun.wait()
        stop.set()
        may_end.set()
        await working
    assert channel.got == [notice()]
