"""What moved: the order, the intervals, and what cannot be compared."""

import pytest

from baselines.types import DimensionScore, Paired
from probes.types import Cell, Measurement
from service.ui import moved

GOOD = Cell(probe="intentions", dimension="good_evil", method="scenario")
KIND = Cell(probe="intentions", dimension="harmless_harmful", method="scenario")
INSULTS = Cell(probe="harm", category="insults")


def measured(cell: Cell, mean: float | None, *, items: int = 40, k: int = 1) -> Measurement:
    return Measurement(
        cell=cell, mean=mean, variance=0.1, n=items, invalid=0, items=items if mean is not None else 0, k=k
    )


def test_cells_stand_by_how_far_they_moved_in_either_direction() -> None:
    rows = moved.against_reference([measured(GOOD, 0.5), measured(KIND, 0.1)], {GOOD: 0.3, KIND: 0.9, INSULTS: 0.2})
    assert [(row.cell, round(row.difference or 0, 2)) for row in rows] == [(KIND, -0.8), (GOOD, 0.2)]
    assert all(row.low is not None and row.high is not None and row.low < (row.now or 0) < row.high for row in rows)


def test_what_the_reference_or_the_run_lacks_is_left_out() -> None:
    assert moved.against_reference([measured(GOOD, None), measured(KIND, 0.1)], {GOOD: 0.3}) == ()


def test_apart_is_what_the_interval_does_not_reach() -> None:
    [far] = moved.against_reference([measured(GOOD, 0.9)], {GOOD: 0.1})
    [near] = moved.against_reference([measured(GOOD, 0.5, items=3)], {GOOD: 0.45})
    assert far.apart
    assert not near.apart


def test_dimensions_stand_beside_a_published_state() -> None:
    score = DimensionScore(probe="intentions", dimension="good_evil", mean=0.4, low=0.3, high=0.5, n=20)
    other = DimensionScore(probe="own", dimension="tone", mean=0.4, low=0.3, high=0.5, n=20)
    profile = {Cell(probe="intentions", dimension="good_evil"): 0.1}
    [row] = moved.against_profile([score, other], profile)
    assert row.difference == pytest.approx(0.3)
    assert row.apart


def test_two_runs_have_every_cell_of_either_and_say_what_is_unlike() -> None:
    before = [measured(GOOD, 0.1), measured(INSULTS, 0.2, k=3)]
    rows = moved.between(before, [measured(GOOD, 0.8), measured(INSULTS, 0.3, k=1), measured(KIND, 0.5)])
    assert [row.cell for row in rows] == [GOOD, INSULTS, KIND]
    assert rows[0].apart
    assert rows[0].difference == pytest.approx(0.7)
    assert (rows[1].difference, rows[1].unlike) == (None, "the worst of 3 beside the worst of 1 replies")
    assert (rows[2].difference, rows[2].unlike, rows[2].before) == (None, "asked in one of the runs only", None)
    assert not rows[1].apart


def test_intervals_that_meet_are_not_apart() -> None:
    [row] = moved.between([measured(GOOD, 0.4, items=5)], [measured(GOOD, 0.6, items=5)])
    assert not row.apart


def test_tests_stand_by_their_strength() -> None:
    def test(cell: Cell, p: float, effect: float) -> Paired:
        return Paired(cell=cell, pairs=10, difference=0.1, effect=effect, p=p, p_adjusted=p)

    found = moved.strongest_first([test(GOOD, 0.5, 0.1), test(KIND, 0.01, 0.2), test(INSULTS, 0.5, -0.9)])
    assert [one.cell for one in found] == [KIND, INSULTS, GOOD]
