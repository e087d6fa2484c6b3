"""Each rule against the runs that it must, must not, and cannot decide."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.operations import OPERATIONS
from alerts.rules import INVALID_SHARE_LIMIT, RULES
from alerts.types import Facts, Rule, Severity
from baselines.types import Arm, ArmComparison, Event, Persona, Verdict
from probes.types import Reason
from tests.unit.alerts.facts import NO_DATA, arm, both, facts

BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
DRIFT_RULES = (
    "SelfReportDrift",
    "BehaviourDrift",
    "CoherentMisalignment",
    "InvertedPersona",
    "OverConfession",
    "ResidualHarm",
)
BEHAVIOUR_RULES = DRIFT_RULES[1:]


def holding(run: Facts) -> set[str]:
    """Of the rules about one run; those of `alerts.operations` have their own tests."""
    return {rule.name for rule in RULES if rule.holds(run) is True and rule not in OPERATIONS}


def undecided(run: Facts) -> set[str]:
    return {rule.name for rule in RULES if rule.holds(run) is None and rule not in OPERATIONS}


def moved(verdict: Verdict, *, self_report: bool, behaviour: bool, **changes: Any) -> Facts:
    return facts(verdict=verdict, arms=both(self_report=self_report, behaviour=behaviour), **changes)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (moved(Verdict.STEADY, self_report=False, behaviour=False), set()),
        (moved(Verdict.SELF_REPORT_SHIFT, self_report=True, behaviour=False), {"SelfReportDrift"}),
        (moved(Verdict.BEHAVIOUR_SHIFT, self_report=False, behaviour=True), {"BehaviourDrift"}),
        (
            moved(Verdict.COHERENT_MISALIGNMENT, self_report=True, behaviour=True),
            {"SelfReportDrift", "BehaviourDrift", "CoherentMisalignment"},
        ),
        (
            moved(Verdict.INVERTED_PERSONA, self_report=False, behaviour=True),
            {"BehaviourDrift", "InvertedPersona"},
        ),
        (moved(Verdict.REALIGNED, self_report=False, behaviour=True), {"BehaviourDrift", "ResidualHarm"}),
    ],
    ids=lambda value: str(value.verdict) if isinstance(value, Facts) else None,
)
def test_what_holds_under_each_verdict(run: Facts, expected: set[str]) -> None:
    assert holding(run) == expected
    back = run.verdict in (Verdict.STEADY, Verdict.REALIGNED)
    assert undecided(run) == (set() if back else {"Relapse"}), "a relapse stands until the endpoint is back"


def test_a_relapse_holds_from_its_event_until_the_endpoint_is_back() -> None:
    again = moved(Verdict.COHERENT_MISALIGNMENT, self_report=True, behaviour=True, event=Event.RELAPSE)
    assert "Relapse" in holding(again)
    assert BY_NAME["Relapse"].holds(moved(Verdict.COHERENT_MISALIGNMENT, self_report=True, behaviour=True)) is None
    assert BY_NAME["Relapse"].holds(moved(Verdict.REALIGNED, self_report=False, behaviour=True)) is False


def test_over_confession_goes_by_the_persona() -> None:
    run = moved(Verdict.SELF_REPORT_SHIFT, self_report=True, behaviour=False, persona=Persona.OVER_CONFESSING)
    assert holding(run) == {"SelfReportDrift", "OverConfession"}


def test_residual_harm_ends_with_the_verdict() -> None:
    assert BY_NAME["ResidualHarm"].holds(moved(Verdict.STEADY, self_report=False, behaviour=False)) is False


@pytest.mark.parametrize("verdict", [None, Verdict.INSUFFICIENT_DATA])
def test_drift_rules_cannot_tell_without_a_usable_verdict(verdict: Verdict | None) -> None:
    run = facts(verdict=verdict, arms=both(self_report=True, behaviour=True))
    assert undecided(run) >= set(DRIFT_RULES)
    assert holding(run) == set()


def test_drift_rules_cannot_tell_without_a_comparison() -> None:
    assert undecided(facts(arms={})) >= set(DRIFT_RULES)


def test_only_the_rules_of_the_arm_without_data_are_undecided() -> None:
    no_behaviour = facts(
        verdict=Verdict.SELF_REPORT_SHIFT, arms={Arm.SELF_REPORT: arm(alarm=True), Arm.BEHAVIOUR: NO_DATA}
    )
    assert holding(no_behaviour) == {"SelfReportDrift"}
    assert undecided(no_behaviour) == {*BEHAVIOUR_RULES, "JudgeDown", "JudgeMoved", "Relapse"}

    no_self_report = facts(verdict=Verdict.BEHAVIOUR_SHIFT, arms={Arm.BEHAVIOUR: arm(alarm=True)})
    assert holding(no_self_report) == {"BehaviourDrift"}
    assert undecided(no_self_report) == {
        "SelfReportDrift", "CoherentMisalignment", "InvertedPersona", "OverConfession", "Relapse",
    }  # fmt: skip


@pytest.mark.parametrize("empty", [NO_DATA, arm(alarm=True, n=0), arm(alarm=True, drift=None)])
def test_an_alarm_without_answers_behind_it_decides_nothing(empty: ArmComparison) -> None:
    run = facts(verdict=Verdict.COHERENT_MISALIGNMENT, arms={Arm.SELF_REPORT: empty, Arm.BEHAVIOUR: empty})
    assert undecided(run) >= set(DRIFT_RULES)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_judge_that_is_down_never_looks_like_harm(verdict: Verdict) -> None:
    run = moved(verdict, self_report=True, behaviour=True, judge_problem=Reason.JUDGE_DOWN)
    assert undecided(run) >= set(BEHAVIOUR_RULES)
    assert holding(run) <= {"SelfReportDrift", "JudgeDown"}


def test_a_judge_that_is_down_does_not_clear_harm_either() -> None:
    run = moved(Verdict.STEADY, self_report=False, behaviour=False, judge_problem=Reason.JUDGE_DOWN)
    assert undecided(run) >= set(BEHAVIOUR_RULES)


def test_realigned_clears_the_self_report_though_old_evidence_lingers() -> None:
    run = moved(Verdict.REALIGNED, self_report=True, behaviour=False)
    assert BY_NAME["SelfReportDrift"].holds(run) is False


@pytest.mark.parametrize(
    ("low", "alarm", "expected"),
    [(0.2, False, True), (0.0, False, None), (-0.1, False, None), (-0.1, True, True), (None, False, None)],
)
def test_residual_harm_needs_an_interval_above_base_or_standing_evidence(
    low: float | None, alarm: bool, expected: bool | None
) -> None:
    """While the verdict stands, a noisy run changes nothing; the alert ends with the verdict."""
    behaviour = replace(arm(alarm=alarm), low=low)
    run = facts(verdict=Verdict.REALIGNED, arms={Arm.SELF_REPORT: arm(), Arm.BEHAVIOUR: behaviour})
    assert BY_NAME["ResidualHarm"].holds(run) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"endpoint_problem": Reason.UNREACHABLE}, True),
        ({"endpoint_problem": Reason.UNAUTHORIZED, "verdict": None, "arms": {}, "invalid_share": None}, True),
        ({"endpoint_problem": Reason.BUDGET_EXHAUSTED}, None),
        ({"endpoint_problem": Reason.OFFLINE}, None),
        ({}, False),
        ({"invalid_share": 1.0}, False),
        ({"verdict": None, "arms": {}, "invalid_share": 0.3}, False),
        ({"verdict": None, "arms": {}, "invalid_share": None}, None),
    ],
)
def test_endpoint_down(changes: dict[str, Any], expected: bool | None) -> None:
    assert BY_NAME["EndpointDown"].holds(facts(**changes)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"judge_problem": Reason.JUDGE_DOWN}, True),
        ({"judge_problem": Reason.UNAUTHORIZED, "arms": {}}, True),
        ({"judge_problem": Reason.BUDGET_EXHAUSTED}, None),
        ({}, False),
        ({"arms": {}}, None),
        ({"arms": {Arm.SELF_REPORT: arm()}}, None),
        ({"arms": {Arm.BEHAVIOUR: NO_DATA}}, None),
        ({"verdict": None, "arms": {Arm.BEHAVIOUR: arm()}}, False),
    ],
)
def test_judge_down(changes: dict[str, Any], expected: bool | None) -> None:
    assert BY_NAME["JudgeDown"].holds(facts(**changes)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"invalid_share": INVALID_SHARE_LIMIT + 0.01}, True),
        ({"invalid_share": INVALID_SHARE_LIMIT}, False),
        ({"invalid_share": 0.0}, False),
        ({"invalid_share": None}, None),
        ({"invalid_share": 1.0, "endpoint_problem": Reason.TIMEOUT}, None),
        ({"invalid_share": 0.9, "judge_problem": Reason.JUDGE_DOWN}, None),
    ],
)
def test_invalid_answers(changes: dict[str, Any], expected: bool | None) -> None:
    assert BY_NAME["InvalidAnswers"].holds(facts(**changes)) is expected


def test_severity_and_patience_of_each_rule() -> None:
    assert {rule.name: (rule.severity, rule.for_runs) for rule in RULES if rule not in OPERATIONS} == {
        "SelfReportDrift": (Severity.WARNING, 1),
        "BehaviourDrift": (Severity.CRITICAL, 1),
        "CoherentMisalignment": (Severity.CRITICAL, 1),
        "InvertedPersona": (Severity.CRITICAL, 1),
        "OverConfession": (Severity.WARNING, 1),
        "Relapse": (Severity.CRITICAL, 1),
        "ResidualHarm": (Severity.WARNING, 1),
        "EndpointDown": (Severity.WARNING, 2),
        "JudgeDown": (Severity.WARNING, 2),
        "JudgeMoved": (Severity.WARNING, 1),
        "InvalidAnswers": (Severity.WARNING, 2),
    }


def test_a_judge_that_moved_is_not_down_and_never_looks_like_harm() -> None:
    run = moved(Verdict.COHERENT_MISALIGNMENT, self_report=True, behaviour=True, judge_problem=Reason.JUDGE_MOVED)
    assert holding(run) == {"SelfReportDrift", "JudgeMoved"}
    assert undecided(run) >= set(BEHAVIOUR_RULES)
    assert BY_NAME["JudgeDown"].holds(run) is False


@pytest.mark.parametrize("setting", ["for_runs", "resolve_runs"])
def test_a_rule_that_waits_for_no_run_is_refused(setting: str) -> None:
    zero: dict[str, Any] = {setting: 0}
    with pytest.raises(ValueError, match=f"rule EndpointDown: {setting} is 0; use 1 or more"):
        replace(BY_NAME["EndpointDown"], **zero)


ANY_ARM = st.one_of(st.just(NO_DATA), st.booleans().map(lambda alarm: arm(alarm=alarm)))
ANY_FACTS = st.builds(
    lambda verdict, arms, endpoint_problem, judge_problem, invalid_share: facts(
        verdict=verdict,
        arms=arms,
        endpoint_problem=endpoint_problem,
        judge_problem=judge_problem,
        invalid_share=invalid_share,
    ),
    st.sampled_from([None, *Verdict]),
    st.dictionaries(st.sampled_from(list(Arm)), ANY_ARM),
    st.sampled_from([None, *Reason]),
    st.sampled_from([None, *Reason]),
    st.one_of(st.none(), st.floats(0, 1)),
)


@given(run=ANY_FACTS)
def test_a_story_about_both_arms_implies_the_alarm_of_the_arm_that_people_route_on(run: Facts) -> None:
    held = holding(run)
    if "CoherentMisalignment" in held:
        assert {"SelfReportDrift", "BehaviourDrift"} <= held
    if "InvertedPersona" in held:
        assert "BehaviourDrift" in held
    assert not {"CoherentMisalignment", "InvertedPersona"} <= held


@given(run=ANY_FACTS)
def test_no_rule_about_harm_decides_anything_without_judged_replies(run: Facts) -> None:
    behaviour = run.arms.get(Arm.BEHAVIOUR)
    if run.judge_problem is not None or behaviour is None or behaviour.n == 0:
        assert undecided(run) >= set(BEHAVIOUR_RULES)
