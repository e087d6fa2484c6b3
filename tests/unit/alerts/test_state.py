"""Alert states over runs: a table of stories, then properties over any history."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition
from hypothesis.stateful import rule as action

from alerts.rules import RULES
from alerts.state import evaluate, flip_id, step
from alerts.types import Alert, AlertState, Facts, Flip, Rule, Severity
from baselines.types import Verdict
from tests.unit.alerts.facts import AT, both, facts

YES, NO, UNKNOWN = True, False, None
OUTCOMES: dict[str, bool | None] = {"T": YES, "F": NO, "-": UNKNOWN}
LETTERS = {
    AlertState.INACTIVE: "i",
    AlertState.PENDING: "p",
    AlertState.FIRING: "f",
    AlertState.RESOLVED: "r",
}


def rule_of(held: bool | None, *, for_runs: int = 1, resolve_runs: int = 2) -> Rule:
    """A rule that answers `held`, whatever the facts."""
    return Rule(
        name="Example",
        severity=Severity.WARNING,
        summary="An example.",
        runbook="alerts/runbooks/example.md",
        holds=lambda _: held,
        for_runs=for_runs,
        resolve_runs=resolve_runs,
    )


NEW = Alert(rule="Example", endpoint="support-bot", severity=Severity.WARNING)


def history(outcomes: str, *, for_runs: int, resolve_runs: int) -> tuple[str, list[Flip]]:
    """The states after each run as letters, and all flips."""
    alert, states, flips = NEW, "", []
    for number, outcome in enumerate(outcomes):
        rule = rule_of(OUTCOMES[outcome], for_runs=for_runs, resolve_runs=resolve_runs)
        alert, flip = step(alert, rule, facts(run_id=f"run-{number}"))
        states += LETTERS[alert.state]
        flips += [flip] if flip is not None else []
    return states, flips


@pytest.mark.parametrize(
    ("for_runs", "resolve_runs", "outcomes", "states"),
    [
        (1, 2, "FFF", "iii"),
        (1, 2, "T", "f"),
        (1, 2, "TFF", "ffr"),
        (1, 2, "TFTFF", "ffffr"),
        (1, 2, "TF-F", "fffr"),
        (1, 2, "TFFT", "ffrf"),
        (1, 2, "TFFFF", "ffrrr"),
        (1, 1, "TFTF", "frfr"),
        (1, 3, "TFFTFFF", "ffffffr"),
        (2, 2, "TT", "pf"),
        (2, 2, "TFT", "pip"),
        (2, 2, "T-T", "ppf"),
        (2, 2, "TTFFTT", "pffrpf"),
        (2, 2, "TTFFTF", "pffrpi"),
        (3, 1, "TTFTTTF", "ppippfr"),
        (2, 2, "----", "iiii"),
        (1, 2, "T---", "ffff"),
    ],
)
def test_states_follow_the_runs(for_runs: int, resolve_runs: int, outcomes: str, states: str) -> None:
    assert history(outcomes, for_runs=for_runs, resolve_runs=resolve_runs)[0] == states


def test_only_firing_and_resolved_are_told() -> None:
    _, flips = history("TFTTFF", for_runs=2, resolve_runs=2)
    assert [(LETTERS[flip.before], LETTERS[flip.after], flip.notify) for flip in flips] == [
        ("i", "p", False),
        ("p", "i", False),
        ("i", "p", False),
        ("p", "f", True),
        ("f", "r", True),
    ]


def test_a_flip_tells_when_and_why_it_came() -> None:
    fired = replace(NEW, state=AlertState.FIRING, since=AT)
    alert, flip = step(fired, rule_of(NO, resolve_runs=1), facts(run_id="run-9", at=AT.replace(hour=13)))
    assert flip is not None
    assert (flip.rule, flip.endpoint, flip.run_id, flip.at) == ("Example", "support-bot", "run-9", AT.replace(hour=13))
    assert flip.since == AT
    assert alert == replace(fired, state=AlertState.RESOLVED, since=AT.replace(hour=13), flip_id=flip.id)


def test_an_alert_takes_the_severity_that_its_rule_has_now() -> None:
    critical = replace(rule_of(YES), severity=Severity.CRITICAL)
    alert, _ = step(replace(NEW, state=AlertState.FIRING), critical, facts())
    assert alert.severity is Severity.CRITICAL


def test_a_rule_made_more_impatient_fires_at_the_next_run() -> None:
    pending, _ = step(NEW, rule_of(YES, for_runs=5), facts())
    alert, _ = step(pending, rule_of(YES, for_runs=2), facts(run_id="run-2"))
    assert alert.state is AlertState.FIRING


def test_the_same_run_gives_the_same_flip_again() -> None:
    first = step(NEW, rule_of(YES), facts())
    assert step(NEW, rule_of(YES), facts()) == first
    assert first[1] is not None
    assert first[1].id == flip_id("support-bot", "Example", "run-1", AlertState.FIRING)


def test_flip_ids_are_pinned_because_they_outlive_the_process() -> None:
    assert flip_id("support-bot", "Example", "run-1", AlertState.FIRING) == (
        "df93941dbe83b84461e9b0f7ae8d5456966b34de00d3c8a7a0f2e50b7d06f9fe"
    )


@given(
    left=st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.sampled_from(AlertState)),
    right=st.tuples(st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.sampled_from(AlertState)),
)
def test_flip_ids_differ_when_any_part_differs(
    left: tuple[str, str, str, AlertState], right: tuple[str, str, str, AlertState]
) -> None:
    assert (flip_id(*left) == flip_id(*right)) is (left == right)


def test_flip_ids_keep_their_parts_apart() -> None:
    assert flip_id("a", "bc", "d", AlertState.FIRING) != flip_id("ab", "c", "d", AlertState.FIRING)


@pytest.mark.parametrize("alert", [replace(NEW, rule="Other"), replace(NEW, endpoint="other-bot")])
def test_an_alert_of_another_rule_or_endpoint_is_refused(alert: Alert) -> None:
    with pytest.raises(ValueError, match="does not belong to rule 'Example' and endpoint 'support-bot'"):
        step(alert, rule_of(YES), facts())


def test_one_run_goes_through_every_rule() -> None:
    run = facts(verdict=Verdict.COHERENT_MISALIGNMENT, arms=both(self_report=True, behaviour=True))
    evaluation = evaluate(RULES, {}, run)
    assert set(evaluation.alerts) == {rule.name for rule in RULES}
    assert {flip.rule for flip in evaluation.flips} == {"SelfReportDrift", "BehaviourDrift", "CoherentMisalignment"}
    assert all(flip.notify and flip.after is AlertState.FIRING for flip in evaluation.flips)


def test_evaluation_goes_on_from_the_stored_alerts() -> None:
    down = facts(verdict=None, arms={}, invalid_share=None, endpoint_problem="unreachable")
    once = evaluate(RULES, {}, down)
    assert once.alerts["EndpointDown"].state is AlertState.PENDING
    twice = evaluate(RULES, once.alerts, replace(down, run_id="run-2"))
    assert [(flip.rule, flip.after) for flip in twice.flips] == [("EndpointDown", AlertState.FIRING)]
    steady = evaluate(RULES, twice.alerts, facts(run_id="run-3"))
    assert steady.flips == ()
    cleared = evaluate(RULES, steady.alerts, facts(run_id="run-4"))
    assert [(flip.rule, flip.after) for flip in cleared.flips] == [("EndpointDown", AlertState.RESOLVED)]


def test_alerts_of_rules_that_are_gone_are_left_out() -> None:
    gone = Alert(rule="Gone", endpoint="support-bot", severity=Severity.INFO, state=AlertState.FIRING)
    assert set(evaluate(RULES[:1], {"Gone": gone}, facts()).alerts) == {RULES[0].name}


class AnyHistory(RuleBasedStateMachine):
    """Whatever runs come, in whatever order: an independent count of the answers bounds what the alert may do."""

    @initialize(for_runs=st.integers(1, 4), resolve_runs=st.integers(1, 4))
    def begin(self, for_runs: int, resolve_runs: int) -> None:
        self.for_runs, self.resolve_runs = for_runs, resolve_runs
        self.alert = NEW
        self.known: list[bool] = []
        self.ids: set[str] = set()
        self.told: list[AlertState] = []
        self.runs = 0

    def _run(self, held: bool | None) -> tuple[Alert, Flip | None]:
        self.runs += 1
        before = self.alert
        run: Facts = facts(run_id=f"run-{self.runs}")
        rule = rule_of(held, for_runs=self.for_runs, resolve_runs=self.resolve_runs)
        self.alert, flip = step(before, rule, run)
        assert step(before, rule, run) == (self.alert, flip)
        if flip is not None:
            assert (flip.before, flip.after) == (before.state, self.alert.state)
            assert flip.id not in self.ids
            self.ids.add(flip.id)
            self.told += [flip.after] if flip.notify else []
        else:
            assert self.alert.state is before.state
        return before, flip

    @action(held=st.booleans())
    def decided(self, held: bool) -> None:
        self.known.append(held)
        before, _ = self._run(held)
        if self.alert.state is AlertState.FIRING and before.state is not AlertState.FIRING:
            assert self.known[-self.for_runs :] == [True] * self.for_runs
        if self.alert.state is AlertState.RESOLVED and before.state is AlertState.FIRING:
            assert self.known[-self.resolve_runs :] == [False] * self.resolve_runs

    @action()
    def undecided(self) -> None:
        before, flip = self._run(None)
        assert flip is None
        assert self.alert == before

    @precondition(lambda self: hasattr(self, "alert"))
    @invariant()
    def enough_runs_decide(self) -> None:
        if len(self.known) >= self.for_runs and all(self.known[-self.for_runs :]):
            assert self.alert.state is AlertState.FIRING
        if len(self.known) >= self.resolve_runs and not any(self.known[-self.resolve_runs :]):
            assert self.alert.state is not AlertState.FIRING

    @precondition(lambda self: hasattr(self, "alert"))
    @invariant()
    def people_hear_firing_and_resolved_in_turn(self) -> None:
        in_turn = [AlertState.FIRING, AlertState.RESOLVED] * len(self.told)
        assert self.told == in_turn[: len(self.told)]


TestAnyHistory = AnyHistory.TestCase
