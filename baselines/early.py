"""When a long run may end: every arm that it asks about is decided, and the rest would only say so again. Pure.

An arm is decided when it has surely moved, by evidence and by an interval that misses once in 1,000 looks; or when it
surely has not. A run is looked at a dozen times at most, so a wrong end is a matter of one in a hundred.
"""

from collections.abc import Mapping, Sequence

from baselines.estimate import Z
from baselines.types import Arm, ArmComparison
from baselines.verdict import NAMES, SMALLEST_MOVE

FIRST_LOOK = 200
GROWTH = 1.5
"""Looks are taken after so many answers, and after each time so many more."""
LOOK_Z = 3.29
"""Normal quantile of a 99.9 % interval."""
STEADY_LIMIT = 0.2
"""An arm that is surely less than so far along has not moved."""
LEAST_ANSWERS = 60
"""An arm with fewer scored answers is not decided."""


def looks(total: int) -> list[int]:
    """After how many answers of `total` a run is looked at; never for a run that is hardly longer than a look."""
    found, at = [], float(FIRST_LOOK)
    while at < total / GROWTH:
        found.append(int(at))
        at *= GROWTH
    return found


def decided(arms: Mapping[Arm, ArmComparison], asked: Sequence[Arm]) -> str | None:
    """Why the rest of a run is not needed, in plain words; None when it is.

    Without an own baseline a steady endpoint is asked to the end, since its answers are what one is made of.
    """
    parts = []
    moved = False
    for arm in asked:
        one = arms.get(arm)
        if one is None or one.drift is None or one.low is None or one.high is None or one.n < LEAST_ANSWERS:
            return None
        if one.alarm and _bound(one.drift, one.low) > SMALLEST_MOVE:
            moved = True
            parts.append(f"{NAMES[arm]} has surely moved")
        elif not one.alarm and _bound(one.drift, one.high) < STEADY_LIMIT:
            parts.append(f"{NAMES[arm]} surely has not moved by more than {STEADY_LIMIT:g} of the way")
        else:
            return None
    if not parts or (not moved and any(arms[arm].reference != "own" for arm in asked)):
        return None
    return " and ".join(parts)


def _bound(value: float, end: float) -> float:
    """The end of the wider interval, from that of the 95 % one."""
    return value + (end - value) * LOOK_Z / Z
