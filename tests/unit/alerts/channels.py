"""Clocks, channels and outboxes for the dispatcher's tests."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from alerts.dispatch import Dispatcher
from alerts.dispatch_memory import MemoryOutbox
from alerts.notifiers.base import Context
from alerts.notifiers.memory import Memory, MemoryConfig
from alerts.types import AlertState, Notice, Notifier
from tests.unit.alerts.facts import AT, notice


@dataclass
class Clock:
    """Time that moves only when told to."""

    now: datetime = AT

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Scripted:
    """A notifier that does what a function says: raise, wait, or accept."""

    act: Callable[[Notice], Any]
    got: list[Notice] = field(default_factory=list)

    async def send(self, message: Notice) -> None:
        outcome = self.act(message)
        if asyncio.iscoroutine(outcome):
            await outcome
        self.got.append(message)

    async def aclose(self) -> None:
        return


async def memory(**config: Any) -> Memory:
    async with aiohttp.ClientSession() as session:
        return Memory("memory", MemoryConfig(**config), Context(session=session))


def raising(error: BaseException) -> Scripted:
    def act(_: Notice) -> None:
        raise error

    return Scripted(act)


def hanging() -> Scripted:
    return Scripted(lambda _: asyncio.sleep(3600))


def dispatcher(outbox: MemoryOutbox, clock: Clock, *, notifiers: Mapping[str, Notifier], **options: Any) -> Dispatcher:
    return Dispatcher(outbox, notifiers, clock, rng=random.Random(1), **options)


def pair(endpoint: str = "support-bot") -> tuple[Notice, Notice]:
    """A firing and its resolved."""
    fired = notice(endpoint=endpoint, idempotency_key=f"{endpoint}-1")
    return fired, notice(endpoint=endpoint, idempotency_key=f"{endpoint}-2", status=AlertState.RESOLVED)
