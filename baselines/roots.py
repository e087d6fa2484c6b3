"""Where a function is zero. Not scipy's, which takes 50 MB and a second to load, in each process that compares."""

from collections.abc import Callable

TOLERANCE = 1e-12
MAX_STEPS = 200


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero of a continuous `function` between `low` and `high`, where it has opposite signs, to TOLERANCE.

    Regula falsi with the Illinois correction (Dowell and Jarratt, 1971, doi 10.1007/BF01934364): superlinear, and never
    outside. Raises ValueError for equal signs.
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    if (at_low > 0) == (at_high > 0):
        raise ValueError(f"the function has the same sign at {low} and {high}")
    for _step in range(MAX_STEPS):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        at_middle = function(middle)
        if at_middle == 0 or abs(high - low) < TOLERANCE:
            return middle
        if (at_middle > 0) == (at_high > 0):
            at_low = at_low / 2  # twice on the same side: pull the next step over
        else:
            low, at_low = high, at_high
        moved = abs(high - middle)
        high, at_high = middle, at_middle
        if moved < TOLERANCE:
            return middle
    raise ValueError(f"no zero found between {low} and {high} in {MAX_STEPS} steps")
