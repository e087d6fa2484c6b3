"""The gate to a server: places, paces, pauses, and turns for everyone."""

import asyncio
import contextlib
import time
from collections import Counter

import pytest

from probes.breaker import Breaker
from probes.gate import Gate, Pacing
from probes.types import CallError, Problem, Reason, Reply


def reply(latency_s: float = 0.01, tokens: int = 0) -> Reply:
    return Reply(text="x", latency_s=latency_s, prompt_tokens=tokens, completion_tokens=0)


def error(reason: Reason, retry_after_s: float | None = None) -> CallError:
    return CallError(Problem(reason=reason, detail="d", remedy="r"), retry_after_s=retry_after_s)


async def fail(gate: Gate, reason: Reason, retry_after_s: float | None = None) -> None:
    async def put() -> Reply:
        raise error(reason, retry_after_s)

    with contextlib.suppress(CallError):
        await gate.ask("", put)


class Server:
    """Answers after a while; knows how many calls were at it at once."""

    def __init__(self, latency_s: float = 0.01, tokens: int = 0) -> None:
        self.latency_s = latency_s
        self.tokens = tokens
        self.busy = self.most = 0
        self.at: list[float] = []

    async def put(self) -> Reply:
        self.at.append(time.monotonic())
        self.busy += 1
        self.most = max(self.most, self.busy)
        await asyncio.sleep(self.latency_s)
        self.busy -= 1
        return reply(self.latency_s, self.tokens)


async def test_no_more_at_once_than_allowed() -> None:
    gate, server = Gate(Pacing(concurrency=3)), Server()
    await asyncio.gather(*(gate.ask("", server.put) for _ in range(20)))
    assert server.most == 3
    assert gate.traffic.under_way == gate.traffic.waiting == 0


async def test_a_place_is_held_until_the_turn_is_over() -> None:
    gate, server = Gate(Pacing(concurrency=1)), Server()
    kept = asyncio.Event()

    async def first() -> None:
        async with gate.turn() as turn:
            await turn.call(server.put)
            await kept.wait()  # the answer is being stored

    task = asyncio.create_task(first())
    second = asyncio.create_task(gate.ask("", server.put))
    await asyncio.sleep(0.05)
    assert len(server.at) == 1
    kept.set()
    await asyncio.gather(task, second)
    assert len(server.at) == 2


async def test_a_long_queue_does_not_hold_up_a_short_one() -> None:
    """A run of 200 questions and then one of 5: the 5 come in turn, not after the 200."""
    gate, server = Gate(Pacing(concurrency=2)), Server(0.002)
    done: list[str] = []

    async def ask(tenant: str) -> None:
        await gate.ask(tenant, server.put)
        done.append(tenant)

    long = [asyncio.create_task(ask("long")) for _ in range(200)]
    await asyncio.sleep(0)
    short = [asyncio.create_task(ask("short")) for _ in range(5)]
    await asyncio.gather(*short)
    assert Counter(done)["long"] <= 20
    await asyncio.gather(*long)
    assert Counter(done) == {"long": 200, "short": 5}


async def test_requests_a_minute_are_spaced_over_all_tenants() -> None:
    gate, server = Gate(Pacing(concurrency=8, requests_per_minute=1200)), Server(0)
    await asyncio.gather(*(gate.ask(str(n), server.put) for n in range(9)))
    gaps = [after - before for before, after in zip(server.at, server.at[1:], strict=False)]
    assert server.at[-1] - server.at[0] >= 8 * 0.05 * 0.99
    assert min(gaps) >= 0.03, "evenly, not in bursts"


async def test_tokens_a_minute_are_kept_once_they_are_known() -> None:
    """60,000 tokens a minute and 100 a call: ten calls a second after the burst that is allowed."""
    gate, server = Gate(Pacing(concurrency=4, tokens_per_minute=60_000)), Server(0.001, tokens=5000)
    began = time.monotonic()
    await asyncio.gather(*(gate.ask("", server.put) for _ in range(4)))  # 20,000 tokens at once: 20 s worth
    assert time.monotonic() - began < 2
    late = asyncio.create_task(gate.ask("", server.put))
    await asyncio.sleep(0.3)
    assert len(server.at) == 4
    assert gate.traffic.waiting == 1
    late.cancel()


async def test_retry_after_holds_every_call() -> None:
    gate, server = Gate(Pacing(concurrency=4)), Server(0)
    await fail(gate, Reason.RATE_LIMITED, 0.3)
    began = time.monotonic()
    assert 0 < gate.traffic.held_s <= 0.3
    await asyncio.gather(*(gate.ask("", server.put) for _ in range(3)))
    assert min(server.at) - began >= 0.25


async def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for() -> None:
    gate, server = Gate(), Server(0)
    await fail(gate, Reason.RATE_LIMITED, 3600)
    with pytest.raises(CallError) as caught:
        await gate.ask("", server.put)
    assert caught.value.problem.reason is Reason.RATE_LIMITED
    assert not caught.value.sent
    assert "36" in caught.value.problem.detail
    assert server.at == []


async def test_those_who_wait_already_are_turned_away_as_well() -> None:
    """They would wait until the server may be asked again, or their run's deadline, whichever comes first."""
    gate, server = Gate(Pacing(concurrency=1)), Server(0)

    async def put() -> Reply:
        await asyncio.sleep(0.02)
        raise error(Reason.RATE_LIMITED, 600)

    first = asyncio.create_task(gate.ask("", put))
    await asyncio.sleep(0.005)
    waiting = [asyncio.create_task(gate.ask(str(n % 2), server.put)) for n in range(6)]
    async with asyncio.timeout(5):
        found = await asyncio.gather(first, *waiting, return_exceptions=True)
    assert all(isinstance(one, CallError) and one.problem.reason is Reason.RATE_LIMITED for one in found)
    assert [one.sent for one in found[1:] if isinstance(one, CallError)] == [False] * 6
    assert server.at == []
    assert gate.traffic.under_way == gate.traffic.waiting == 0


async def test_overloads_narrow_the_window_and_success_widens_it() -> None:
    gate, server = Gate(Pacing(concurrency=64)), Server(0.001)
    await fail(gate, Reason.SERVER_ERROR)
    assert gate.traffic.window == 4
    await fail(gate, Reason.BAD_REQUEST)
    assert gate.traffic.window == 4, "our own mistake is no overload"
    await asyncio.gather(*(gate.ask("", server.put) for _ in range(200)))
    assert gate.traffic.window > 8


async def test_the_window_doubles_each_round_while_others_wait() -> None:
    gate, server = Gate(Pacing(concurrency=100)), Server(0.05)
    tasks = [asyncio.create_task(gate.ask("", server.put)) for _ in range(400)]
    await asyncio.gather(*tasks)
    rounds = 1 + max(round((at - server.at[0]) / 0.05) for at in server.at)
    assert server.most == 100
    assert rounds <= 16, "8, 16, 32, 64, 100, 100, ... with room for a slow machine"


async def test_who_gives_up_waiting_leaves_no_hole() -> None:
    gate, server = Gate(Pacing(concurrency=1)), Server(0.02)
    tasks = [asyncio.create_task(gate.ask("", server.put)) for _ in range(6)]
    await asyncio.sleep(0.005)
    for task in tasks[1:4]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, Reply) for one in found] == [True, False, False, False, True, True]
    assert gate.traffic.under_way == 0


async def test_cancelling_at_every_moment_never_loses_a_place() -> None:
    gate, server = Gate(Pacing(concurrency=2)), Server(0.001)
    for attempt in range(60):
        tasks = [asyncio.create_task(gate.ask(str(n % 3), server.put)) for n in range(8)]
        for _turn in range(attempt % 12):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.traffic.under_way == 0
        assert gate.traffic.waiting == 0


async def test_new_limits_hold_for_those_who_wait() -> None:
    gate, server = Gate(Pacing(concurrency=1)), Server(0.05)
    tasks = [asyncio.create_task(gate.ask("", server.put)) for _ in range(3)]
    await asyncio.sleep(0.01)
    gate.pace(Pacing(concurrency=1, requests_per_minute=60_000))
    await asyncio.gather(*tasks)
    assert server.most == 1
    assert gate.most == 1


async def test_a_breaker_refuses_without_asking_and_lets_one_try_after_its_rest() -> None:
    now = 0.0
    gate, server = Gate(Pacing(concurrency=8), breaker=Breaker(), clock=lambda: now), Server(0)
    for _ in range(5):
        await fail(gate, Reason.SERVER_ERROR)
    with pytest.raises(CallError) as caught:
        await gate.ask("", server.put)
    assert not caught.value.sent
    assert server.at == []
    now = 31.0
    await fail(gate, Reason.SERVER_ERROR)  # the one that may try
    with pytest.raises(CallError):
        await gate.ask("", server.put)
    now = 31.0 + 61.0
    assert [isinstance(await gate.ask("", server.put), Reply) for _ in range(3)] == [True] * 3
