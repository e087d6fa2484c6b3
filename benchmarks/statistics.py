"""What the verdict on a run costs, once scipy is loaded."""

import random
import time

from baselines.assess import assess
from baselines.profiles import published
from baselines.types import Arm, DetectorState, Story
from probes import registry
from probes.measure import measure, observations
from probes.plans import PLANS, draw
from probes.types import Answer, Score

REPEATS = {"heartbeat": 50, "full": 3}


def rows() -> list[tuple[str, str, str]]:
    found = []
    for name, repeats in REPEATS.items():
        began = time.perf_counter()
        asks = draw(PLANS[name], seed=1, probe_of=registry.probe)
        drawn = time.perf_counter() - began
        answers = answers_at_base(1, name)
        _assess(answers, name)  # loads scipy
        began = time.perf_counter()
        for _ in range(repeats):
            _assess(answers, name)
        took = (time.perf_counter() - began) / repeats
        detail = f"{len(asks)} answers; drawn in {drawn * 1000:.0f} ms"
        found.append((f"assess a {name} run", f"{took * 1000:.1f} ms", detail))
    return found


def answers_at_base(seed: int, plan: str = "heartbeat") -> list[Answer]:
    """Yes-no answers with a mean of 0.1."""
    rng = random.Random(seed)
    return [
        Answer(
            item_id=a.item.id, cell=a.item.cell, repeat=a.repeat,
            outcome=Score(value=float(rng.random() < 0.1), scorer="b"),
        )
        for a in draw(PLANS[plan], seed=seed, probe_of=registry.probe)
    ]  # fmt: skip


def _assess(answers: list[Answer], plan: str) -> None:
    detectors: dict[Arm, DetectorState] = {}
    worst_of = max(selection.replies for selection in PLANS[plan].selections)
    assess(
        measurements=measure(answers, worst_of=worst_of), observations=observations(answers, worst_of=worst_of),
        profiles=published("gpt-4.1/all"), own=None, detectors=detectors, reference_key="k", story=Story(),
        judge_problem=None,
    )  # fmt: skip
