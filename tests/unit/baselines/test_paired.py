"""The paired test: its level, its correction, and what it refuses."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.paired import holm, paired_tests
from probes.types import Cell

Means = dict[tuple[Cell, str], float]


def means(rng: random.Random, *, cells: int = 12, items: int = 40, up: float = 0.0, answers: int = 25) -> Means:
    """Item means over yes-no answers; items differ, and `up` raises the first cell."""
    found = {}
    for number in range(cells):
        cell = Cell(probe="self_assessment", dimension=f"d{number}", method="decision")
        for item in range(items):
            p = 0.05 + 0.3 * (item % 4) / 4 + (up if number == 0 else 0.0)
            found[cell, f"{number}-{item}"] = sum(rng.random() < p for _ in range(answers)) / answers
    return found


def test_a_cell_that_moved_is_found_and_the_others_are_not() -> None:
    rng = random.Random(1)
    found = {one.cell.dimension: one for one in paired_tests(means(rng, up=0.2), means(rng))}
    assert len(found) == 12
    assert found["d0"].p_adjusted < 0.001
    assert found["d0"].effect > 0.5
    assert found["d0"].difference == pytest.approx(0.2, abs=0.06)
    assert found["d0"].pairs == 40
    assert all(one.p_adjusted > 0.05 for name, one in found.items() if name != "d0")


def test_methods_of_a_dimension_are_pooled_and_single_items_left_out() -> None:
    cells = [Cell(probe="self_assessment", dimension="d", method=m) for m in ("decision", "likert")]
    now = {(cell, f"{cell.method}{i}"): 0.5 + i / 100 for cell in cells for i in range(4)}
    base = dict.fromkeys(now, 0.4)
    (one,) = paired_tests(now, base)
    assert (one.cell, one.pairs) == (Cell(probe="self_assessment", dimension="d"), 8)
    assert one.effect == 1.0
    assert paired_tests(dict(list(now.items())[:5]), base) == ()


def test_nothing_changed_is_no_finding() -> None:
    same = means(random.Random(2), cells=2)
    assert [(one.p, one.effect, one.difference) for one in paired_tests(same, same)] == [(1.0, 0.0, 0.0)] * 2


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.5])
def test_a_score_out_of_range_is_refused_by_item(value: float) -> None:
    good = means(random.Random(3), cells=1)
    bad = {key: (value if key[1] == "0-7" else score) for key, score in good.items()}
    with pytest.raises(ValueError, match=f"item 0-7: {value}"):
        paired_tests(bad, good)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with pytest.raises(ValueError, match="nan is not a p-value"):
        holm([0.1, math.nan])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float]) -> None:
    level = 0.05
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = set()
    for rank, index in enumerate(order):
        if p_values[index] * (len(p_values) - rank) > level:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


@pytest.mark.simulation
def test_the_level_of_one_test_and_of_a_family_of_twelve() -> None:
    """200 families of 12 cells without a change: at 5 %, 120 single and 10 family findings are expected."""
    rng = random.Random(4)
    single = families = 0
    for _ in range(200):
        found = paired_tests(means(rng, items=20), means(rng, items=20))
        single += sum(one.p < 0.05 for one in found)
        families += any(one.p_adjusted < 0.05 for one in found)
    print(f"{single} of 2400 tests and {families} of 200 families below 0.05")
    assert single <= 155  # 3.3 standard errors above 120
    assert families <= 20  # 3.2 standard errors above 10
