"""What messages tell beside the rule's sentence, and that text of others does no harm in them."""

from datetime import timedelta

import pytest

from alerts.render import about, notice
from alerts.rules import RULES
from alerts.types import AlertState, DrillOutcome, Facts, Offline, Overdue, Served, Skip
from tests.unit.alerts.facts import AT, clock, facts, flip, here

BY_NAME = {rule.name: rule for rule in RULES}


def text(rule: str, seen: Facts, after: AlertState = AlertState.FIRING) -> str:
    change = flip(rule=rule, endpoint=seen.endpoint, after=after, severity=BY_NAME[rule].severity, since=AT)
    return notice(change, BY_NAME[rule], seen, {}).text


def served(now: set[str], before: set[str]) -> Served:
    return Served(fingerprints=frozenset(now), fingerprints_before=frozenset(before))


def test_a_changed_model_names_both_sides() -> None:
    told = text("ModelChanged", facts(served=served({"fp_2"}, {"fp_1", "fp_0"}), off_axis=0.31))
    assert "The server names the system fingerprint fp_2; before it was fp_0, fp_1." in told
    assert "moved by 0.31 in a direction that is not toward misaligned" in told


def test_many_names_are_cut() -> None:
    told = text("ModelChanged", facts(served=served({"x" * 500}, {f"fp_{n}" for n in range(9)})))
    assert "fp_0, fp_1, fp_2 and 6 more" in told
    assert "x" * 81 not in told


def test_what_a_server_calls_itself_is_only_text() -> None:
    bad = "<!channel> @everyone [x](http://evil)\nRESOLVED"
    told = text("ModelChanged", facts(served=served({bad}, {"fp_1"})))
    assert not {"<", "[", "@"} & set(told)
    assert "\nRESOLVED" not in told


def test_an_overdue_schedule_tells_since_when() -> None:
    late = Overdue(plan="heartbeat", spec="PT15M", since=AT, expected=AT + timedelta(minutes=30))
    told = text("RunOverdue", clock(overdue=(late,)))
    assert (
        "Plan heartbeat (PT15M): no run has succeeded since 2026-03-01 12:00 UTC; a second one was due by "
        "2026-03-01 12:30 UTC." in told
    )
    assert "Endpoint support-bot, 2026-03-01 12:00 UTC." in told
    assert "run ," not in told


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (facts(budget_problem="9 of 9 tokens are used", budget_remedy="wait"), "9 of 9 tokens are used; wait."),
        (clock(skip=Skip(slot="1", reason="budget_exhausted")), "was not begun: budget exhausted."),
        (clock(skip=Skip(slot="1", reason="budget_exhausted", detail="8 of 8 USD")), "was not begun: 8 of 8 USD."),
    ],
)
def test_a_budget_tells_its_figures(seen: Facts, told: str) -> None:
    assert told in text("BudgetExhausted", seen)


def test_the_installation_speaks_of_itself() -> None:
    told = text("WeAreOffline", here(offline=Offline(since=AT, detail="no route"), connectivity_known=True))
    assert "Nothing can be reached since 2026-03-01 12:00 UTC (no route). Alerts of endpoints are muted." in told
    assert "About this installation of Selfwatch, not about an endpoint, 2026-03-01 12:00 UTC." in told
    drill = text("DrillFailed", here(drills=DrillOutcome(failed="hook gave up", overdue="none has succeeded yet")))
    assert "Drill: hook gave up." in drill
    assert "Drill: none has succeeded yet." in drill


def test_what_ended_by_the_clock_is_not_told_in_runs() -> None:
    told = text("RunOverdue", clock(overdue=()), AlertState.RESOLVED)
    assert told.startswith("No longer so; it had been firing since 2026-03-01 12:00 UTC.")
    assert "in a row" not in told


@pytest.mark.parametrize(
    ("rule", "seen", "expected"),
    [
        ("BehaviourDrift", facts(because="harm has risen"), "harm has risen"),
        ("EndpointDown", facts(endpoint_problem="timeout", endpoint_detail="30 s"), "Reason: timeout (30 s)."),
        ("RunOverdue", clock(overdue=()), ""),
        ("WeAreOffline", here(), ""),
    ],
)
def test_one_sentence_for_lists(rule: str, seen: Facts, expected: str) -> None:
    assert about(BY_NAME[rule], seen) == expected
