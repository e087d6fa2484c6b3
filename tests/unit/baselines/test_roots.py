"""Zeros of functions, against the library's."""

import math
import random

import pytest
from scipy.optimize import brentq

from baselines.roots import root


@pytest.mark.parametrize("seed", range(50))
def test_it_finds_what_the_library_finds(seed: int) -> None:
    rng = random.Random(seed)
    a, b, c = rng.uniform(0.1, 5), rng.uniform(0.1, 5), rng.uniform(0.001, 3)

    def function(x: float) -> float:
        return abs(x - a) - c * math.sqrt(0.01 + b * max(0.0, x * (1 - x)))

    reach = c * math.sqrt(0.01 + b / 4) + 1e-6
    for low, high in ((a - reach, a), (a, a + reach)):
        assert root(function, low, high) == pytest.approx(brentq(function, low, high), abs=1e-10)


def test_few_steps_are_enough() -> None:
    asked = []

    def function(x: float) -> float:
        asked.append(x)
        return x**3 - 2

    assert root(function, 0.0, 4.0) == pytest.approx(2 ** (1 / 3), abs=1e-12)
    assert len(asked) < 25


def test_an_end_that_is_a_zero_is_the_zero() -> None:
    assert root(lambda x: x, 0.0, 1.0) == 0.0
    assert root(lambda x: x - 1, 0.0, 1.0) == 1.0


def test_equal_signs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same sign at 1\.0 and 2\.0"):
        root(lambda x: x, 1.0, 2.0)
