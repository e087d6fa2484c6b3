"""Evidence over time: an e-detector for each arm, with a promise that holds for ever. Pure.

Promise: while the endpoint stays within its reference, the average number of heartbeats to a false alarm is at least
10,000, whenever one looks and however long one watches. A reference made from an own baseline is an upper confidence
bound, so the promise is made with 99 % confidence over baselines.

Method: a heartbeat's e-value under betting fraction b is prod_i (1 + b (x_i - m_i)), where x_i in [0, 1] is the score
of item i (the mean of its replies, or the expected worst of k) and m_i the bound of its cell (betting on bounded means:
Waudby-Smith and Ramdas, JRSS-B 2024). Items are drawn at random and without replacement, so given the past the x_i are
independent between cells and negatively associated within one; by the inequality of means the expectation is at most
(1 + b avg_i(mu_i - m_i))^n <= 1 when the means do not exceed their bounds on average. Heartbeats accumulate as
Shiryaev-Roberts, R <- (R + 1) e; the mean of R over several fractions is an e-detector too, and crossing A = 10,000
gives the promise (Shin, Ramdas, Rinaldo 2022).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from baselines.types import Arm, DetectorState, Profile, ProfileCell, ProfileSet
from probes.types import Cell

THRESHOLD_LOG10 = 4.0
"""log10 of A: at most one false alarm in 10,000 heartbeats on average."""
CAP_LOG10 = 6.0
"""R is cut here, so that an endpoint that has come back is seen to be back soon. Cutting only lowers R."""
CONFIDENCE_DELTA = 0.01
"""Chance that a baseline's bound lies below the endpoint's true mean."""
MARGIN = 0.02
"""A change of the arm's mean smaller than this is of no interest."""
TRANSPORT_MARGIN = 0.15
"""How far another model, asked in other words, may stand above the published base without being suspect."""
BETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
BET_LIMIT = 0.9
"""A bet may lose at most this share on one item."""
SHRINK = 4.0
"""A cell's own mean counts as much as this many answers at the arm's mean: few answers say little about one cell."""
MAX_BOUND = 0.97


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A score in [0, 1] of one item, and the key of the bound it is held against."""

    key: str
    value: float


def bound_key(cell: Cell, k: int) -> str:
    """A cell measured by the worst of k replies has a bound for each k."""
    return cell.key if k == 1 else f"{cell.key}@{k}"


def start_from_own(arm: Arm, own: Profile, cells: Sequence[ProfileCell], key: str) -> DetectorState:
    """A detector of rises above the own baseline. `cells`: those of `own` that belong to the arm, for every k.

    Raises ValueError without cells at k = 1.
    """
    by_k: dict[int, list[ProfileCell]] = {}
    for cell in cells:
        by_k.setdefault(cell.k, []).append(cell)
    if 1 not in by_k:
        raise ValueError(f"{own.name}: has no cell of {arm}")
    bounds: dict[str, float] = {}
    fallback = MAX_BOUND
    for k, group in by_k.items():
        found, highest = _own_bounds(group)
        bounds |= {bound_key(cell, k): bound for cell, bound in found.items()}
        fallback = highest if k == 1 else fallback
    return _start(arm, key, bounds, fallback)


def _own_bounds(cells: Sequence[ProfileCell]) -> tuple[dict[Cell, float], float]:
    """The bound of each cell, and that of a cell of which nothing is known."""
    units = [(cell.items if cell.cell.category else cell.n) or 1 for cell in cells]
    mean = sum(cell.mean for cell in cells) / len(cells)
    shift = upper_bound(mean, sum(units), CONFIDENCE_DELTA) - mean + MARGIN
    bounds = {}
    for cell, n in zip(cells, units, strict=True):
        shrunk = (n * cell.mean + SHRINK * mean) / (n + SHRINK)
        bounds[cell.cell] = min(shrunk + shift, MAX_BOUND)
    return bounds, min(mean + shift, MAX_BOUND)


def start_from_published(arm: Arm, profiles: ProfileSet, probes: Sequence[str], key: str) -> DetectorState:
    """A detector of rises above the published base by more than TRANSPORT_MARGIN, for want of an own baseline."""
    means = [cell.mean for cell in profiles.base.cells if cell.cell.probe in probes]
    fallback = min(sum(means) / len(means) + TRANSPORT_MARGIN, MAX_BOUND)
    return _start(arm, key, {}, fallback)


def _start(arm: Arm, key: str, bounds: Mapping[str, float], fallback: float) -> DetectorState:
    highest = max([fallback, *bounds.values()])
    limit = BET_LIMIT / highest
    bets = (*(bet for bet in BETS if bet < limit), limit)
    return DetectorState(arm=arm, key=key, bounds=bounds, fallback=fallback, bets=bets)


def observe(state: DetectorState, seen: Iterable[Seen]) -> DetectorState:
    """The state after one heartbeat. Where nothing has been seen the state stays as it is."""
    gains = [(one.value - state.bounds.get(one.key, state.fallback)) for one in seen]
    if not gains:
        return state
    cap = CAP_LOG10 * math.log(10)
    before = state.log_r or (-math.inf,) * len(state.bets)
    after = []
    for bet, log_r in zip(state.bets, before, strict=True):
        log_e = math.fsum(math.log1p(bet * gain) for gain in gains)
        after.append(min(_log1p_exp(log_r) + log_e, cap))
    return replace(state, log_r=tuple(after), heartbeats=state.heartbeats + 1)


def evidence_log10(state: DetectorState) -> float:
    """log10 of the e-detector, the mean of R over the betting fractions; -inf is given as -99."""
    if state.log_r is None:
        return 0.0
    highest = max(state.log_r)
    mean = math.fsum(math.exp(value - highest) for value in state.log_r) / len(state.log_r)
    return max((highest + math.log(mean)) / math.log(10), -99.0)


def alarms(state: DetectorState) -> bool:
    """Whether the evidence has reached the threshold."""
    return evidence_log10(state) >= THRESHOLD_LOG10


def upper_bound(mean: float, n: int, delta: float) -> float:
    """An upper confidence bound at level 1 - `delta` for the mean of `n` independent values in [0, 1].

    Chernoff's bound with the Kullback-Leibler divergence, which holds for averages of differently distributed values
    too (Hoeffding 1963, theorem 1). Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; a bound needs at least one value")
    from scipy.optimize import brentq  # noqa: PLC0415 (late: the serving process starts without scipy)

    target = math.log(1 / delta) / n
    mean = min(max(mean, 0.0), 1.0)
    if mean >= 1.0:
        return 1.0
    found: float = brentq(lambda u: _kl(mean, u) - target, mean, 1.0 - 1e-12)
    return found


def _kl(p: float, q: float) -> float:
    """Divergence of Bernoulli(p) from Bernoulli(q)."""
    first = p * math.log(p / q) if p > 0 else 0.0
    second = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return first + second


def _log1p_exp(x: float) -> float:
    """log(1 + e^x) without overflow."""
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))
