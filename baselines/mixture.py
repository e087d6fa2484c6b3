"""Whether a part of the calls is answered by another model: one bad replica behind a load balancer. Pure.

Graded answers show it by their shape. A model that has drifted moves them all a little; a bad replica leaves the bulk
where it was and puts a few at the far end. Yes-no answers cannot tell the two apart, and are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pvariance

from baselines.means import interval
from probes.loading import load
from probes.types import Answer, Cell

GRADED = ("numerical", "likert")
FAR = 0.75
"""A score this high is at the far end."""
LEVEL = 1e-6
REPLICA_LEVEL = 1e-4
LEAST_REPLICA = 10
LEAST_ANSWERS = 200
SMALLEST_SHARE, LARGEST_SHARE = 0.005, 0.2
BULK_MOVE = 0.02
"""The bulk counts as unmoved when its mean rose by less than this beyond two standard errors."""
BULK_NOISE = 2.0


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of the calls that is far worse, with a 95 % interval."""

    share: float
    low: float
    high: float


def bad_share(now: Iterable[Answer], before: Iterable[Answer]) -> Share | None:
    """How many of the graded answers stand at the far end beyond those before, if the bulk has not moved."""
    new, old = _graded(now), _graded(before)
    cells = set(new) & set(old)
    here = [score for cell in cells for score in new[cell]]
    there = [score for cell in cells for score in old[cell]]
    if min(len(here), len(there)) < LEAST_ANSWERS or not surely_more(here, there, level=LEVEL, far=FAR):
        return None
    if _bulk_moved(here, there):
        return None
    then = _far(there, FAR) / len(there)
    low, high = interval(_far(here, FAR) / len(here), len(here))
    share = _far(here, FAR) / len(here) - then
    if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
        return None
    return Share(share=share, low=max(low - then, 0.0), high=high - then)


def surely_more(first: Sequence[float], second: Sequence[float], *, level: float, far: float = 0.5) -> bool:
    """Whether more of `first` than of `second` lies at `far` or above, by Fisher's exact test."""
    load("scipy.stats")
    from scipy.stats import fisher_exact  # noqa: PLC0415 (late: the serving process starts without scipy)

    table = [[_far(side, far), len(side) - _far(side, far)] for side in (first, second)]
    return bool(fisher_exact(table, alternative="greater")[1] < level)


def _far(scores: Sequence[float], far: float) -> int:
    return sum(score >= far for score in scores)


def _bulk_moved(here: Sequence[float], there: Sequence[float]) -> bool:
    new, old = ([score for score in side if score < FAR] for side in (here, there))
    if not new or not old:
        return True
    noise = sqrt(pvariance(new) / len(new) + pvariance(old) / len(old))
    return fmean(new) - fmean(old) > BULK_MOVE + BULK_NOISE * noise


def _graded(answers: Iterable[Answer]) -> dict[Cell, list[float]]:
    found: dict[Cell, list[float]] = {}
    for answer in answers:
        if answer.score is not None and (answer.cell.category or answer.cell.method in GRADED):
            found.setdefault(answer.cell, []).append(answer.score)
    return found
