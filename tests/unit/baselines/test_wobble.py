"""The variance between heartbeats: found where it is, small where it is not, and not fooled by a step."""

import math
import random

import pytest

from baselines import wobble
from baselines.types import Wobble


def watched(sd: float, rho: float, *, beats: int, n: int = 100, mean: float = 0.3, step: float = 0.0) -> Wobble:
    """Heartbeats of `n` yes-no answers whose mean wobbles with `sd`, and jumps by `step` halfway."""
    rng = random.Random(4)
    found, noise = Wobble(), rng.gauss(0, sd)
    for beat in range(beats):
        noise = rho * noise + math.sqrt(1 - rho**2) * rng.gauss(0, sd)
        p = min(max(mean + noise + (step if beat >= beats // 2 else 0.0), 0.0), 1.0)
        got = sum(rng.random() < p for _ in range(n)) / n
        found = wobble.learn(found, wobble.Residuals(n=n, mean=got - mean, variance=got * (1 - got)), mean)
    return found


@pytest.mark.parametrize("sd", [0.05, 0.1])
def test_the_variance_between_heartbeats_is_found(sd: float) -> None:
    assert wobble.between(watched(sd, 0.5, beats=2000), 0.3) == pytest.approx(sd**2, rel=0.45)


def test_without_autocorrelation_it_errs_on_the_safe_side() -> None:
    needed = 1 + 0.05**2 * 100 / 0.21
    assert needed < wobble.design_effect(watched(0.05, 0.0, beats=2000), n=100, mean=0.3) < 2.5 * needed


def test_independent_heartbeats_are_worth_nearly_what_they_are() -> None:
    assert wobble.design_effect(watched(0.0, 0.0, beats=2000), n=100, mean=0.3) < 1.3


def test_one_step_is_no_wobble() -> None:
    calm, step = watched(0.0, 0.0, beats=400), watched(0.0, 0.0, beats=400, step=0.4)
    assert wobble.design_effect(step, n=100, mean=0.3) < wobble.design_effect(calm, n=100, mean=0.3) + 0.5


def test_what_was_measured_little_is_taken_at_its_upper_bound() -> None:
    new = wobble.design_effect(Wobble(), n=100, mean=0.3)
    assert 1.3 < new < 2.5
    assert wobble.design_effect(watched(0.0, 0.0, beats=100), n=100, mean=0.3) < new
    assert wobble.design_effect(Wobble(), n=100, mean=0.0) > 1.3, "nothing scored says nothing of the noise"
