"""How long a run's calls took, as it is stored."""

import pytest

from probes.types import Answer, Reason, Score, Unscored, cell
from service.latency import latency_to_json, quantile


def answer(latency_s: float | None, attempts: int = 1) -> Answer:
    outcome = Score(value=0.0, scorer="t") if latency_s is not None else Unscored(reason=Reason.TIMEOUT)
    return Answer(
        item_id="i", cell=cell("intentions", "d", "choice", ""), repeat=0, outcome=outcome, attempts=attempts,
        latency_s=latency_s,
    )  # fmt: skip


def test_the_quantiles_are_those_of_the_calls_that_brought_something() -> None:
    answers = [*(answer(s / 100) for s in range(101)), answer(None, attempts=3), answer(99.0, attempts=0)]
    assert latency_to_json(answers) == {"p50_s": 0.5, "p95_s": 0.95, "calls": 101}


def test_one_call_is_its_own_quantile_and_none_has_none() -> None:
    assert latency_to_json([answer(0.25)]) == {"p50_s": 0.25, "p95_s": 0.25, "calls": 1}
    assert latency_to_json([answer(None), answer(1.0, attempts=0)]) is None


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.5), (0.75, 3.25), (1.0, 4.0)])
def test_a_quantile_lies_between_its_neighbours(share: float, expected: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], share) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1)])
def test_what_has_no_quantile_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="there is no"):
        quantile(values, share)
