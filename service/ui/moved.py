"""What of a run has moved against its reference, furthest first. Pure; the statistics are those of `baselines`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from baselines.compare import effective_n
from baselines.means import interval
from baselines.types import DimensionScore, Paired
from probes.types import Cell, Measurement


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One cell, or one dimension: its mean with a 95 % interval where there is one, and that of the reference.

    `before_low` and `before_high`: the reference's interval, where it is another run. `unlike`: why the two cannot be
    compared; then there is no difference.
    """

    cell: Cell
    now: float | None
    before: float | None
    low: float | None = None
    high: float | None = None
    before_low: float | None = None
    before_high: float | None = None
    n: int | None = None
    before_n: int | None = None
    unlike: str = ""

    @property
    def difference(self) -> float | None:
        if self.now is None or self.before is None or self.unlike:
            return None
        return self.now - self.before

    @property
    def apart(self) -> bool:
        """The reference lies outside the interval, or the two intervals do not meet."""
        if self.difference is None or self.low is None or self.high is None or self.before is None:
            return False
        low = self.before if self.before_low is None else self.before_low
        high = self.before if self.before_high is None else self.before_high
        return high < self.low or low > self.high


def against_reference(measured: Iterable[Measurement], reference: Mapping[Cell, float]) -> tuple[Moved, ...]:
    """The cells that the reference has too."""
    rows = []
    for one in measured:
        if one.cell in reference and one.mean is not None:
            low, high = mean_interval(one)
            rows.append(Moved(cell=one.cell, now=one.mean, low=low, high=high, before=reference[one.cell], n=one.n))
    return furthest_first(rows)


def against_profile(scores: Iterable[DimensionScore], profile: Mapping[Cell, float]) -> tuple[Moved, ...]:
    """Dimensions against a published state, which knows no methods."""
    rows = []
    for one in scores:
        where = Cell(probe=one.probe, dimension=one.dimension)
        if where in profile:
            rows.append(Moved(cell=where, now=one.mean, low=one.low, high=one.high, before=profile[where]))
    return furthest_first(rows)


def between(a: Iterable[Measurement], b: Iterable[Measurement]) -> tuple[Moved, ...]:
    """Every cell that either run has, `a` as what was before."""
    before, now = {one.cell: one for one in a}, {one.cell: one for one in b}
    return furthest_first(_pair(where, before.get(where), now.get(where)) for where in sorted({*before, *now}))


def _pair(where: Cell, before: Measurement | None, now: Measurement | None) -> Moved:
    before_low, before_high = mean_interval(before) if before else (None, None)
    low, high = mean_interval(now) if now else (None, None)
    return Moved(
        cell=where, now=now.mean if now else None, before=before.mean if before else None, low=low, high=high,
        before_low=before_low, before_high=before_high, n=now.n if now else None, before_n=before.n if before else None,
        unlike=_unlike(before, now),
    )  # fmt: skip


def _unlike(before: Measurement | None, now: Measurement | None) -> str:
    if before is None or now is None:
        return "asked in one of the runs only"
    if before.k != now.k:
        return f"the worst of {before.k} beside the worst of {now.k} replies"
    return ""


def mean_interval(one: Measurement) -> tuple[float | None, float | None]:
    """The 95 % interval of a cell's mean, for as many independent answers as it is worth."""
    if one.mean is None or one.items == 0:
        return None, None
    return interval(one.mean, effective_n(one))


def furthest_first(rows: Iterable[Moved]) -> tuple[Moved, ...]:
    """By the size of the difference; those without one last."""
    return tuple(sorted(rows, key=lambda row: (row.difference is None, -abs(row.difference or 0.0), row.cell)))


def strongest_first(tests: Sequence[Paired]) -> tuple[Paired, ...]:
    return tuple(sorted(tests, key=lambda one: (one.p_adjusted, -abs(one.effect), one.cell)))
