"""A real outbox file, a real receiver, and hours that pass in a moment: whatever the receiver does, nothing is lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from alerts import render
from alerts.dispatch import SLOTS, Backoff, Dispatcher
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build
from alerts.types import Notifier
from service.storage.engine import Database
from service.storage.outbox import DatabaseOutbox
from service.storage.schema import DeliveryRow, FlipRow
from tests.support.database import NOW, add_endpoint, open_database
from tests.unit.alerts.channels import Clock
from tests.unit.alerts.facts import notice

FLIPS = 20


class Faulty:
    """A receiver on a raw socket that does what `mode` says. `got`: the idempotency key of every request."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.got: list[str] = []
        self.accepted: list[str] = []
        self.url = ""
        self._server: asyncio.Server | None = None
        self._port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = head.split("Idempotency-Key: ")[1].split("\r\n")[0]
            await reader.readexactly(int(head.split("Content-Length: ")[1].split("\r\n")[0]))
            self.got.append(key)
            await self._answer(key, writer)
        except asyncio.IncompleteReadError:
            return  # a sender that gave up
        finally:
            writer.transport.abort()

    async def _answer(self, key: str, writer: asyncio.StreamWriter) -> None:
        if self.mode == "hang":
            await asyncio.sleep(1)  # five times what the sender waits
        elif self.mode == "drop":
            return
        elif self.mode == "500":
            writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        else:
            self.accepted.append(key)
            if self.mode == "accept, then drop":  # it has the message, and the sender never learns of it
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()


@dataclass(kw_only=True)
class Post:
    """An outbox in a file, its dispatcher, and the clock of both."""

    database: Database
    clock: Clock
    receiver: Faulty
    dispatcher: Dispatcher
    endpoint_id: int

    async def add(self, number: int, status: str = "firing", notifier: str = "hook") -> str:
        """One flip of an alert of its own; gives its key."""
        rule = f"Rule{number}"
        key = f"{rule}-{status}"
        told = notice(idempotency_key=key, rule=rule)
        flip = FlipRow(
            id=f"{notifier}-{key}", endpoint_id=self.endpoint_id, rule=rule, severity="critical", before="inactive",
            after=status, at=self.clock(), run_id="r",
        )  # fmt: skip
        async with self.database.write() as session:
            session.add(flip)
            await session.flush()
            session.add(
                DeliveryRow(
                    flip_id=flip.id, notifier=notifier, lane=f"{notifier}/prod/{rule}", state="pending",
                    notice=render.to_json(told), next_at=self.clock(),
                )
            )  # fmt: skip
        return key

    async def pass_s(self, seconds: float, step_s: float = 15.0) -> None:
        """Let time pass, sending what comes due."""
        end = self.clock() + timedelta(seconds=seconds)
        while self.clock() < end:
            await self.dispatcher.run_once()
            self.clock.pass_s(step_s)

    async def rows(self) -> list[DeliveryRow]:
        async with self.database.read() as session:
            return list(await session.scalars(select(DeliveryRow).order_by(DeliveryRow.id)))


@asynccontextmanager
async def post(folder: Path, **more: Callable[[], Notifier]) -> AsyncIterator[Post]:
    receiver, clock = Faulty(), Clock(now=NOW)
    await receiver.start()
    async with open_database(folder) as database, aiohttp.ClientSession() as session:
        endpoint = await add_endpoint(database)
        context = Context(session=session, clock=clock)
        notifiers = {
            "hook": build("webhook", "hook", {"url": receiver.url, "timeout_s": 0.2}, context),
            "am": build("alertmanager", "am", {"urls": [receiver.url], "timeout_s": 0.2}, context),
        }
        notifiers |= {name: make() for name, make in more.items()}
        outbox = DatabaseOutbox(database, lambda: None)
        dispatcher = Dispatcher(outbox, notifiers, clock, Backoff(), rng=random.Random(1))
        try:
            yield Post(
                database=database, clock=clock, receiver=receiver, dispatcher=dispatcher, endpoint_id=endpoint.id
            )
        finally:
            await receiver.stop()


async def ten_minutes_down(world: Post) -> None:
    await world.receiver.stop()
    await world.pass_s(600)
    assert world.receiver.got == []
    await world.receiver.start()


def ten_minutes_of(mode: str) -> Callable[[Post], Awaitable[None]]:
    async def happen(world: Post) -> None:
        world.receiver.mode = mode
        await world.pass_s(600, step_s=60)
        assert world.receiver.got
        world.receiver.mode = "ok"

    return happen


@pytest.mark.parametrize(
    "happen",
    [
        ten_minutes_down,
        ten_minutes_of("500"),
        ten_minutes_of("hang"),
        ten_minutes_of("drop"),
        ten_minutes_of("accept, then drop"),
    ],
    ids=["down", "answers 500", "hangs", "drops the connection", "accepts, then drops the connection"],
)
async def test_a_receiver_that_fails_for_ten_minutes_gets_everything(
    tmp_path: Path, happen: Callable[[Post], Awaitable[None]]
) -> None:
    async with post(tmp_path) as world:
        keys = {await world.add(number) for number in range(FLIPS)}
        await happen(world)
        await world.pass_s(3600, step_s=60)
        rows = await world.rows()
        assert {row.state for row in rows} == {"delivered"}
        assert all(row.attempt > 1 for row in rows)
        assert set(world.receiver.accepted) == keys  # none lost; what came twice came under its key
        assert set(world.receiver.got) == keys


async def test_what_was_accepted_before_the_drop_comes_again_under_the_same_key(tmp_path: Path) -> None:
    async with post(tmp_path) as world:
        key = await world.add(1)
        world.receiver.mode = "accept, then drop"
        await world.dispatcher.run_once()
        world.receiver.mode = "ok"
        await world.pass_s(10, step_s=5)
        assert world.receiver.accepted == [key, key]


async def test_a_resolved_waits_for_its_firing_however_long_that_takes(tmp_path: Path) -> None:
    async with post(tmp_path) as world:
        world.receiver.mode = "500"
        fired = await world.add(1)
        await world.pass_s(60)
        cleared = await world.add(1, "resolved")
        await world.pass_s(7200, step_s=300)
        world.receiver.mode = "ok"
        await world.pass_s(4000, step_s=300)
        assert world.receiver.accepted == [fired, cleared]


async def test_alertmanager_hears_in_time_that_an_alert_still_fires_though_a_reminder_waits(tmp_path: Path) -> None:
    """It takes for over what it is not told again within four minutes, and a reminder may be put off for an hour."""
    async with post(tmp_path) as world:
        fired = await world.add(1, notifier="am")
        await world.dispatcher.run_once()
        await world.receiver.stop()
        reminder = await world.add(1, "reminder", notifier="am")
        await world.pass_s(3600, step_s=30)
        await world.receiver.start()
        world.receiver.accepted.clear()
        await world.pass_s(90)
        assert fired in world.receiver.accepted
        await world.pass_s(4500, step_s=30)
        assert reminder in world.receiver.accepted
        assert set(world.receiver.accepted[-5:]) == {reminder}, "from then on it is the one that is repeated"


async def test_a_receiver_that_is_down_for_two_days_leaves_dead_letters_with_the_reason(tmp_path: Path) -> None:
    async with post(tmp_path) as world:
        await world.add(1)
        world.receiver.mode = "500"
        await world.pass_s(48 * 3600, step_s=600)
        (row,) = await world.rows()
        assert (row.state, row.attempt) == ("dead", 36)
        assert row.last_error == "gave up after 36 attempts; the last: the webhook answered 500"
        assert row.dead_at is not None
        assert timedelta(hours=20) < row.dead_at - NOW < timedelta(hours=30)


async def test_a_channel_that_hangs_holds_nothing_of_the_others(tmp_path: Path) -> None:
    """Not one send of the hanging channel has ended, nor been given up, when the other channel is through."""
    release, begun = asyncio.Event(), asyncio.Event()

    class Hanging:
        ended = 0

        async def send(self, _: object) -> None:
            begun.set()
            await release.wait()
            self.ended += 1

        async def aclose(self) -> None:
            return

    stuck = Hanging()
    async with post(tmp_path, stuck=lambda: stuck) as world:
        for number in range(150):
            await world.add(number, notifier="stuck")
            await world.add(number)
        stop = asyncio.Event()
        world.dispatcher._deadline_s = 120.0
        working = asyncio.create_task(world.dispatcher.run(stop, poll_s=0.05))
        await begun.wait()
        async with asyncio.timeout(120):
            while len(world.receiver.accepted) < 150:
                await asyncio.sleep(0.05)
        assert stuck.ended == 0
        waiting = [row for row in await world.rows() if row.notifier == "stuck"]
        assert {row.state for row in waiting} == {"pending"}
        assert sum(row.lease_until is not None for row in waiting) == SLOTS  # the rest is free for whoever comes
        stop.set()
        release.set()
        await working
        assert stuck.ended >= SLOTS
