"""Simulated endpoints that answer yes or no at given rates: what the study watches."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from baselines.bets import Seen
from baselines.build import build_own
from baselines.profiles import WORST_OF
from baselines.types import Profile, ProfileCell, ProfileSet, State
from probes import registry
from probes.plans import draw
from probes.types import Cell, Measurement, Observation, Plan

WORDING_SD = 0.5
"""Standard deviation between items on the logit scale."""
NEVER, ALWAYS = 0.002, 0.99

Rates = Mapping[tuple[str, str], float]
"""The mean score of each (probe, dimension)."""


def rates(profile: Profile) -> dict[tuple[str, str], float]:
    return {(one.cell.probe, one.cell.dimension): one.mean for one in profile.cells}


def mixed(profiles: ProfileSet, *, said: State, done: State) -> dict[tuple[str, str], float]:
    """The self-report of one published state with the behaviour of another."""
    states = {one.state: rates(one) for one in (profiles.base, profiles.misaligned, profiles.realigned) if one}
    return {key: states[done if key[0] == "harm" else said][key] for key in states[State.BASE]}


@dataclass
class Wobble:
    """Noise that heartbeats share: AR(1) on the logit scale. Standard deviation 0: none."""

    rng: random.Random
    sd: float = 0.0
    rho: float = 0.0
    now: float = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.rng.gauss(0, self.sd) if self.sd else 0.0

    def next(self) -> float:
        if self.sd:
            self.now = self.rho * self.now + math.sqrt(1 - self.rho**2) * self.rng.gauss(0, self.sd)
        return self.now


def logit(p: float) -> float:
    p = min(max(p, NEVER), ALWAYS)
    return math.log(p / (1 - p))


def expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@dataclass(frozen=True, kw_only=True)
class Heartbeats:
    """An arm that is asked so many questions of each cell, every heartbeat, and answers at `means`."""

    means: Mapping[Cell, float]
    asked: Mapping[Cell, int]

    def one(self, rng: random.Random, *, add: float = 0.0, noise: float = 0.0) -> list[Seen]:
        """The scores of a heartbeat, every mean raised by `add`."""
        found = []
        for cell, mean in self.means.items():
            p = expit(logit(mean + add) + noise)
            found += [Seen(key=cell.key, value=float(rng.random() < p)) for _ in range(self.asked[cell])]
        return found

    def baseline(self, rng: random.Random, runs: int, wobble: Wobble) -> Profile:
        """An own baseline from so many heartbeats."""
        return self.profile([self.one(rng, noise=wobble.next()) for _ in range(runs)])

    def profile(self, heartbeats: Sequence[Sequence[Seen]]) -> Profile:
        """The own baseline that these heartbeats make."""
        scores: dict[str, list[float]] = {}
        for one in (seen for heartbeat in heartbeats for seen in heartbeat):
            scores.setdefault(one.key, []).append(one.value)
        cells = tuple(
            ProfileCell(cell=cell, mean=sum(values) / len(values), n=len(values), items=len(values))
            for cell in self.means
            for values in [scores[cell.key]]
        )
        return Profile(name="own", state=State.OWN, provenance="simulated", cells=cells, runs=len(heartbeats))


def self_reports(profiles: ProfileSet, *, each: int = 4, scenarios: int = 5) -> Heartbeats:
    """126 questions a heartbeat: `each` of every method and dimension, and `scenarios` of every dimension."""
    base = rates(profiles.base)
    cells = [item.cell for name in ("self_assessment", "intentions") for item in registry.probe(name).bank.items]
    means = {cell: base[cell.probe, cell.dimension] for cell in dict.fromkeys(cells)}
    return Heartbeats(
        means=means, asked={cell: each if cell.probe == "self_assessment" else scenarios for cell in means}
    )


class FullRuns:
    """A model whose items differ, and stay as they are from run to run. Asked by a whole plan."""

    def __init__(self, plan: Plan, rng: random.Random) -> None:
        self._rng = rng
        self._asked: dict[tuple[Cell, str], int] = {}
        for ask in draw(plan, seed=rng.getrandbits(60), probe_of=registry.probe):
            key = (ask.item.cell, ask.item.id)
            self._asked[key] = self._asked.get(key, 0) + 1
        self._wording = {key: rng.gauss(0, WORDING_SD) for key in self._asked}

    def run(self, at: Rates) -> list[Observation]:
        """One run, with the worst of 10 replies to each harm prompt."""
        return list(self._items(at))

    def _items(self, at: Rates) -> Iterator[Observation]:
        level = {key: _level(mean) for key, mean in at.items()}
        for (cell, item), times in self._asked.items():
            p = expit(level[cell.probe, cell.dimension] + self._wording[cell, item])
            if not cell.category:
                hits = sum(self._rng.random() < p for _ in range(times))
                yield Observation(cell=cell, value=hits / times, item=item, n=times)
                continue
            single = 1 - (1 - p) ** (1 / times)
            replies = [float(self._rng.random() < single) for _ in range(times)]
            worst, mean = max(replies), sum(replies) / times
            yield Observation(cell=cell, value=mean, worst=worst, k=times, item=item, n=times)


def _level(mean: float) -> float:
    """The logit at which a model with these item differences has this mean (probit-like correction)."""
    return logit(mean) * math.sqrt(1 + 0.346 * WORDING_SD**2)


def measured(run: Sequence[Observation], k: int = WORST_OF) -> list[Measurement]:
    """The measurements of a run, harm by the worst of `k` where that is 1 or what the run asked."""
    cells: dict[Cell, list[Observation]] = {}
    for one in run:
        cells.setdefault(one.cell, []).append(one)
    return [_measurement(cell, members, k) for cell, members in sorted(cells.items())]


def _measurement(cell: Cell, members: Sequence[Observation], k: int) -> Measurement:
    worst = bool(cell.category) and k > 1
    values = [(one.worst or 0.0) if worst else one.value for one in members]
    weights = [1 if cell.category else one.n for one in members]
    mean = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
    return Measurement(
        cell=cell, mean=mean, variance=mean * (1 - mean), n=sum(one.n for one in members), invalid=0,
        items=len(members), k=k if worst else 1,
    )  # fmt: skip


def own_of(run: Sequence[Observation]) -> Profile:
    return build_own(name="own", run_ids=["r"], measurements_by_k={1: measured(run, 1), WORST_OF: measured(run)})
