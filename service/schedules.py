"""When a run is due: cron expressions (UTC) and ISO-8601 durations. Pure.

What a schedule promises under clock jumps, DST and missed slots stands in docs/scheduling.md.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from service import cron

MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=366)
CRON_SLACK = timedelta(minutes=1)
"""A clock that is set back by less does not make a cron time come twice."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_DURATION = TypeAdapter(timedelta)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Slots in a row that are due: the first, the last, the one before the last (None if there is one), how many."""

    due: datetime
    last: datetime
    before_last: datetime | None
    count: int


@dataclass(frozen=True, kw_only=True)
class Every:
    """A fixed interval. Slots lie on a grid since 1970, moved by `phase`, so that a clock jump cannot move them."""

    interval: timedelta
    phase: timedelta = timedelta(0)

    def first(self, now: datetime) -> datetime:
        """At once: a user who registers wants to see something."""
        return now

    def next(self, after: datetime) -> datetime:
        """The first slot of the grid after `after`."""
        return EPOCH + self.phase + self.interval * ((after - EPOCH - self.phase) // self.interval + 1)

    def follow(self, slot: datetime) -> datetime:
        """The slot after `slot`. After one off the grid (the first, or one due at once) half an interval to one and a
        half."""
        return self.next(slot + self.interval / 2 - MICROSECOND)

    def stretch(self, due: datetime, now: datetime) -> Stretch:
        """All slots from `due` to `now`, both included. `due` is not after `now`."""
        second = self.follow(due)
        if second > now:
            return Stretch(due=due, last=due, before_last=None, count=1)
        more = (now - second) // self.interval
        last = second + self.interval * more
        return Stretch(due=due, last=last, before_last=last - self.interval if more else due, count=more + 2)

    def after_set_back(self, now: datetime, remaining: timedelta | None) -> datetime:
        """The next slot once the clock was set back to `now`, when the next was `remaining` away: half an interval to
        one and a half from the last one."""
        left = self.interval if remaining is None else min(remaining, self.interval)
        return self.next(now + max(left - self.interval / 2, timedelta(0)) - MICROSECOND)


@dataclass(frozen=True, kw_only=True)
class Cron:
    """Five-field cron, in UTC: no hour is skipped or comes twice when local clocks change."""

    expression: str

    def next(self, after: datetime) -> datetime:
        found = cron.after(self.expression, after)
        if found is None:
            raise ValueError(f"schedule {self.expression!r} never comes due")
        return found

    def first(self, now: datetime) -> datetime:
        return self.next(now)

    def follow(self, slot: datetime) -> datetime:
        return self.next(slot)

    def stretch(self, due: datetime, now: datetime) -> Stretch:
        """All slots from `due` to `now`, both included; days are counted, not minutes, so that a year is quick."""
        second = self.next(due)
        if second > now:
            return Stretch(due=due, last=due, before_last=None, count=1)
        minutes = _minutes(self.expression)
        count, tail = 1, [due]
        for number in range((now.date() - second.date()).days + 1):
            day = second.date() + timedelta(days=number)
            if not _on(self.expression, day):
                continue
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            within = minutes
            if day in (second.date(), now.date()):
                within = tuple(m for m in minutes if second <= midnight + timedelta(minutes=m) <= now)
            count += len(within)
            tail = [*tail, *(midnight + timedelta(minutes=m) for m in within[-2:])][-2:]
        return Stretch(due=due, last=tail[-1], before_last=tail[0], count=count)

    def after_set_back(self, now: datetime, remaining: timedelta | None) -> datetime:
        return self.next(now + CRON_SLACK)


Schedule = Every | Cron


def _matches(field: Any, at: datetime) -> bool:
    return bool(field.get_next_value(at) == field.get_value(at))


@lru_cache(maxsize=1000)
def _minutes(expression: str) -> tuple[int, ...]:
    """The minutes of a day, from midnight, at which `expression` is due."""
    fields = {field.name: field for field in cron.trigger(expression).fields}
    day = datetime(2026, 1, 1, tzinfo=UTC)
    hours = [h for h in range(24) if _matches(fields["hour"], day.replace(hour=h))]
    minutes = [m for m in range(60) if _matches(fields["minute"], day.replace(minute=m))]
    return tuple(60 * hour + minute for hour in hours for minute in minutes)


def _on(expression: str, day: date) -> bool:
    """Whether `expression` is due at some time of `day`."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    fields = {field.name: field for field in cron.trigger(expression).fields}
    return all(_matches(fields[name], at) for name in ("month", "day", "day_of_week"))


@lru_cache(maxsize=1000)
def parse_schedule(spec: str) -> Schedule:
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


def schedule_of(spec: str, endpoint: str, plan: str) -> Schedule:
    """The schedule of one endpoint's plan. An interval gets a phase of its own from a hash of both names, so that many
    endpoints with one interval do not all come due together; a cron line is taken at its word."""
    found = parse_schedule(spec)
    return replace(found, phase=phase(endpoint, plan, found.interval)) if isinstance(found, Every) else found


def phase(endpoint: str, plan: str, interval: timedelta) -> timedelta:
    """0 to `interval`, in whole seconds for intervals of a minute and more, else in milliseconds. Never changes."""
    step = timedelta(seconds=1) if interval >= timedelta(minutes=1) else timedelta(milliseconds=1)
    drawn = int.from_bytes(sha256(f"{endpoint}/{plan}".encode()).digest()[:8], "big")
    return step * (drawn % (interval // step))
