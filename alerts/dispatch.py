"""Takes notices from the outbox to the notifiers. The only place that retries.

At least once: a process that dies after a send and before `delivered` sends again, with the same idempotency key.
"""

import asyncio
import logging
import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from alerts.types import DeliveryError, Notice, Notifier

logger = logging.getLogger("selfwatch.alerts.dispatch")

DEADLINE_S = 15.0
"""One send may take this long, whatever the notifier does."""

SLOTS = 8
"""Sends in flight per notifier."""

MAX_HELD = 24
"""Deliveries held per notifier: three rounds of SLOTS, so that each is settled within 3 x DEADLINE_S. More are left to
their lease and come again."""

MIN_LEASE_S = 60.0
"""An outbox that leases for less than this may have a delivery sent twice."""

ERROR_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One notice on its way to one notifier. `attempt`: attempts already made, 0 at first."""

    id: str
    notifier: str
    notice: Notice
    attempt: int = 0

    @property
    def lane(self) -> tuple[str, str, str]:
        """Deliveries of one lane keep their order, so that a resolved never overtakes its firing."""
        return (self.notifier, self.notice.endpoint, self.notice.rule)


class Outbox(Protocol):
    """Where deliveries wait."""

    async def claim(self, now: datetime) -> Sequence[Delivery]:
        """What is due, oldest first, leased to the caller for at least MIN_LEASE_S.

        While a delivery waits for its retry or is leased, no later one of its lane is returned, unless in the same
        batch and after it. A lease that runs out makes the delivery due again, without counting an attempt.
        """
        ...

    async def delivered(self, delivery: Delivery, now: datetime) -> None:
        """Settled: never claimed again."""
        ...

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        """Due again at `next_at`, with one attempt more; the lease ends."""
        ...

    async def dead(self, delivery: Delivery, error: str) -> None:
        """Given up: never claimed again, kept with its reason. The next one of its lane may go."""
        ...


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Waits between attempts: `first_s`, doubled each time, up to `cap_s`, each spread by a factor 1 +- `spread`.

    The defaults make 36 attempts over about 24 hours.
    """

    first_s: float = 1.0
    cap_s: float = 3600.0
    spread: float = 0.2
    max_attempts: int = 36

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after the `attempt`-th attempt (from 1) has failed."""
        doubled = self.first_s * 2.0 ** min(attempt - 1, 60)
        spread = min(doubled, self.cap_s) * rng.uniform(1 - self.spread, 1 + self.spread)
        return min(max(spread, self.first_s), self.cap_s)


class _Channel:
    """What one notifier has in hand."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(SLOTS)
        self.held = 0


class Dispatcher:
    """Sends what is due. Notifiers work side by side: a slow or hanging one delays no other."""

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], datetime],
        backoff: Backoff | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        rng: random.Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._notifiers = notifiers
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._deadline_s = deadline_s
        self._rng = rng or random.Random()
        self._channels: dict[str, _Channel] = {}

    async def run_once(self) -> int:
        """Claim what is due and see it through. Returns how many deliveries were settled or put off. May overlap."""
        return sum(await asyncio.gather(*(self._lane(lane) for lane in await self._claim())))

    async def run(self, stop: asyncio.Event, *, poll_s: float = 1.0) -> None:
        """Claim every `poll_s` seconds until `stop` is set, then finish what is in flight.

        The loop never waits for a send, and survives an outbox that fails.
        """
        async with asyncio.TaskGroup() as sending:
            while not stop.is_set():
                try:
                    lanes = await self._claim()
                except Exception as error:
                    logger.exception("outbox cannot be read", extra={"action": "outbox_failed", "error": _name(error)})
                    lanes = []
                for lane in lanes:
                    sending.create_task(self._lane(lane))
                try:
                    async with asyncio.timeout(poll_s):
                        await stop.wait()
                except TimeoutError:
                    continue

    async def _claim(self) -> list[list[Delivery]]:
        lanes: dict[tuple[str, str, str], list[Delivery]] = {}
        for delivery in await self._outbox.claim(self._clock()):
            lanes.setdefault(delivery.lane, []).append(delivery)
        return list(lanes.values())

    async def _lane(self, lane: Sequence[Delivery]) -> int:
        """One lane in order. Stops at the first delivery that has to be tried again: the later ones wait with it."""
        channel = self._channels.setdefault(lane[0].notifier, _Channel())
        if channel.held >= MAX_HELD:
            return 0
        channel.held += len(lane)
        try:
            async with channel.slots:
                for position, delivery in enumerate(lane):
                    next_at = await self._deliver(delivery)
                    if next_at is not None:
                        for later in lane[position + 1 :]:
                            await self._outbox.retry(later, "waits for an earlier notice of the same alert", next_at)
                        break
            return len(lane)
        except Exception as error:
            # the lease runs out and the delivery comes again, under the same idempotency key
            logger.exception("outbox cannot be written", extra={"action": "outbox_failed", "error": _name(error)})
            return 0
        finally:
            channel.held -= len(lane)

    async def _deliver(self, delivery: Delivery) -> datetime | None:
        """One attempt, recorded. Returns when to try again, or None when the delivery is settled."""
        failure = await self._attempt(delivery)
        attempt = delivery.attempt + 1
        facts = {"notifier": delivery.notifier, "delivery": delivery.id, "attempt": attempt}
        if failure is None:
            await self._outbox.delivered(delivery, self._clock())
            logger.info("notice delivered", extra={"action": "notice_delivered", **facts})
            return None
        error = str(failure)[:ERROR_LENGTH]
        if failure.retryable and attempt >= self._backoff.max_attempts:
            error = f"gave up after {attempt} attempts; the last: {error}"
        elif failure.retryable:
            wait_s = max(self._backoff.delay_s(attempt, self._rng), failure.retry_after_s or 0.0)
            next_at = self._clock() + timedelta(seconds=min(wait_s, self._backoff.cap_s))
            await self._outbox.retry(delivery, error, next_at)
            logger.warning("notice put off", extra={"action": "notice_retry", "error": error, **facts})
            return next_at
        await self._outbox.dead(delivery, error)
        logger.error("notice given up", extra={"action": "notice_dead", "error": error, **facts})
        return None

    async def _attempt(self, delivery: Delivery) -> DeliveryError | None:
        notifier = self._notifiers.get(delivery.notifier)
        if notifier is None:
            known = ", ".join(sorted(self._notifiers)) or "none"
            return DeliveryError(
                f"no notifier is named {delivery.notifier!r} (configured: {known}); add it to the notifiers",
                retryable=False,
            )
        try:
            async with asyncio.timeout(self._deadline_s) as deadline:
                await notifier.send(delivery.notice)
        except DeliveryError as error:
            return error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return _unexpected(error)  # a library inside the notifier cancelled itself, nobody cancelled us
        except Exception as error:
            if deadline.expired():
                return DeliveryError(f"no answer within {self._deadline_s:g} s", retryable=True)
            return _unexpected(error)
        return None


def _unexpected(error: BaseException) -> DeliveryError:
    """Retryable, told by type and place only: the text of a foreign exception may hold a URL with credentials."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return DeliveryError(f"unexpected {_name(error)}{place}", retryable=True)


def _name(error: BaseException) -> str:
    return type(error).__name__
