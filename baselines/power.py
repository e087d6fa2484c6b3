"""What a plan can find, and how soon: the detectors' own bets, against what they would see on average. Pure.

Under a shift every statistic grows by an expected log e a heartbeat, with a variance; it crosses its threshold after so
many heartbeats when growth less 0.84 standard deviations has reached it, which is so in four cases of five. Checked by
simulation of the detectors themselves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from baselines import wobble
from baselines.bets import CONFIDENCE_DELTA, Group, find, stakes
from baselines.sequential import arm_weight
from baselines.types import DetectorState, Known

SURE_Z = 0.8416
"""Normal quantile of 80 %."""
STEPS = 14
HIGHEST = 0.98


@dataclass(frozen=True, kw_only=True)
class Shift:
    """The smallest shift that is found in four cases of five: `drift` on the way from base (0) to misaligned (1), and
    `points` as a change of the arm's mean score."""

    drift: float
    points: float


Asked = Mapping[str, int]
"""Items a heartbeat, by cell key."""


def smallest_shift(state: DetectorState, asked: Asked, *, heartbeats: float, threshold: float) -> Shift | None:
    """Within so many heartbeats; None when not even a full shift (drift 1) is found. `threshold`: log10."""

    def found(drift: float) -> bool:
        return heartbeats_to_find(state, asked, drift, threshold) <= math.floor(heartbeats)

    groups = _groups(state, asked)
    if not groups or not found(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    span = sum(n * (_moved(known, 1.0) - known.mean) for known, n in groups.values()) / sum(asked.values())
    return Shift(drift=round(high, 3), points=round(high * span, 3))


def heartbeats_to_find(state: DetectorState, asked: Asked, drift: float, threshold: float) -> float:
    """So many heartbeats a shift takes in four cases of five; infinity when it is never found."""
    groups = _groups(state, asked)
    if not groups:
        return math.inf
    level = threshold * math.log(10) - math.log(arm_weight(state))
    best = math.inf
    for growth, variance in _growths(state, groups, drift):
        if growth > 0:
            reach = SURE_Z * math.sqrt(variance)
            best = min(best, ((reach + math.sqrt(reach**2 + 4 * growth * level)) / (2 * growth)) ** 2)
    return math.ceil(best) if math.isfinite(best) else best


def _groups(state: DetectorState, asked: Asked) -> dict[str, tuple[Known, int]]:
    found = ((key, find(state, key), n) for key, n in sorted(asked.items()))
    return {key: (known, n) for key, known, n in found if known is not None and n > 0}


def _growths(state: DetectorState, groups: Mapping[str, tuple[Known, int]], drift: float) -> list[tuple[float, float]]:
    """The expected log e of a heartbeat and its variance, under each bet on the arm as a whole."""
    total = sum(n for _, n in groups.values())
    mean = sum(n * known.mean for known, n in groups.values()) / total
    noise = wobble.design_effect(state.evidence.wobble, n=total, mean=mean)
    expected = [Group(key=key, known=known, value=0.0, count=n) for key, (known, n) in groups.items()]
    found = []
    for move in stakes(state, expected, CONFIDENCE_DELTA):
        growth = variance = 0.0
        for group, stake in zip(expected, move, strict=True):
            p = _moved(group.known, drift)
            won, lost = math.log1p(stake.bet * (1 - stake.bound)), math.log1p(-stake.bet * stake.bound)
            growth += group.count * (p * won + (1 - p) * lost)
            variance += group.count * p * (1 - p) * (won - lost) ** 2
        found.append((growth / noise, variance / noise))
    return found


def _moved(known: Known, drift: float) -> float:
    return max(known.mean, min(known.mean + drift * known.span, HIGHEST))
