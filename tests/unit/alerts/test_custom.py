"""Rules of the users' own, and what may be changed of the shipped ones."""

from datetime import timedelta

import pytest

from alerts.custom import METRICS, Adjustment, Condition, Custom, every, rules_in_force
from alerts.render import about, notice
from alerts.rules import RULES
from alerts.state import step
from alerts.types import Alert, AlertState, Facts, Severity
from baselines.types import Arm
from probes.types import Cell, Measurement
from tests.unit.alerts.facts import NO_DATA, arm, facts, flip


def cell(mean: float | None, **parts: str) -> Measurement:
    return Measurement(cell=Cell(**parts), mean=mean, variance=0.1, n=5, invalid=0, items=5)


MEASURED = (
    cell(0.2, probe="self_assessment", dimension="honesty", method="likert"),
    cell(0.4, probe="self_assessment", dimension="honesty", method="choice"),
    cell(0.9, probe="self_assessment", dimension="power", method="choice"),
    cell(None, probe="self_assessment", dimension="power", method="likert"),
    cell(0.5, probe="harm", category="fraud"),
    cell(0.1, probe="harm", category="violence"),
)
RUN = facts(
    measurements=MEASURED, off_axis=0.15, judge_agreement=0.8, invalid_share=0.1,
    arms={Arm.SELF_REPORT: arm(alarm=True), Arm.BEHAVIOUR: arm()},
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (Condition(metric="drift", arm=Arm.SELF_REPORT, above=0), 0.7),
        (Condition(metric="drift_low", arm=Arm.SELF_REPORT, above=0), 0.55),
        (Condition(metric="drift_high", arm=Arm.BEHAVIOUR, above=0), 0.06),
        (Condition(metric="arm_score", arm=Arm.BEHAVIOUR, above=0), 0.07),
        (Condition(metric="evidence_log10", arm=Arm.SELF_REPORT, above=0), 4.3),
        (Condition(metric="off_axis_distance", above=0), 0.15),
        (Condition(metric="judge_agreement", below=1), 0.8),
        (Condition(metric="invalid_share", above=0), 0.1),
        (Condition(metric="self_assessment_score", above=0), 0.5),
        (Condition(metric="self_assessment_score", above=0, where={"dimension": "honesty"}), 0.3),
        (Condition(metric="self_assessment_score", above=0, where={"dimension": "power", "method": "likert"}), None),
        (Condition(metric="harm_score", above=0, where={"category": "fraud"}), 0.5),
        (Condition(metric="harm_score", above=0), 0.3),
        (Condition(metric="intentions_score", above=0), None),
    ],
)
def test_the_figures_of_a_run(condition: Condition, value: float | None) -> None:
    found = condition.value(RUN)
    assert found == (pytest.approx(value) if value is not None else None)


def test_every_metric_is_read_somewhere() -> None:
    told = {name for name in METRICS if Condition(metric=name, arm=Arm.SELF_REPORT, above=0).value(RUN) is not None}
    assert told == set(METRICS) - {"intentions_score"}


@pytest.mark.parametrize("metric", ["harm_score", "drift"])
def test_a_judge_that_is_down_says_nothing_of_behaviour(metric: str) -> None:
    condition = Condition(metric=metric, arm=Arm.BEHAVIOUR, above=0)
    assert condition.holds(facts(measurements=MEASURED)) is True
    assert condition.holds(facts(measurements=MEASURED, judge_problem="judge_down")) is None


def test_an_arm_without_answers_has_no_figures() -> None:
    assert Condition(metric="drift", arm=Arm.SELF_REPORT, above=0).holds(facts(arms={Arm.SELF_REPORT: NO_DATA})) is None
    assert Condition(metric="drift", arm=Arm.SELF_REPORT, above=0).holds(facts(arms={})) is None


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([True, True], True),
        ([True, False], False),
        ([None, False], False),
        ([None, True], None),
        ([], True),
    ],
)
def test_all_conditions_must_hold(held: list[bool | None], expected: bool | None) -> None:
    assert every(held) is expected


def shares(*values: float) -> list[Facts]:
    return [facts(invalid_share=value, run_id=f"run-{number}") for number, value in enumerate(values)]


def states(custom: Custom, runs: list[Facts]) -> list[str]:
    rule = custom.rule()
    alert, found = Alert(rule=rule.name, endpoint="support-bot", severity=rule.severity), []
    for run in runs:
        alert, _ = step(alert, rule, run)
        found.append(alert.state.value)
    return found


def test_clear_is_where_an_alert_may_end() -> None:
    custom = Custom(name="Chatty", when=(Condition(metric="invalid_share", above=0.3, clear=0.2),), resolve_runs=1)
    assert states(custom, shares(0.25, 0.31, 0.25, 0.21, 0.2)) == ["inactive", "firing", "firing", "firing", "resolved"]


def test_clear_of_a_lower_bound_lies_above_it() -> None:
    custom = Custom(name="Quiet", when=(Condition(metric="invalid_share", below=0.3, clear=0.4),), resolve_runs=1)
    assert states(custom, shares(0.35, 0.29, 0.35, 0.4)) == ["inactive", "firing", "firing", "resolved"]


def test_runs_of_other_plans_leave_it_as_it_is() -> None:
    custom = Custom(name="Chatty", when=(Condition(metric="invalid_share", above=0.3),), plan="full", resolve_runs=1)
    assert states(custom, [facts(plan="full", invalid_share=0.9), facts(invalid_share=0.0)]) == ["firing", "firing"]


def test_the_sentence_says_what_was_asked_for() -> None:
    custom = Custom(
        name="Both",
        when=(
            Condition(metric="drift", arm=Arm.SELF_REPORT, above=0.3),
            Condition(metric="harm_score", where={"category": "fraud"}, below=0.5),
        ),
    )
    assert custom.rule().summary == (
        "The rule Both of the configuration holds: drift{self_report} is above 0.3 and harm_score{fraud} is below 0.5."
    )


WORDS_AND_DEEDS = Custom(
    name="WordsAndDeeds",
    when=(
        Condition(metric="drift", arm=Arm.SELF_REPORT, above=0.3),
        Condition(metric="harm_score", where={"category": "violence"}, below=0.5, clear=0.6),
    ),
    summary="It says one thing; it does another.",
)
FIGURES = "drift{self_report} 0.7 (above 0.3), harm_score{violence} 0.1 (below 0.5, clear at 0.6)"


def test_an_alert_is_told_in_the_words_of_the_rule_with_the_figures_that_fired() -> None:
    rule = WORDS_AND_DEEDS.rule()
    assert about(rule, RUN) == f"It says one thing; it does another. {FIGURES}"
    fired = flip(rule=rule.name, endpoint=RUN.endpoint, severity=rule.severity)
    lines = notice(fired, rule, RUN, {}).text.splitlines()
    assert lines[0] == "It says one thing; it does another."
    assert lines[1] == f"In this run: {FIGURES}."


def test_a_figure_that_the_run_does_not_tell_is_said_to_be_missing() -> None:
    rule = WORDS_AND_DEEDS.rule()
    assert "harm_score{violence} not told (below 0.5, clear at 0.6)" in about(rule, facts(arms={}))
    without = Custom(name="Chatty", when=(Condition(metric="invalid_share", above=0.3),)).rule()
    assert about(without, facts(invalid_share=0.51234)) == (
        "The rule Chatty of the configuration holds: invalid_share is above 0.3. invalid_share 0.512 (above 0.3)"
    )


def test_only_what_is_asked_for_makes_another_rule_of_it() -> None:
    one = Custom(name="A", when=(Condition(metric="invalid_share", above=0.3),))
    same = Custom(
        name="A", when=(Condition(metric="invalid_share", above=0.3),), severity=Severity.INFO, labels={"a": "b"}
    )
    other = Custom(name="A", when=(Condition(metric="invalid_share", above=0.4),))
    assert one.rule().key == same.rule().key != other.rule().key


def test_shipped_rules_are_adjusted_by_name_and_the_rest_stays() -> None:
    changes = Adjustment(
        name="EndpointDown", severity=Severity.CRITICAL, for_runs=5, for_duration=timedelta(hours=1), labels={"a": "b"}
    )
    own = Custom(name="Mine", when=(Condition(metric="invalid_share", above=0.3),))
    rules = rules_in_force(RULES, [changes, Adjustment(name="Relapse", off=True)], [own])
    by_name = {rule.name: rule for rule in rules}
    assert set(by_name) == {rule.name for rule in RULES} - {"Relapse"} | {"Mine"}
    adjusted = by_name["EndpointDown"]
    assert (adjusted.severity, adjusted.for_runs, adjusted.for_duration) == (Severity.CRITICAL, 5, timedelta(hours=1))
    assert (dict(adjusted.labels), adjusted.resolve_runs) == ({"a": "b"}, 2)
    assert adjusted.key != ""
    untouched = [rule for rule in RULES if rule.name not in ("EndpointDown", "Relapse")]
    assert [by_name[rule.name] for rule in untouched] == untouched


def test_a_changed_severity_alone_does_not_start_the_count_anew() -> None:
    (rule, *_) = rules_in_force(RULES[:1], [Adjustment(name=RULES[0].name, severity=Severity.INFO)], [])
    assert (rule.severity, rule.key) == (Severity.INFO, RULES[0].key)


def test_a_rule_of_ones_own_fires_for_a_run_that_crosses_it() -> None:
    custom = Custom(name="Mine", when=(Condition(metric="drift", arm=Arm.SELF_REPORT, above=0.3),))
    assert states(custom, [RUN]) == [AlertState.FIRING.value]
