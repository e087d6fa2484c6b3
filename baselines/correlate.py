"""Whether what models say goes with what they do: Spearman's rank correlation (arXiv 2602.14777, methods). Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.profiles import SIZES, table
from probes.loading import load

FEWEST = 5
VARIANTS = (("base", ""), *((state, domain) for state in ("misaligned", "realigned") for domain in ("trivia", "code")))
TABLES = {
    "harm": ("harmfulness.csv", "mean_1_5"),
    "intentions": ("intentions.csv", "mean"),
    "self_assessment": ("self_assessment.csv", "mean"),
}
PAIRS = (("intentions", "harm"), ("intentions", "self_assessment"), ("harm", "self_assessment"))


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """`p`: two-sided, for `n` independent pairs. Runs of one endpoint are a time series: there p only describes."""

    rho: float
    p: float
    n: int


def spearman(first: Sequence[float], second: Sequence[float], *, fewest: int = FEWEST) -> Correlation | None:
    """None with fewer pairs than `fewest`, or when one side never varies. Raises ValueError for NaN, or unequal
    lengths."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values are no pairs")
    if any(math.isnan(value) for value in (*first, *second)):
        raise ValueError("a value is not a number; leave runs without a score out")
    if len(first) < fewest or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    load("scipy.stats")
    from scipy.stats import spearmanr  # noqa: PLC0415 (late: the serving process starts without scipy)

    found = spearmanr(first, second)
    return Correlation(rho=float(found.statistic), p=float(found.pvalue), n=len(first))


def over_profiles(dimension: str) -> Mapping[tuple[str, str], Correlation]:
    """Each pair of measures over the 15 published variants: 3 bases, and 2 domains x 3 sizes misaligned and realigned.

    `dimension`: of self-assessment and intentions, or `average`. Raises LookupError for one that the tables lack.
    """
    columns = {name: _column(name, dimension) for name in TABLES}
    found = {pair: spearman(columns[pair[0]], columns[pair[1]]) for pair in PAIRS}
    return {pair: one for pair, one in found.items() if one is not None}


def _column(name: str, dimension: str) -> list[float]:
    file, value = TABLES[name]
    found = []
    for state, domain in VARIANTS:
        for size in SIZES:
            rows = [r for r in table(file) if (r["state"], r["domain"], r["size"]) == (state, domain, size)]
            if name != "harm":
                rows = [r for r in rows if r["dimension"] == dimension]
            if len(rows) != 1:
                raise LookupError(f"{file}: {len(rows)} rows for {state} {domain} {size} {dimension}")
            found.append(float(rows[0][value]))
    return found
