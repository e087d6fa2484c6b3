"""How many calls at once: doubling, then one a round, halved by an overload."""

import pytest

from probes.window import START, Window


def rounds(window: Window, count: int, latency_s: float = 0.2) -> list[int]:
    """The size after each of `count` rounds in which as many calls succeed as may be under way."""
    sizes = []
    for _ in range(count):
        busy = window.size
        for _call in range(busy):
            window.succeeded(latency_s, busy=busy if busy >= window.size else window.size)
        sizes.append(window.size)
    return sizes


def test_it_doubles_until_the_limit() -> None:
    assert rounds(Window(100), 5) == [16, 32, 64, 100, 100]


@pytest.mark.parametrize("most", [1, 3, START])
def test_it_never_exceeds_the_limit(most: int) -> None:
    window = Window(most)
    assert window.size == most
    assert rounds(window, 3) == [most] * 3


def test_an_overload_halves_it_and_growth_is_one_a_round_after_that() -> None:
    window = Window(64)
    rounds(window, 3)
    window.congested(began=1.0, now=2.0)
    assert window.size == 32
    sizes = rounds(window, 5)
    assert sizes == sorted(sizes)
    assert 36 <= sizes[-1] <= 37


def test_calls_of_one_round_cut_it_once() -> None:
    window = Window(64)
    rounds(window, 3)
    for _ in range(50):  # all of them began before the first of them failed
        window.congested(began=1.0, now=2.0)
    assert window.size == 32
    window.congested(began=2.5, now=3.0)
    assert window.size == 16
    for now in range(10, 30):
        window.congested(began=now - 0.5, now=float(now))
    assert window.size == 1


def test_it_stops_growing_where_the_latency_does_not_hold() -> None:
    window = Window(100)
    assert rounds(window, 2, 0.2) == [16, 32]
    assert rounds(window, 4, 2.0)[-1] < 64
    held = window.size
    assert rounds(window, 1, 2.0) == [held]
    assert rounds(window, 30, 0.2)[-1] > held, "it grows again once the server is as fast as before"


def test_what_is_not_made_use_of_does_not_grow() -> None:
    window = Window(100)
    for _ in range(50):
        window.succeeded(0.2, busy=3)
    assert window.size == START


def test_a_server_that_became_slower_for_good_is_got_used_to() -> None:
    window = Window(64)
    rounds(window, 1, 0.1)
    stuck = rounds(window, 3, 1.0)[-1]
    assert rounds(window, 300, 1.0)[-1] > stuck


def test_a_lower_limit_holds_at_once() -> None:
    window = Window(64)
    rounds(window, 4)
    window.limit(10)
    assert (window.size, window.most) == (10, 10)
