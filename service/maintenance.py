"""Maintenance windows: from times on the clock of a place, for a span of real time.

Daylight saving: a window that begins in the hour that is skipped begins when that hour would have passed (02:30 that
does not exist is 03:30 summer time); one that begins in the hour that comes twice begins the first time, once. It lasts
for its duration by the stopwatch, whatever the clock on the wall does meanwhile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.match import Match
from alerts.mute import Mute, MuteKind, Quiet
from service import cron

LONGEST = timedelta(days=7)
SHIFT = timedelta(hours=3)
"""No clock is ever set by more."""
MOST_STARTS = 2000


@dataclass(frozen=True, kw_only=True)
class Window:
    """`cron`: five fields, on the clock of `zone`."""

    name: str
    cron: str
    duration: timedelta
    zone: ZoneInfo
    match: Match
    comment: str = ""

    def until(self, now: datetime) -> datetime | None:
        """When the window that is open at `now` closes; None while it is closed. Overlapping ones are one."""
        end: datetime | None = None
        for start in self._starts(now - self.duration, now):
            if start <= now < start + self.duration:
                end = start + self.duration
        return end

    def next_start(self, now: datetime) -> datetime | None:
        """The next time that it opens, within about a year."""
        return next((start for start in self._starts(now, now + timedelta(days=370)) if start > now), None)

    def _starts(self, after: datetime, last: datetime) -> Iterator[datetime]:
        """Its beginnings from `after` to `last`, in UTC. Reckoned on the wall clock, where no hour is skipped."""
        wall = _wall(after, self.zone) - SHIFT
        seen: set[datetime] = set()
        for _ in range(MOST_STARTS):
            at = cron.after(self.cron, wall)
            if at is None:
                return
            wall = at
            # fold 0: in a skipped hour the offset before it, in one that comes twice the first
            start = at.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
            if start > last + SHIFT:  # starts around a skipped hour are not in order
                return
            if after <= start <= last and start not in seen:
                seen.add(start)
                yield start


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clock on the wall shows, taken for UTC."""
    return moment.astimezone(zone).replace(tzinfo=UTC)


def open_now(windows: Sequence[Window], now: datetime) -> list[Quiet]:
    """The windows that are open, as mutes."""
    found = []
    for window in windows:
        until = window.until(now)
        if until is not None:
            mute = Mute(kind=MuteKind.MAINTENANCE, by=window.name, until=until, comment=window.comment)
            found.append(Quiet(match=window.match, mute=mute))
    return found
