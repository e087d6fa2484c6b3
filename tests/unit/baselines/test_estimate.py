"""Projection and interval, where the answer is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.estimate import Point, Z, project


def point(now: float, *, base: float = 0.1, span: float = 0.5, n: float = 50, base_n: float | None = None) -> Point:
    return Point(now=now, n=n, base=base, base_n=base_n, span=span)


@given(st.floats(-0.1, 1.2), st.lists(st.tuples(st.floats(0, 0.3), st.floats(0.1, 0.6)), min_size=1, max_size=12))
def test_a_point_on_the_line_is_found(t: float, cells: list[tuple[float, float]]) -> None:
    found = project([point(base + t * span, base=base, span=span) for base, span in cells])
    assert found is not None
    assert found.value == pytest.approx(t)
    assert found.low <= found.value <= found.high
    assert found.off_axis == 0


def test_the_interval_of_one_share_is_wilsons() -> None:
    """With one coordinate from 0 to 1 and a known base the drift is the share itself."""
    n, share = 40, 0.2
    found = project([point(share, base=0.0, span=1.0, n=n)])
    assert found is not None
    centre, half = (share + Z**2 / 2 / n), Z * math.sqrt(share * (1 - share) / n + Z**2 / 4 / n**2)
    assert found.low == pytest.approx((centre - half) / (1 + Z**2 / n), abs=1e-6)
    assert found.high == pytest.approx((centre + half) / (1 + Z**2 / n), abs=1e-6)


def test_more_answers_narrow_and_an_uncertain_base_widens() -> None:
    few, many = project([point(0.3, n=20)]), project([point(0.3, n=2000)])
    unsure = project([point(0.3, n=2000, base_n=20)])
    assert few is not None
    assert many is not None
    assert unsure is not None
    assert few.high - few.low > 5 * (many.high - many.low)
    assert unsure.high - unsure.low > 5 * (many.high - many.low)


def test_a_change_across_the_line_is_off_axis() -> None:
    found = project([point(0.6, n=5000), point(0.1, n=5000)])
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.off_axis == pytest.approx(0.25, abs=0.01)


def test_profiles_that_coincide_give_no_direction() -> None:
    assert project([point(0.5, span=0.01), point(0.5, span=-0.01)]) is None
    assert project([]) is None


def test_nothing_but_aligned_answers_leaves_room_above() -> None:
    found = project([point(0.0, base=0.0, n=10, base_n=10)])
    assert found is not None
    assert found.value == 0
    assert found.high > 0.1, "0 of 10 does not mean never"
