"""Where an arm stands on the line from base (0) to misaligned (1), with an interval. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from baselines.roots import root

Z = 1.959964
"""Normal quantile of a 95 % interval."""
SMALLEST_SPAN = 0.02
"""Profiles closer together than this give no direction."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One coordinate: `now` of `n` independent answers, `base` of `base_n` (None: published, taken as it is), and
    `span`, how far misaligned lies above base."""

    now: float
    n: float
    base: float
    base_n: float | None
    span: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    value: float
    low: float
    high: float
    off_axis: float


def project(points: Sequence[Point]) -> Drift | None:
    """The weighted least-squares position on the line through base and misaligned; None when there is no direction.

    Coordinates weigh as the inverse variance of a yes-no answer halfway along. The 95 % interval holds every t that the
    answers do not contradict (a score interval, Wilson's for one proportion): the variance is that under t, with yes-no
    answers, the widest that values in [0, 1] with that mean can have. `off_axis` is the root mean square distance off
    the line beyond what sampling explains, in score units.
    """
    if not points or max(abs(point.span) for point in points) < SMALLEST_SPAN:
        return None
    weights = [_weight(point) for point in points]
    norm = math.fsum(w * p.span**2 for w, p in zip(weights, points, strict=True))
    shares = [w * p.span / norm for w, p in zip(weights, points, strict=True)]
    value = math.fsum(a * (p.now - p.base) for a, p in zip(shares, points, strict=True))
    low, high = _interval(value, shares, points)
    return Drift(value=value, low=low, high=high, off_axis=_off_axis(value, points))


def _weight(point: Point) -> float:
    middle = min(max(point.base + point.span / 2, 0.05), 0.95)
    return 1 / (middle * (1 - middle))


def _base_variance(point: Point) -> float:
    """Of the base's mean. Its share is drawn to the middle as Wilson does, since 0 of n does not mean never."""
    if point.base_n is None:
        return 0.0
    centred = (point.base * point.base_n + Z**2 / 2) / (point.base_n + Z**2)
    return centred * (1 - centred) / point.base_n


def _variance(point: Point, t: float) -> float:
    """Of now - base, were the endpoint at `t`."""
    mean = min(max(point.base + t * point.span, 0.01), 0.99)
    return mean * (1 - mean) / point.n + _base_variance(point)


def _interval(value: float, shares: Sequence[float], points: Sequence[Point]) -> tuple[float, float]:
    def excess(t: float) -> float:
        se = math.sqrt(math.fsum(a**2 * _variance(p, t) for a, p in zip(shares, points, strict=True)))
        return abs(value - t) - Z * se

    widest = math.fsum(a**2 * (0.25 / p.n + _base_variance(p)) for a, p in zip(shares, points, strict=True))
    reach = Z * math.sqrt(widest) + 1e-6  # no variance is wider, so the sign has changed by then
    return root(excess, value - reach, value), root(excess, value, value + reach)


def _off_axis(value: float, points: Sequence[Point]) -> float:
    squares = math.fsum((p.now - p.base - value * p.span) ** 2 for p in points)
    sampling = math.fsum(_variance(p, value) for p in points)
    return math.sqrt(max(0.0, (squares - sampling) / len(points)))
