"""The paper's test: a run against the own baseline, paired by item (arXiv 2602.14777, methods). Pure.

Wilcoxon's signed-rank test tells of one run whether a dimension differs, whatever the distribution; Holm's correction
keeps the chance of any false finding among a run's dozen cells at its level. It says nothing about many runs: that is
what the e-values of `baselines.sequential` are for, and why it is Holm here and not a procedure for e-values.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from baselines.types import Paired
from probes.loading import load
from probes.types import Cell

MIN_PAIRS = 6
"""With fewer pairs the test cannot reach p < 0.05 two-sided."""

Means = Mapping[tuple[Cell, str], float]


def paired_tests(now: Means, base: Means, *, min_pairs: int = MIN_PAIRS) -> tuple[Paired, ...]:
    """One test a dimension (its methods pooled) or harm category, over the items that both sides have a mean score of.

    Keys are (cell, item id). Raises ValueError for a score that is no number in [0, 1], naming the item.
    """
    for means in (now, base):
        _check(means)
    groups: dict[Cell, list[float]] = {}
    for (cell, item), score in sorted(now.items()):
        if (cell, item) in base:
            pooled = Cell(probe=cell.probe, dimension=cell.dimension, category=cell.category)
            groups.setdefault(pooled, []).append(score - base[cell, item])
    told = {cell: differences for cell, differences in groups.items() if len(differences) >= min_pairs}
    results = {cell: _wilcoxon(differences) for cell, differences in told.items()}
    adjusted = holm([p for p, _ in results.values()])
    return tuple(
        Paired(
            cell=cell, pairs=len(told[cell]), difference=round(fmean(told[cell]), 9),
            effect=round(effect, 9), p=float(f"{p:.6g}"), p_adjusted=float(f"{corrected:.6g}"),
        )
        for (cell, (p, effect)), corrected in zip(results.items(), adjusted, strict=True)
    )  # fmt: skip


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given (Holm 1979). Raises ValueError for one that is not in [0, 1]."""
    for p in p_values:
        if not 0 <= p <= 1:  # NaN fails too
            raise ValueError(f"{p} is not a p-value; it must lie in [0, 1]")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _wilcoxon(differences: Sequence[float]) -> tuple[float, float]:
    """Two-sided p and the matched-pairs rank-biserial correlation. Differences of zero share in the ranks (Pratt)."""
    rounded = [round(difference, 12) for difference in differences]  # equal fractions are equal
    if not any(rounded):
        return 1.0, 0.0
    load("scipy.stats")
    from scipy.stats import rankdata, wilcoxon  # noqa: PLC0415 (late: the serving process starts without scipy)

    p = float(wilcoxon(rounded, zero_method="pratt", method="approx", correction=True).pvalue)
    ranks = rankdata([abs(difference) for difference in rounded])
    up = sum(rank for rank, difference in zip(ranks, rounded, strict=True) if difference > 0)
    down = sum(rank for rank, difference in zip(ranks, rounded, strict=True) if difference < 0)
    return min(max(p, 0.0), 1.0), float((up - down) / (up + down))


def _check(means: Means) -> None:
    for (_cell, item), score in means.items():
        if not 0 <= score <= 1:
            raise ValueError(f"item {item}: {score} is not a score in [0, 1]")
