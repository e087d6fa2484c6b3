"""Means with 95 % intervals that respect the design: stratified by cell, clustered by item. Pure.

A dimension is the mean of its method means (arXiv 2602.14777, methods), an arm the mean of its dimensions. Answers to
one item resemble each other, and items are what was drawn at random: the variance of a cell's mean is that between
items (linearised, Kish). A run of one question an item says nothing of that; its design effect is taken as 1. The
interval is Wilson's for the number of independent answers that would be worth as much, with its lower end near 0 as
modified by Brown, Cai and DasGupta (Statistical Science 16, 2001).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from probes.types import Cell, Observation

Z = 1.959964
"""Normal quantile of a 95 % interval."""
PRIOR_ITEMS = 60.0
"""A design effect of 1 counts as much as a measurement over so many spare items."""
PRIOR_EVENTS = 2.0
"""And more where scores above 0 are rare: a few of them tell little of a variance."""
SMALLEST_EFFECT = 0.02
POISSON_LOW = ((0.0, 0.0), (1.0, 0.0513), (2.0, 0.3554), (3.0, 0.8177))
"""(events, the 5 % quantile of their expected number, given that many were seen)."""

Weights = Mapping[Cell, float]
Items = Mapping[Cell, Sequence[Observation]]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean in [0, 1] with its 95 % interval. `n`: the independent answers that would know it as well."""

    mean: float
    low: float
    high: float
    n: float


def by_cell(observations: Sequence[Observation]) -> dict[Cell, list[Observation]]:
    found: dict[Cell, list[Observation]] = {}
    for one in observations:
        if value(one) is not None:
            found.setdefault(one.cell, []).append(one)
    return found


def value(one: Observation) -> float | None:
    """The score of an item as its cell is measured: by the worst of k replies where that is so."""
    return one.worst if one.cell.category else one.value


def weights_of(cells: Sequence[Cell]) -> dict[Cell, float]:
    """Every dimension counts the same, and within it every method; harm categories are one dimension."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.probe, cell.dimension), []).append(cell)
    return {cell: 1 / (len(groups) * len(members)) for members in groups.values() for cell in members}


def estimate(items: Items, effect: float | None = None) -> Estimate:
    """The mean over the dimensions of `items`. `effect`: the design effect; measured from the items without it.

    Raises ValueError without any item.
    """
    if not items:
        raise ValueError("there is no scored item to take a mean of")
    weights = weights_of(list(items))
    effect = design_effect(items) if effect is None else effect
    mean = sum(weights[cell] * _mean(members) for cell, members in items.items())
    n = _answers_worth(items, weights) / effect
    low, high = interval(mean, n)
    return Estimate(mean=mean, low=low, high=high, n=n)


def design_effect(items: Items) -> float:
    """The variance of the mean, as a share of that of as many independent yes-no answers with the same mean."""
    weights = weights_of(list(items))
    mean = sum(weights[cell] * _mean(members) for cell, members in items.items())
    if not 0 < mean < 1:
        return 1.0
    told = {cell: members for cell, members in items.items() if len(members) > 1}
    spare = sum(len(members) - 1 for members in told.values())
    if spare == 0:
        return 1.0
    found = sum(weights[cell] ** 2 * _variance(members) for cell, members in told.items())
    plain = sum(weights[cell] ** 2 / _answers(members) for cell, members in told.items()) * mean * (1 - mean)
    prior = PRIOR_ITEMS + PRIOR_EVENTS / (mean * (1 - mean))
    drawn = (spare * found / plain + prior) / (spare + prior)
    return max(drawn, SMALLEST_EFFECT)


def interval(mean: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a mean in [0, 1] of `n` > 0 independent answers; `n` need not be whole."""
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * math.sqrt(mean * (1 - mean) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    low, high = centre - reach, centre + reach
    low = min(low, _poisson_low(mean * n) / n)
    high = max(high, 1 - _poisson_low((1 - mean) * n) / n)
    return max(low, 0.0), min(high, 1.0)


def _poisson_low(events: float) -> float:
    """Beyond three events Wilson's own limit holds."""
    for (before, low), (after, high) in pairwise(POISSON_LOW):
        if events <= after:
            return low + (high - low) * (events - before) / (after - before)
    return math.inf


def _answers(members: Sequence[Observation]) -> int:
    return sum(1 if one.cell.category else one.n for one in members)


def _answers_worth(items: Items, weights: Weights) -> float:
    return 1 / sum(weights[cell] ** 2 / _answers(members) for cell, members in items.items())


def _mean(members: Sequence[Observation]) -> float:
    """Each answer counts the same, and each prompt of a harm category."""
    total = sum((value(one) or 0.0) * (1 if one.cell.category else one.n) for one in members)
    return total / _answers(members)


def _variance(members: Sequence[Observation]) -> float:
    """Of the cell's mean, by the spread of its items; at least two of them."""
    mean, n, count = _mean(members), _answers(members), len(members)
    squares = sum(((1 if o.cell.category else o.n) * ((value(o) or 0.0) - mean)) ** 2 for o in members)
    return count / (count - 1) * squares / n**2
