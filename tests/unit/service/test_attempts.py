"""Failures at the sign-in are counted in a sliding window, in bounded memory."""

import pytest

from service.attempts import WINDOW_S, Attempts, network_of


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_failure_more_than_allowed_waits_until_the_first_is_a_minute_old() -> None:
    watch = Watch()
    attempts = Attempts(per_address=3, monotonic=watch)
    for _ in range(3):
        assert attempts.begin("192.0.2.1") == 0
        watch.now += 10
    assert attempts.begin("192.0.2.1") == 30
    assert attempts.begin("192.0.2.2") == 0, "another address is not held up"
    watch.now += 29.5
    assert attempts.begin("192.0.2.1") == 1
    watch.now += 0.5
    assert attempts.begin("192.0.2.1") == 0
    assert attempts.begin("192.0.2.1") == 10, "the window slides; it does not start anew"


def test_who_waits_does_not_wait_longer_by_trying_again() -> None:
    watch = Watch()
    attempts = Attempts(per_address=1, monotonic=watch)
    attempts.begin("a")
    waits = []
    for _ in range(5):
        watch.now += 10
        waits.append(attempts.begin("a"))
    assert waits == [50, 40, 30, 20, 10]


def test_success_is_no_failure() -> None:
    attempts = Attempts(per_address=2, in_all=2, monotonic=Watch())
    for _ in range(20):
        assert attempts.begin("a") == 0
        attempts.succeeded("a")


def test_attempts_that_are_under_way_count() -> None:
    """A thousand tokens sent at once are not a thousand free guesses."""
    attempts = Attempts(per_address=10, monotonic=Watch())
    assert [attempts.begin("a") == 0 for _ in range(1000)].count(True) == 10


def test_many_addresses_together_are_capped_and_forgotten() -> None:
    watch = Watch()
    attempts = Attempts(in_all=50, most_addresses=20, monotonic=watch)
    allowed = [attempts.begin(f"198.51.100.{number}") == 0 for number in range(200)]
    assert allowed.count(True) == 50
    assert len(attempts) == 20
    watch.now += WINDOW_S
    assert attempts.begin("203.0.113.9") == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
        ("", ""),
        ("x" * 5000, "x" * 64),
    ],
)
def test_one_customer_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
