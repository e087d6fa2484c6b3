"""Spearman over the published variants, and over a history."""

import math

import pytest

from baselines.correlate import over_profiles, spearman


@pytest.mark.parametrize(
    ("dimension", "expected"), [("harmless_harmful", (0.88, 0.87, 0.79)), ("average", (0.83, 0.89, 0.81))]
)
def test_the_published_variants_correlate(dimension: str, expected: tuple[float, ...]) -> None:
    """The paper gives 0.90, 0.89 and 0.79 (intentions-harm, intentions-self-assessment, harm-self-assessment). Those
    came from unrounded data; from the tables, rounded to two decimals as they are printed, these follow."""
    found = over_profiles(dimension)
    assert tuple(round(one.rho, 2) for one in found.values()) == expected
    assert all(one.n == 15 and one.p < 0.001 for one in found.values())


def test_an_unknown_dimension_is_an_error() -> None:
    with pytest.raises(LookupError, match="kind_cruel"):
        over_profiles("kind_cruel")


def test_a_history_too_short_or_without_change_has_no_correlation() -> None:
    assert spearman([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert spearman([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) is None
    found = spearman([1, 2, 3, 4, 5], [2, 4, 6, 8, 9])
    assert found is not None
    assert found.rho == pytest.approx(1)


def test_what_is_no_pair_of_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        spearman([1, 2, 3, 4, math.nan], [1, 2, 3, 4, 5])
    with pytest.raises(ValueError, match="no pairs"):
        spearman([1, 2], [1])
