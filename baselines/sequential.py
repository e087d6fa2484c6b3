"""Evidence over time: an e-detector for each arm, with a promise that holds for ever. Pure.

Promise: while the endpoint stays within its reference, the average number of heartbeats to a false alarm is at least
A (10,000 unless set otherwise), whenever one looks and however long one watches. A reference made from an own baseline
is an upper confidence bound, so the promise is made with 95 % confidence over baselines.

Method. A heartbeat's e-value under bets b is prod_i (1 + b_i (x_i - m_i)), where x_i in [0, 1] is the score of item i
(the mean of its replies, or the expected worst of k) and m_i the bound of its cell (betting on bounded means:
Waudby-Smith and Ramdas, JRSS-B 2024). Given the past, items are independent between cells and, drawn without
replacement, negatively associated within one; since 1 + y <= e^y its expectation is at most 1 as soon as
sum_i b_i mu_i <= sum_i b_i m_i: it is the weighted mean that has to stay within its bound, not each cell. Heartbeats
accumulate as Shiryaev-Roberts, R <- (R + 1) e; a weighted mean of several R is an e-detector too, and crossing A gives
the promise (Shin, Ramdas, Rinaldo 2022). The several R bet on moves along the published direction from base to
misaligned, on equal moves of all cells, and on a move of each single cell.

Wobble. Heartbeats of one endpoint share provider noise, possibly autocorrelated: then they are worth less than
independent ones. The variance between heartbeats is measured as they come (`baselines.wobble`), and an e-value is
tempered to e^(1/D) with the design effect D of a sum of such heartbeats. That is exact for normal sums, and never wrong
for independent ones (Jensen); the rest is proven by simulation.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from baselines import wobble
from baselines.bets import (
    CHOICES,
    CONFIDENCE_DELTA,
    LOWEST,
    MOST_CELLS,
    MOVES,
    ONE_CELL,
    TRANSPORT_MARGIN,
    Group,
    Seen,
    bound_key,
    cell_gains,
    gains,
    groups_of,
)
from baselines.types import Arm, DetectorState, Evidence, Known, Profile, ProfileCell, ProfileSet
from probes.types import Cell

THRESHOLD_LOG10 = 4.0
"""log10 of A: at most one false alarm in 10,000 heartbeats on average."""
HEADROOM_LOG10 = 2.0
"""R is cut this far above the threshold, so that an endpoint that has come back is seen to be back soon. Cutting only
lowers R."""
MARGIN = 0.005
"""A change of the arm's mean smaller than this is of no interest."""
WOBBLE_RESERVE = 0.6
"""The weights sum to this. With a sum of 1, a million heartbeats of strongly wobbling endpoints (AR(1) 0.5, 0.3 on the
logit scale) raised 129 false alarms where 100 are promised; alarms go down about in proportion."""
CELL_SHARE = 0.25
"""So much of the statistic goes to bets on single cells, the same to each of at most MOST_CELLS."""
CELL_CAP = math.log(MOST_CELLS * len(ONE_CELL) / CELL_SHARE) - math.log(10)
"""A cell's R may be so much higher (natural log), since it weighs so little."""
SHRINK = 4.0
"""A cell's own mean counts as much as this many answers at the arm's mean: few answers say little about one cell."""
DIGITS = 9
"""Logarithms are kept to so many digits, so that another machine's last bit changes nothing."""


def start_from_own(
    arm: Arm, own: Profile, cells: Sequence[ProfileCell], key: str, spans: Mapping[Cell, float] | None = None
) -> DetectorState:
    """A detector of rises above the own baseline. `cells`: those of `own` that belong to the arm, for every k.

    `spans`: how far misaligned lies above base, by probe and dimension. Raises ValueError without cells at k = 1.
    """
    by_k: dict[int, list[ProfileCell]] = {}
    for cell in cells:
        by_k.setdefault(cell.k, []).append(cell)
    if 1 not in by_k:
        raise ValueError(f"{own.name}: has no cell of {arm}")
    known: dict[str, Known] = {}
    for k, group in by_k.items():
        mean = sum(one.mean for one in group) / len(group)
        for one in group:
            n = (one.items if one.cell.category else one.n) or 1
            shrunk = (n * one.mean + SHRINK * mean) / (n + SHRINK)
            known[bound_key(one.cell, k)] = Known(mean=shrunk, raw=one.mean, n=n, span=_span(one.cell, spans or {}))
    return DetectorState(arm=arm, key=key, known=known, runs=own.runs, margin=MARGIN)


def start_from_published(arm: Arm, profiles: ProfileSet, probes: Sequence[str], key: str) -> DetectorState:
    """A detector of rises above the published base by more than TRANSPORT_MARGIN, for want of an own baseline."""
    return start_from_known(
        arm, {one.cell: one.mean for one in profiles.base.cells if one.cell.probe in probes},
        spans_of(profiles), key, margin=TRANSPORT_MARGIN,
    )  # fmt: skip


def start_from_known(
    arm: Arm, means: Mapping[Cell, float], spans: Mapping[Cell, float], key: str, *, margin: float
) -> DetectorState:
    """A detector of rises by more than `margin` above `means` that are taken as known."""
    known = {
        bound_key(cell, 1): Known(mean=max(mean, LOWEST), raw=mean, n=None, span=_span(cell, spans))
        for cell, mean in means.items()
    }
    return DetectorState(arm=arm, key=key, known=known, margin=margin)


def spans_of(profiles: ProfileSet) -> dict[Cell, float]:
    """How far misaligned lies above base, for each published cell."""
    base = {one.cell: one.mean for one in profiles.base.cells}
    return {one.cell: one.mean - base[one.cell] for one in profiles.misaligned.cells if one.cell in base}


def carried_over(state: DetectorState, before: DetectorState | None) -> DetectorState:
    """A new detector that already knows the endpoint's wobble from the one before it."""
    if before is None or before.arm is not state.arm:
        return state
    return replace(state, evidence=replace(state.evidence, wobble=wobble.at_rest(before.evidence.wobble)))


def observe(
    state: DetectorState, seen: Iterable[Seen], *, threshold: float = THRESHOLD_LOG10, chosen: bool = False
) -> DetectorState:
    """The state after one heartbeat. Where nothing has been seen the state stays as it is.

    `chosen`: the cells were picked for what was seen of them, so the bounds have to hold for every such choice.

    Raises ValueError for a score that is no number in [0, 1], naming it.
    """
    groups = groups_of(state, seen)
    delta = CONFIDENCE_DELTA / CHOICES if chosen else CONFIDENCE_DELTA
    if not groups:
        return state
    n = sum(group.count for group in groups)
    mean = sum(g.count * g.known.mean for g in groups) / n
    noise = wobble.design_effect(state.evidence.wobble, n=n, mean=mean)
    cap = (threshold + HEADROOM_LOG10) * math.log(10)
    was = state.evidence
    steps = [gain / noise for gain in gains(state, groups, delta)]
    log_r = tuple(_next(r, step, cap) for r, step in zip(was.log_r or (None,) * len(steps), steps, strict=True))
    cells = dict(was.cells)
    for key, won in cell_gains(state, groups).items():
        if key in cells or len(cells) < MOST_CELLS:
            before = cells.get(key) or (None,) * len(won)
            cells[key] = tuple(_next(r, gain / noise, cap + CELL_CAP) for r, gain in zip(before, won, strict=True))
    after = replace(was, log_r=log_r, cells=cells, heartbeats=was.heartbeats + 1)
    if _log10(state, after) < threshold:  # a change that has been found is no wobble
        after = replace(after, wobble=wobble.learn(was.wobble, _residuals(groups), mean))
    return replace(state, evidence=after)


def evidence_log10(state: DetectorState) -> float:
    """log10 of the e-detector, the weighted mean of all R; at least -99."""
    return _log10(state, state.evidence)


def alarms(state: DetectorState, threshold: float = THRESHOLD_LOG10) -> bool:
    """Whether the evidence has reached the threshold."""
    return evidence_log10(state) >= threshold


def _log10(state: DetectorState, evidence: Evidence) -> float:
    if evidence.log_r is None:
        return 0.0
    single = WOBBLE_RESERVE * CELL_SHARE if bets_on_cells(state) else 0.0
    logs = [(value, arm_weight(state)) for value in evidence.log_r]
    if single:
        logs += [(v, single / MOST_CELLS / len(values)) for values in evidence.cells.values() for v in values]
    highest = max(value for value, _ in logs)
    total = math.fsum(weight * math.exp(value - highest) for value, weight in logs)
    return max(round((highest + math.log(total)) / math.log(10), DIGITS), -99.0)


def bets_on_cells(state: DetectorState) -> bool:
    """Not against published means: of another model's single cell they are no bound, however wide the margin."""
    return state.margin < TRANSPORT_MARGIN


def arm_weight(state: DetectorState) -> float:
    """Of each statistic of the arm as a whole."""
    return WOBBLE_RESERVE * (1.0 - (CELL_SHARE if bets_on_cells(state) else 0.0)) / MOVES


def _next(log_r: float | None, step: float, cap: float) -> float:
    """Shiryaev-Roberts on a logarithmic scale: log((R + 1) e), R = 0 at the start."""
    grown = step if log_r is None else _log1p_exp(log_r) + step
    return round(min(grown, cap), DIGITS)


def _span(cell: Cell, spans: Mapping[Cell, float]) -> float:
    return max(spans.get(Cell(probe=cell.probe, dimension=cell.dimension), 0.0), 0.0)


def _residuals(groups: Sequence[Group]) -> wobble.Residuals:
    """The heartbeat's mean distance from what is known, and the variance of a single one."""
    n = sum(group.count for group in groups)
    mean = math.fsum(g.count * (g.value - g.known.mean) for g in groups) / n
    squares = math.fsum(g.count * (g.value - g.known.mean - mean) ** 2 for g in groups)
    return wobble.Residuals(n=round(n), mean=mean, variance=squares / max(n - 1, 1))


def _log1p_exp(x: float) -> float:
    """log(1 + e^x) without overflow."""
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))
