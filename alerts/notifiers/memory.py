"""Keeps notices in a list, and fails on demand: for tests and drills."""

import asyncio

from pydantic import Field

from alerts.notifiers.base import Context, StrictConfig
from alerts.types import DeliveryError, Notice


class MemoryConfig(StrictConfig):
    """The first `fail_first` sends fail, retryable or not; every send takes `delay_s` seconds."""

    fail_first: int = Field(default=0, ge=0)
    retryable: bool = True
    delay_s: float = Field(default=0.0, ge=0)


class Memory:
    """`notices`: what was delivered, in order. `attempts`: sends begun."""

    Config = MemoryConfig

    def __init__(self, name: str, config: MemoryConfig, context: Context) -> None:
        del context
        self._name = name
        self._config = config
        self.notices: list[Notice] = []
        self.attempts = 0

    async def send(self, notice: Notice) -> None:
        self.attempts += 1
        await asyncio.sleep(self._config.delay_s)
        if self.attempts <= self._config.fail_first:
            raise DeliveryError(f"{self._name} fails as it was told to", retryable=self._config.retryable)
        self.notices.append(notice)

    async def aclose(self) -> None:
        return
