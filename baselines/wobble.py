"""How much heartbeats of one endpoint vary beyond what sampling explains, measured as they come. Pure.

Provider noise makes the mean of a heartbeat vary around the endpoint's own, and neighbouring heartbeats may share it.
Noise goes up and down all the time, an endpoint changes once: so blocks of four heartbeats are compared with the block
before, and no comparison counts for more than three times what is expected. What has been measured little is taken at
its upper bound. The figures assume an autocorrelation of 0.5, the strongest that the promise is made for; with less
they err on the safe side.
"""

import math
from dataclasses import dataclass, replace

from baselines.types import Wobble

BLOCK = 4
"""Heartbeats in a block."""
BLOCK_SHARE = 0.812
"""The variance of the difference of two neighbouring blocks' means, as a share of that between heartbeats, at
autocorrelation r = 0.5: 2 (V - c) with V the variance of a block mean and c its covariance with the next."""
LONG_RUN = 3.0
"""(1 + r) / (1 - r) at r = 0.5: by so much is the variance of a long sum larger than that of independent terms."""
PRIOR_LOGIT_SD = 0.1
"""Before anything is measured: the standard deviation between heartbeats on the logit scale."""
PRIOR_BLOCKS = 12.0
"""So many comparisons of blocks is that worth."""
MEMORY_BLOCKS = 500.0
"""Older comparisons fade: noise changes as providers do."""
WINSOR = 3.0
"""A single comparison counts for at most so many times what is expected."""
WINSOR_MEAN = 0.858
"""The mean of a chi-squared variable with one degree of freedom that is cut at 3."""
CAUTION = 0.6
"""The measured variance is taken so many standard errors higher than it came out."""
SPREAD_OF_ONE = 1.5
"""The standard deviation of one comparison, as a share of its mean; neighbouring ones are anticorrelated."""


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """One heartbeat: `n` scores, their mean distance from the reference, and the variance of a single distance."""

    n: int
    mean: float
    variance: float


def design_effect(found: Wobble, *, n: float, mean: float) -> float:
    """By how much the variance of a long sum of heartbeats of `n` scores exceeds that of independent scores; >= 1."""
    spread = max(found.spread, _SMALLEST) if found.spread is not None else mean * (1 - mean)
    measured = between(found, mean) * n / max(spread, _SMALLEST)
    error = SPREAD_OF_ONE / math.sqrt(PRIOR_BLOCKS + found.compared) * (2 / BLOCK) / BLOCK_SHARE
    shared = max(1 - 1 / n, 0.0)  # a single score shares its noise with none
    return 1 + LONG_RUN * (measured + CAUTION * error * shared)


def between(found: Wobble, mean: float) -> float:
    """The variance between heartbeats in squared score units: measured, drawn toward what is assumed beforehand."""
    assumed = (PRIOR_LOGIT_SD * mean * (1 - mean)) ** 2
    excess = (found.squares - found.sampling) / BLOCK_SHARE
    return max((PRIOR_BLOCKS * assumed + excess) / (PRIOR_BLOCKS + found.compared), 0.0)


def learn(found: Wobble, seen: Residuals, mean: float) -> Wobble:
    """`found` after one more heartbeat, whose reference mean is `mean`."""
    if seen.n < 2:
        return found
    spread = _blend(found, seen, mean)
    after = replace(
        found,
        spread=spread,
        total=found.total + seen.mean,
        sampled=found.sampled + spread / seen.n,
        count=found.count + 1,
    )
    if after.count < BLOCK:
        return after
    block, sampling = after.total / BLOCK, after.sampled / BLOCK**2
    after = replace(after, total=0.0, sampled=0.0, count=0, last=round(block, 9), last_sampling=round(sampling, 12))
    if found.last is None or found.last_sampling is None:
        return after
    expected = sampling + found.last_sampling
    likely = expected + BLOCK_SHARE * between(found, mean)
    square = min((block - found.last) ** 2, WINSOR * likely) / WINSOR_MEAN
    keep = min(1.0, MEMORY_BLOCKS / (found.compared + 1))
    return replace(
        after,
        squares=round(keep * (found.squares + square), 12),
        sampling=round(keep * (found.sampling + expected), 12),
        compared=round(keep * (found.compared + 1), 9),
    )


def at_rest(found: Wobble) -> Wobble:
    """What is known, without the block under way: its distances are from another reference."""
    return replace(found, total=0.0, sampled=0.0, count=0, last=None, last_sampling=None)


def _blend(found: Wobble, seen: Residuals, mean: float) -> float:
    """The variance of a single score: each heartbeat moves it a little, since few scores tell little of it."""
    before = found.spread if found.spread is not None else mean * (1 - mean)
    weight = seen.n / (seen.n + _SPREAD_SCORES)
    return round(before + weight * (seen.variance - before), 12)


_SPREAD_SCORES = 400.0
_SMALLEST = 1e-4
_MEAN_VARIANCE = (4 + 2 * (3 * 0.5 + 2 * 0.25 + 0.125)) / 16
_NEXT = math.fsum((4 - abs(d - 4)) * 0.5**d for d in range(1, 8)) / 16
assert abs(2 * (_MEAN_VARIANCE - _NEXT) - BLOCK_SHARE) < 0.001  # noqa: S101 (it follows)
