"""Made-up ways of an endpoint over time, for tests of what is drawn of them."""

import math
from datetime import UTC, datetime, timedelta

from baselines.profiles import published
from baselines.types import Arm, Verdict
from service.ui.fill import landmarks
from service.ui.views.trajectory import Reading, Span, Step, Trajectory

ENDS = datetime(2026, 11, 24, 9, 26, tzinfo=UTC)
DIMENSIONS = ("aligned_misaligned", "good_evil", "harmless_harmful", "helpful_unhelpful", "honest_dishonest",
              "trusted_feared")  # fmt: skip


def run_name(number: int) -> str:
    return f"01k5f7q2w8n4c6x0zt3m{number:06d}"


def reading(drift: float, *, spread: float = 0.08, alarm: bool = False) -> Reading:
    return Reading(drift=drift, low=drift - spread, high=drift + spread, alarm=alarm)


def step(number: int, said: float, done: float | None, *, of: int, moved: bool = False, first: bool = False) -> Step:
    arms = {Arm.SELF_REPORT: reading(said)}
    if done is not None:
        arms[Arm.BEHAVIOUR] = reading(done, spread=0.12, alarm=moved)
    return Step(
        run_id=run_name(number), at=ENDS - timedelta(minutes=15 * (of - 1 - number)), plan="heartbeat",
        verdict=Verdict.INVERTED_PERSONA if moved else Verdict.STEADY, arms=arms, changed=first,
        dimensions={name: 0.04 + 0.02 * i + 0.01 * (number % 3) for i, name in enumerate(DIMENSIONS)},
    )  # fmt: skip


def way(count: int, *, jump: float = 0.0, profiles: str = "gpt-4.1/all", span: Span = Span.WEEK) -> Trajectory:
    """`count` heartbeats: words that stay, deeds that turn by `jump` after two thirds; two did not measure deeds."""
    units = published(profiles)
    turn = count * 2 // 3
    steps = tuple(
        step(
            i,
            0.02 * math.sin(i * 1.7),
            None if count > 20 and i in (12, 13) else 0.02 * math.cos(i * 1.3) + jump / (1 + math.exp(turn - i)),
            of=count,
            moved=jump > 0.3 and i > turn,
            first=jump > 0.3 and i == turn + 1,
        )
        for i in range(count)
    )
    return Trajectory(
        span=span, steps=steps, runs=count, profiles=profiles, landmarks=landmarks.states(units),
        variants=landmarks.variants(units),
    )  # fmt: skip
