"""What becomes of a slot that is due, and what lies between two looks at the clock. Pure.

A slot is one time at which a schedule is due. Each ends in exactly one state; docs/scheduling.md defines them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.schedules import Stretch

LATE_AFTER_S = 5.0
"""A run that starts later than this after its slot is late. We look every 0.5 s."""
JUMP_S = 2.0
"""The wall clock went forward by so much more than time did: it was set, or the machine slept."""
SET_BACK_S = 1.0
"""The wall clock went back by so much: schedules are anchored anew."""


class SlotState(StrEnum):
    WAITING = "waiting"
    RAN = "ran"
    LATE = "late"
    SKIPPED = "skipped"


class Skipped(StrEnum):
    """Why a slot did not run."""

    NOT_RUNNING = "not_running"
    CLOCK_JUMP = "suspended_or_clock_jump"
    STORAGE_DOWN = "storage_down"
    OVERLOADED = "overloaded"
    PAUSED = "paused"
    PLAN_UNKNOWN = "plan_unknown"
    OFFLINE = "offline"
    ENDPOINT_DOWN = "endpoint_down"
    PREVIOUS_WAITING = "previous_waiting"
    BUDGET_EXHAUSTED = "budget_exhausted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What lies between two looks: why slots of it were missed, and by how much the clock was set back. `set_back` is
    None at the first look of a process, which cannot know."""

    missed: Skipped
    set_back: timedelta | None = timedelta(0)


class Clocks:
    """Compares the wall clock with a monotonic one (seconds), from look to look."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None
        self._failed = False

    def gap(self, wall: datetime, monotonic: float) -> Gap:
        if self._last is None:
            return Gap(missed=Skipped.NOT_RUNNING, set_back=None)
        moved = (wall - self._last[0]).total_seconds()
        surplus = moved - (monotonic - self._last[1])
        if surplus < -SET_BACK_S:
            return Gap(missed=Skipped.CLOCK_JUMP, set_back=timedelta(seconds=-surplus))
        if surplus > JUMP_S:
            return Gap(missed=Skipped.CLOCK_JUMP)
        return Gap(missed=Skipped.STORAGE_DOWN if self._failed else Skipped.OVERLOADED)

    def looked(self, wall: datetime, monotonic: float) -> None:
        """A look has recorded everything that was due."""
        self._last, self._failed = (wall, monotonic), False

    def failed(self) -> None:
        """A look could not record anything."""
        self._failed = True


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How things stand for one schedule at the moment of a look."""

    paused: bool = False
    plan_known: bool = True
    offline: bool = False
    down: bool = False
    waiting: bool = False
    over_budget: bool = False


@dataclass(frozen=True, kw_only=True)
class Record:
    """`count` slots from `due` to `until` that share a state. More than one only where they were skipped."""

    due: datetime
    until: datetime
    count: int
    state: SlotState
    reason: Skipped | None = None


def records(stretch: Stretch, missed: Skipped, standing: Standing) -> Sequence[Record]:
    """What becomes of the slots of a stretch: the newest runs, if it may; those before it were missed."""
    whole = Skipped.PAUSED if standing.paused else None if standing.plan_known else Skipped.PLAN_UNKNOWN
    if whole is not None:
        return [_skipped(stretch.due, stretch.last, stretch.count, whole)]
    found = []
    if stretch.before_last is not None:
        found.append(_skipped(stretch.due, stretch.before_last, stretch.count - 1, missed))
    refused = refusal(standing)
    if refused is not None:
        found.append(_skipped(stretch.last, stretch.last, 1, refused))
    else:
        found.append(Record(due=stretch.last, until=stretch.last, count=1, state=SlotState.WAITING))
    return found


def refusal(standing: Standing) -> Skipped | None:
    """Why a run may not be queued now, if so; the reason that would hold longest comes first."""
    reasons = (
        (standing.offline, Skipped.OFFLINE),
        (standing.down, Skipped.ENDPOINT_DOWN),
        (standing.waiting, Skipped.PREVIOUS_WAITING),
        (standing.over_budget, Skipped.BUDGET_EXHAUSTED),
    )
    return next((reason for holds, reason in reasons if holds), None)


def started(due: datetime, at: datetime) -> tuple[SlotState, float]:
    """The final state of a slot whose run started at `at`, and its lateness in seconds (0 if the clock went back)."""
    late_s = max(0.0, (at - due).total_seconds())
    return (SlotState.LATE if late_s > LATE_AFTER_S else SlotState.RAN), late_s


def _skipped(due: datetime, until: datetime, count: int, reason: Skipped) -> Record:
    return Record(due=due, until=until, count=count, state=SlotState.SKIPPED, reason=reason)
