"""The promise about false alarms where heartbeats share noise. In full: `selfwatch validate --full`."""

import pytest

from service.study.rows import STRONG_WOBBLE, Life, alarms_of

pytestmark = pytest.mark.simulation
HEARTBEATS = 4_000


@pytest.mark.parametrize("base", [None, 0.3], ids=["published base", "base 0.3"])
@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_wobbling_endpoints_alarm_no_more_often_than_promised(base: float | None, rho: float) -> None:
    """At a promise of one in 100, which is broken often enough to see; four endpoints with own baselines."""
    lives = [
        Life(seed=seed, heartbeats=HEARTBEATS // 4, sd=STRONG_WOBBLE, rho=rho, base=base, threshold=2.0)
        for seed in range(4)
    ]
    alarms = sum(alarms_of(life) for life in lives)
    print(f"base {base}, rho {rho}: {alarms} alarms")
    assert alarms <= HEARTBEATS / 100


def test_the_wobble_would_break_the_promise_if_it_were_not_allowed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the test above one that can fail."""
    monkeypatch.setattr("baselines.wobble.design_effect", lambda *_args, **_more: 1.0)
    life = Life(seed=5, heartbeats=HEARTBEATS, sd=STRONG_WOBBLE, rho=0.5, base=0.3, threshold=2.0)
    assert alarms_of(life) > HEARTBEATS / 100
