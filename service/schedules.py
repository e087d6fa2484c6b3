"""When a run is due: cron expressions (UTC) and ISO-8601 durations. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=366)
_DURATION = TypeAdapter(timedelta)


@dataclass(frozen=True, kw_only=True)
class Every:
    """A fixed interval."""

    interval: timedelta

    def first(self, now: datetime) -> datetime:
        """At once: a user who registers wants to see something."""
        return now

    def after(self, slot: datetime, now: datetime) -> datetime:
        """The next slot on the grid of `slot` that is not past. Missed slots are one run, not many."""
        missed = max(0, int((now - slot) / self.interval))
        return slot + self.interval * (missed + 1)


@dataclass(frozen=True, kw_only=True)
class Cron:
    """Five-field cron, in UTC."""

    expression: str

    def _next(self, after: datetime) -> datetime:
        from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 (late: costs import time)

        trigger = CronTrigger.from_crontab(self.expression, timezone=UTC)
        found = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
        if found is None:
            raise ValueError(f"schedule {self.expression!r} never comes due")
        return datetime.fromtimestamp(found.timestamp(), tz=UTC)

    def first(self, now: datetime) -> datetime:
        return self._next(now)

    def after(self, slot: datetime, now: datetime) -> datetime:
        return self._next(max(slot, now))


def parse_schedule(spec: str) -> Every | Cron:
    """`PT15M` or `*/15 * * * *`. Raises ValueError naming `spec` and the remedy."""
    text = spec.strip()
    if text.upper().startswith("P"):
        try:
            interval = _DURATION.validate_python(text.upper())
        except ValidationError:
            raise ValueError(f"{spec!r} is not an ISO-8601 duration; write it like PT15M or P1D") from None
        if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
            raise ValueError(f"{spec!r} is out of range; an interval is 1 second to 366 days")
        return Every(interval=interval)
    cron = Cron(expression=text)
    try:
        cron.first(datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError as error:
        raise ValueError(
            f"{spec!r} is neither an ISO-8601 duration (PT15M) nor a five-field cron line (*/15 * * * *): {error}"
        ) from None
    return cron
