"""Confidence bounds for bounded means."""

import pytest

from baselines.bounds import cached_upper_bound, upper_bound


@pytest.mark.parametrize(("mean", "n"), [(0.0, 10), (0.05, 200), (0.5, 50), (0.99, 30)])
def test_the_upper_bound_lies_above_and_closes_in(mean: float, n: int) -> None:
    near, far = upper_bound(mean, 100 * n, 0.01), upper_bound(mean, n, 0.01)
    assert mean < near < far <= 1


def test_zero_of_n_has_its_exact_bound() -> None:
    assert upper_bound(0.0, 100, 0.01) == pytest.approx(1 - 0.01 ** (1 / 100), abs=1e-9)


@pytest.mark.parametrize("n", [0, -1, float("nan")])
def test_a_bound_needs_a_value(n: float) -> None:
    with pytest.raises(ValueError, match="at least one"):
        upper_bound(0.1, n, 0.01)


@pytest.mark.parametrize("n", [0.3, 1, 7.77, 123.4, 98_765.4])
def test_the_kept_bound_is_never_the_lower_one(n: float) -> None:
    assert upper_bound(0.2, n, 0.05) <= cached_upper_bound(0.2, n, 0.05) <= upper_bound(0.2, 0.98 * n, 0.05)
