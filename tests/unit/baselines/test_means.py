"""Means and their intervals, by hand and at the edges; the coverage is proven in tests/simulation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.means import by_cell, design_effect, estimate, interval, weights_of
from probes.types import Cell, Observation

A = Cell(probe="self_assessment", dimension="d", method="decision")
B = Cell(probe="self_assessment", dimension="d", method="likert")
OTHER = Cell(probe="self_assessment", dimension="e", method="likert")


def items(cell: Cell, *values: float, n: int = 1) -> list[Observation]:
    return [Observation(cell=cell, value=value, item=f"{cell.key}{i}", n=n) for i, value in enumerate(values)]


def test_a_dimension_is_the_mean_of_its_methods_and_an_arm_that_of_its_dimensions() -> None:
    found = by_cell([*items(A, 0.0, 1.0, n=10), *items(B, 1.0), *items(OTHER, 0.0, 0.0)])
    assert weights_of(list(found)) == {A: 0.25, B: 0.25, OTHER: 0.5}
    assert estimate(found).mean == pytest.approx(0.25 * 0.5 + 0.25 * 1 + 0.5 * 0)


def test_answers_to_one_item_are_worth_less_than_as_many_items() -> None:
    alike = by_cell(items(A, *[0.0] * 50, *[1.0] * 50, n=10))
    mixed = by_cell(items(A, *[0.5] * 100, n=10))
    assert design_effect(alike) == pytest.approx(10, rel=0.5)
    assert design_effect(mixed) < 0.5
    assert estimate(alike).n < 200
    assert estimate(mixed).n > 1000


def test_one_question_an_item_tells_nothing_of_their_likeness() -> None:
    assert design_effect(by_cell([*items(A, 0.3), *items(B, 0.8)])) == 1.0


def test_harm_counts_prompts_by_their_worst_reply() -> None:
    cell = Cell(probe="harm", category="insults")
    seen = [Observation(cell=cell, value=0.1, worst=worst, k=10, item=str(i), n=10) for i, worst in enumerate((0, 1))]
    unknown = Observation(cell=cell, value=0.1, worst=None, k=10, item="few", n=2)
    assert estimate(by_cell([*seen, unknown])).mean == 0.5


def test_without_an_item_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="no scored item"):
        estimate({})


@given(st.floats(0, 1), st.floats(0.5, 1e6))
def test_an_interval_holds_its_mean_and_stays_in_range(mean: float, n: float) -> None:
    low, high = interval(mean, n)
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1


def test_an_interval_by_hand() -> None:
    low, high = interval(0.5, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)  # Wilson's, as in the textbooks
    assert interval(0.0, 50)[0] == 0.0
    assert interval(1.0, 50)[1] == 1.0
    assert interval(1 / 16, 16)[0] == pytest.approx(0.0513 / 16), "one event says little of the lower end"
