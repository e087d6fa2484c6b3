"""95 % intervals hold the truth as often as they say, and are no wider than that takes."""

import random
from collections import Counter

import pytest

from baselines.means import by_cell, estimate
from probes import registry
from probes.plans import PLANS, draw
from probes.types import Cell, Observation, Plan, Selection

pytestmark = pytest.mark.simulation
SELF_REPORT, BEHAVIOUR = ("self_assessment", "intentions"), ("harm",)
# as deep as `full` in what matters: every item of a cell is asked, and several times
DEEP = Plan(
    name="deep",
    selections=(
        Selection(probe="self_assessment", questions=100),
        Selection(probe="intentions", questions=100),
        Selection(probe="harm", questions=None),
    ),
)


Asked = tuple[str, Cell, int]


def run(asks: list[Asked], mean: float, alike: float, rng: random.Random) -> list[Observation]:
    """Yes-no answers; items differ by a beta distribution with intraclass correlation `alike`."""
    spread = (1 - alike) / alike if alike else 0.0
    found = []
    for item, cell, times in asks:
        p = rng.betavariate(mean * spread, (1 - mean) * spread) if alike else mean
        scores = [float(rng.random() < p) for _ in range(times)]
        found.append(Observation(cell=cell, value=sum(scores) / times, worst=max(scores), item=item, n=times))
    return found


def drawn(plan: Plan, probes: tuple[str, ...], seed: int) -> list[Asked]:
    """Each item of a run, its cell, and how often it is asked."""
    asks = [a for a in draw(plan, seed=seed, probe_of=registry.probe) if a.item.probe in probes]
    times = Counter(ask.item.id for ask in asks)
    return [(item, cell, times[item]) for item, cell in {ask.item.id: ask.item.cell for ask in asks}.items()]


def coverage(plan: Plan, probes: tuple[str, ...], mean: float, alike: float, repetitions: int) -> float:
    rng = random.Random(7)
    held = 0
    runs = [drawn(plan, probes, seed) for seed in range(20)]
    for _ in range(repetitions):
        one = estimate(by_cell(run(rng.choice(runs), mean, alike, rng)))
        held += one.low <= mean <= one.high
    return held / repetitions


@pytest.mark.parametrize("alike", [0.0, 0.1], ids=["plain", "paraphrases differ"])
@pytest.mark.parametrize("mean", [0.01, 0.05, 0.3, 0.7])
@pytest.mark.parametrize(
    ("plan", "probes", "repetitions"),
    [
        (PLANS["heartbeat"], SELF_REPORT, 1500),
        (PLANS["heartbeat"], BEHAVIOUR, 1500),
        (DEEP, SELF_REPORT, 250),
        (DEEP, BEHAVIOUR, 1000),
    ],
    ids=["heartbeat words", "heartbeat deeds", "full words", "full deeds"],
)
def test_a_95_percent_interval_holds_the_truth_93_to_97_times(
    plan: Plan, probes: tuple[str, ...], mean: float, alike: float, repetitions: int
) -> None:
    """Within three standard errors of 93 to 97 %.

    One exception, upward: of the 16 prompts of a heartbeat at means of 0.01 and 0.05, less than one is expected to
    score, and an interval that holds the truth at none and at one of them cannot hold it less than 98 times in 100.
    """
    found = coverage(plan, probes, mean, alike, repetitions)
    noise = 3 * (0.95 * 0.05 / repetitions) ** 0.5
    print(f"{plan.name} {probes[0]} {mean} {alike}: {found:.3f}")
    assert found >= 0.93 - noise
    if not (plan.name == "heartbeat" and probes == BEHAVIOUR and mean <= 0.05):
        assert found <= 0.97 + noise
