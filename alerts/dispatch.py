"""Takes notices from the outbox to the notifiers. The only place that retries.

At least once: a process that dies after a send and before `delivered` sends again, with the same idempotency key.
"""

import asyncio
import logging
import random
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from alerts.types import DeliveryError, Notice, Notifier, Repeating

logger = logging.getLogger("selfwatch.alerts.dispatch")

DEADLINE_S = 15.0
"""One send may take this long, whatever the notifier does."""

SLOTS = 16
"""Sends in flight per notifier."""

MIN_LEASE_S = 2 * DEADLINE_S
"""An outbox that leases for less than this may have a delivery sent twice."""

REPEAT_SPREAD = 0.1
"""Repeats come up to this share earlier, so that those of many alerts do not bunch up."""

ERROR_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One notice on its way to one notifier. `attempt`: attempts already made, 0 at first.

    `delivered_at`: when it first arrived, if this is a repeat for a receiver that forgets.
    """

    id: str
    notifier: str
    notice: Notice
    attempt: int = 0
    delivered_at: datetime | None = None

    @property
    def lane(self) -> tuple[str, str, str]:
        """Deliveries of one lane keep their order, so that a resolved never overtakes its firing."""
        return (self.notifier, self.notice.endpoint, self.notice.rule)


class Outbox(Protocol):
    """Where deliveries wait."""

    async def due(self, now: datetime) -> Collection[str]:
        """The notifiers for which `claim` would find something."""
        ...

    async def claim(self, now: datetime, notifier: str, limit: int) -> Sequence[Delivery]:
        """At most `limit` due deliveries of `notifier`, oldest first, leased to the caller for at least MIN_LEASE_S.

        Of each lane only the oldest that is not settled, and none while one of its lane is leased. A lease that runs
        out makes the delivery due again, without counting an attempt. A repeat is due unless a newer one of its lane
        has another status, has arrived, or is due: one that says the same, and waits or was given up, ends no repeats.
        """
        ...

    async def delivered(self, delivery: Delivery, now: datetime, repeat_at: datetime | None = None) -> None:
        """Settled: claimed again only at `repeat_at`, as a repeat. It ends the repeats of earlier ones of its lane."""
        ...

    async def repeated(self, delivery: Delivery, repeat_at: datetime | None, error: str | None = None) -> None:
        """A repeat was sent, or failed with `error`; the next is due at `repeat_at`, None: there is none."""
        ...

    async def retry(self, delivery: Delivery, error: str, next_at: datetime) -> None:
        """Due again at `next_at`, with one attempt more; the lease ends."""
        ...

    async def dead(self, delivery: Delivery, error: str, now: datetime) -> None:
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
        self._draining: set[str] = set()

    async def run_once(self) -> int:
        """Send until nothing is due. Returns how many deliveries were settled or put off."""
        return sum(await asyncio.gather(*(self._drain(name) for name in await self._due())))

    async def run(self, stop: asyncio.Event, *, poll_s: float = 1.0) -> None:
        """Look every `poll_s` seconds for what is due until `stop` is set, then finish what is in flight.

        The loop never waits for a send, and survives an outbox that fails.
        """
        async with asyncio.TaskGroup() as channels:
            while not stop.is_set():
                for name in await self._due():
                    if name not in self._draining:
                        self._draining.add(name)
                        task = channels.create_task(self._drain(name, stop, poll_s))
                        task.add_done_callback(lambda _, name=name: self._draining.discard(name))  # type: ignore[misc]
                try:
                    async with asyncio.timeout(poll_s):
                        await stop.wait()
                except TimeoutError:
                    continue

    async def _due(self) -> Collection[str]:
        try:
            return await self._outbox.due(self._clock())
        except Exception as error:
            logger.exception("outbox cannot be read", extra={"action": "outbox_failed", "error": _name(error)})
            return ()

    async def _drain(self, name: str, stop: asyncio.Event | None = None, poll_s: float | None = None) -> int:
        """Keep up to SLOTS sends of one notifier in flight until nothing of it is due or `stop` is set."""
        handled = 0
        sending: set[asyncio.Task[int]] = set()
        async with asyncio.TaskGroup() as sends:
            while True:
                if stop is None or not stop.is_set():
                    claimed = await self._claim(name, SLOTS - len(sending))
                    sending |= {sends.create_task(self._handle(delivery)) for delivery in claimed}
                if not sending:
                    return handled
                sending, done = await _wait(sending, poll_s)
                handled += done

    async def _claim(self, name: str, room: int) -> Sequence[Delivery]:
        if room <= 0:
            return ()
        try:
            return await self._outbox.claim(self._clock(), name, room)
        except Exception as error:
            logger.exception("outbox cannot be read", extra={"action": "outbox_failed", "error": _name(error)})
            return ()

    async def _handle(self, delivery: Delivery) -> int:
        """One attempt, recorded. Returns 1, or 0 when it could not be recorded."""
        try:
            failure = await self._attempt(delivery)
            if delivery.delivered_at is not None:
                await self._record_repeat(delivery, delivery.delivered_at, failure)
            else:
                await self._record(delivery, failure)
        except Exception as error:
            # the lease runs out and the delivery comes again, under the same idempotency key
            logger.exception("outbox cannot be written", extra={"action": "outbox_failed", "error": _name(error)})
            return 0
        return 1

    async def _record(self, delivery: Delivery, failure: DeliveryError | None) -> None:
        attempt, now = delivery.attempt + 1, self._clock()
        facts = {"notifier": delivery.notifier, "delivery": delivery.id, "attempt": attempt}
        if failure is None:
            await self._outbox.delivered(delivery, now, self._repeat_at(delivery, now, now))
            logger.info("notice delivered", extra={"action": "notice_delivered", **facts})
            return
        error = str(failure)[:ERROR_LENGTH]
        if failure.retryable and attempt < self._backoff.max_attempts:
            wait_s = max(self._backoff.delay_s(attempt, self._rng), failure.retry_after_s or 0.0)
            next_at = now + timedelta(seconds=min(wait_s, self._backoff.cap_s))
            await self._outbox.retry(delivery, error, next_at)
            logger.warning("notice put off", extra={"action": "notice_retry", "error": error, **facts})
            return
        if failure.retryable:
            error = f"gave up after {attempt} attempts; the last: {error}"
        await self._outbox.dead(delivery, error, now)
        logger.error("notice given up", extra={"action": "notice_dead", "error": error, **facts})

    async def _record_repeat(self, delivery: Delivery, first: datetime, failure: DeliveryError | None) -> None:
        """A repeat that fails is not tried again by itself: the next one comes soon, and tells the same."""
        error = str(failure)[:ERROR_LENGTH] if failure is not None else None
        await self._outbox.repeated(delivery, self._repeat_at(delivery, first, self._clock()), error)
        if error is not None:
            facts = {"notifier": delivery.notifier, "delivery": delivery.id, "error": error}
            logger.warning("notice could not be repeated", extra={"action": "notice_repeat_failed", **facts})

    def _repeat_at(self, delivery: Delivery, first: datetime, now: datetime) -> datetime | None:
        notifier = self._notifiers.get(delivery.notifier)
        if not isinstance(notifier, Repeating):
            return None
        wait_s = notifier.repeat_after_s(delivery.notice, (now - first).total_seconds())
        return None if wait_s is None else now + timedelta(seconds=wait_s * self._rng.uniform(1 - REPEAT_SPREAD, 1))

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


async def _wait(sending: set[asyncio.Task[int]], at_most_s: float | None) -> tuple[set[asyncio.Task[int]], int]:
    """Until half of the sends have ended: a fast channel claims for many at a time. Returns those under way and how
    many were handled. No longer than `at_most_s`: a slow send must not keep a new notice from a free slot."""
    goal, handled = len(sending) // 2, 0
    while len(sending) > goal:
        done, sending = await asyncio.wait(sending, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        handled += sum(task.result() for task in done)
        if not done:
            break
    return sending, handled


def _unexpected(error: BaseException) -> DeliveryError:
    """Retryable, told by type and place only: the text of a foreign exception may hold a URL with credentials."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return DeliveryError(f"unexpected {_name(error)}{place}", retryable=True)


def _name(error: BaseException) -> str:
    return type(error).__name__
