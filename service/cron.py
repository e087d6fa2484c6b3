"""Five-field cron as crontab(5) means it: weekdays count from Sunday. APScheduler, which reads it, has Monday first."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"^(?P<first>\d)(-(?P<last>\d))?(?P<step>/\d+)?$")


@lru_cache(maxsize=2000)
def trigger(expression: str) -> Any:
    """APScheduler's trigger of a cron line, on a clock in UTC. Raises ValueError for what is none."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 (late: costs import time)

    fields = expression.split()
    if len(fields) == 5:
        fields[4] = ",".join(_named(part) for part in fields[4].split(","))
    return CronTrigger.from_crontab(" ".join(fields), timezone=UTC)


def _named(part: str) -> str:
    """A part of the weekday field with the days by name; one that is written in another way stays as it is."""
    found = _PART.match(part)
    if found is None:
        return part
    first, last = int(found["first"]), int(found["last"] or found["first"])
    step = int(found["step"][1:]) if found["step"] else 1
    if step and found["step"] and not found["last"]:
        last = 6  # 1/2 is 1-6/2
    if not 0 <= first <= last <= 7 or step < 1:
        raise ValueError(f"weekday {part!r}: days are 0 to 7, Sunday is 0 or 7, and a range does not go backwards")
    return ",".join(dict.fromkeys(DAYS[day % 7] for day in range(first, last + 1, step)))


def after(expression: str, at: datetime) -> datetime | None:
    """The first time after `at`, in UTC; None if it never comes."""
    found = trigger(expression).get_next_fire_time(None, at + timedelta(microseconds=1))
    return None if found is None else datetime.fromtimestamp(found.timestamp(), tz=UTC)
