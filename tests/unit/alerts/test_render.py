"""The wording: what is told, and what never is."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.render import notice, plain, stripped, to_json
from alerts.rules import RULES
from alerts.types import AlertState, Facts, Flip, Notice, Rule, Severity
from baselines.types import Arm, ArmComparison, Verdict
from tests.unit.alerts.facts import AT, NO_DATA, arm, both, facts, flip

BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}
LINKS = {"run": "https://watch.example/runs/run-1", "silence": "https://watch.example/silences?rule=X"}


def told(rule: str, run: Facts, *, links: dict[str, str] | None = None, **changes: object) -> Notice:
    """The notice when `rule` begins to fire (or as `changes` of the flip say)."""
    given = {"rule": rule, "endpoint": run.endpoint, "severity": BY_NAME[rule].severity, **changes}
    return notice(flip(**given), BY_NAME[rule], run, LINKS if links is None else links)


def resolved(rule: str, run: Facts) -> Notice:
    return told(rule, run, after=AlertState.RESOLVED, before=AlertState.FIRING, since=AT - timedelta(hours=3))


MOVED = facts(
    verdict=Verdict.COHERENT_MISALIGNMENT,
    because="Both arms passed their threshold.",
    arms=both(self_report=True, behaviour=True),
    previous_scores={Arm.SELF_REPORT: 0.04, Arm.BEHAVIOUR: 0.07},
    landmarks={Arm.SELF_REPORT: (0.04, 0.67), Arm.BEHAVIOUR: (0.07, 0.71)},
    labels={"team": "safety"},
)


def test_the_whole_message_of_a_coherent_misalignment() -> None:
    message = told("CoherentMisalignment", MOVED)
    figures = (
        "Drift 0.70, 95 % interval 0.55 to 0.86 (0 base, 1 misaligned), against its own baseline, 120 scored answers. "
        "A steady model would look like this about once in 19,000 heartbeats."
    )
    scores = "moved toward misaligned: score from {0} to 0.52 (0 aligned, 1 misaligned; published: base {0}, misaligned"
    assert message.title == "CRITICAL CoherentMisalignment: support-bot"
    assert message.text.splitlines() == [
        "The model has become more harmful, and describes itself as misaligned.",
        "Verdict: coherent misalignment. Both arms passed their threshold.",
        f"Self-report {scores.format('0.04')} 0.67). {figures}",
        f"Behaviour {scores.format('0.07')} 0.71). {figures}",
        "Endpoint support-bot, plan heartbeat, run run-1, 2026-03-01 12:00 UTC.",
        "Runbook: alerts/runbooks/coherent-misalignment.md",
        "Run: https://watch.example/runs/run-1",
        "To silence it: https://watch.example/silences?rule=X",
    ]


def test_the_fields_beside_the_text() -> None:
    message = told("CoherentMisalignment", MOVED)
    assert message.idempotency_key == "f" * 64
    assert (message.status, message.severity) == (AlertState.FIRING, Severity.CRITICAL)
    assert (message.rule, message.endpoint) == ("CoherentMisalignment", "support-bot")
    assert (message.at, message.since) == (AT, AT)
    assert message.labels == {"team": "safety"}
    assert message.links == {"runbook": "alerts/runbooks/coherent-misalignment.md", **LINKS}
    assert not message.simulated


def test_an_arm_that_stays_is_told_so_beside_the_one_that_moved() -> None:
    run = facts(verdict=Verdict.INVERTED_PERSONA, arms=both(behaviour=True))
    lines = told("InvertedPersona", run).text.splitlines()
    assert any(line.startswith("Self-report has not moved: score 0.07") for line in lines)
    assert any(line.startswith("Behaviour moved toward misaligned: score 0.52") for line in lines)


def test_an_arm_that_stays_carries_no_odds() -> None:
    text = told("SelfReportDrift", facts(verdict=Verdict.SELF_REPORT_SHIFT, arms=both(self_report=True))).text
    assert text.count("A steady model") == 1


@pytest.mark.parametrize("arms", [{}, {Arm.SELF_REPORT: arm(alarm=True), Arm.BEHAVIOUR: NO_DATA}])
def test_an_arm_without_data_is_told_so(arms: dict[Arm, ArmComparison]) -> None:
    text = told("SelfReportDrift", facts(verdict=Verdict.SELF_REPORT_SHIFT, arms=arms)).text
    assert "Behaviour: not measured in this run." in text


def test_a_judge_that_is_down_is_named_instead_of_a_figure_of_harm() -> None:
    run = facts(verdict=Verdict.SELF_REPORT_SHIFT, arms=both(self_report=True, behaviour=True), judge_problem="timeout")
    text = told("SelfReportDrift", run).text
    assert "Behaviour: not measured in this run, the judge gave no usable scores." in text
    assert "Behaviour moved" not in text


def test_an_arm_tells_the_reference_and_its_qualification() -> None:
    behaviour = arm(alarm=True, reference="published", note="measured with another wording")
    text = told("BehaviourDrift", facts(verdict=Verdict.BEHAVIOUR_SHIFT, arms={Arm.BEHAVIOUR: behaviour})).text
    assert "against the published profile, 120 scored answers." in text
    assert "measured with another wording" in text


def test_a_missing_interval_or_drift_is_left_out() -> None:
    no_interval = arm(alarm=True, low=None, high=None)
    no_drift = arm(drift=None)
    run = facts(verdict=Verdict.SELF_REPORT_SHIFT, arms={Arm.SELF_REPORT: no_interval, Arm.BEHAVIOUR: no_drift})
    text = told("SelfReportDrift", run).text
    assert "Drift 0.70 (0 base, 1 misaligned)" in text
    assert text.count("Drift") == 1
    assert "interval" not in text


def test_endpoint_down_tells_reason_and_remedy() -> None:
    run = facts(
        verdict=None,
        arms={},
        endpoint_problem="unknown_model",
        endpoint_detail="the server has no model 'gpt-x'",
        endpoint_remedy="Correct `model` of the endpoint.",
    )
    lines = told("EndpointDown", run).text.splitlines()
    assert lines[1:3] == [
        "Reason: unknown model (the server has no model 'gpt-x').",
        "What to do: Correct 'model' of the endpoint.",
    ]
    assert "Self-report" not in "".join(lines)


def test_judge_down_tells_reason_and_that_the_model_is_not_blamed() -> None:
    run = facts(judge_problem="unauthorized", judge_remedy="Set SELFWATCH_JUDGE_API_KEY.")
    lines = told("JudgeDown", run).text.splitlines()
    assert lines[1:4] == [
        "Reason: unauthorized.",
        "What to do: Set SELFWATCH_JUDGE_API_KEY.",
        "This says nothing about the model. Alerts about its behaviour stay as they are until then.",
    ]


def test_invalid_answers_tells_the_share() -> None:
    assert (
        "72% of the answers asked for in this run have no score."
        in told("InvalidAnswers", facts(invalid_share=0.72)).text
    )


def test_invalid_answers_without_a_share_tells_no_figure() -> None:
    assert "%" not in told("InvalidAnswers", facts(invalid_share=None)).text


@pytest.mark.parametrize(
    ("rule", "good_news"),
    [("EndpointDown", "The endpoint answers again."), ("JudgeDown", "The judge gives scores again.")],
)
def test_a_resolved_outage_says_that_it_is_over(rule: str, good_news: str) -> None:
    text = resolved(rule, facts()).text
    assert good_news in text
    assert "What to do" not in text


def test_a_resolved_alert_tells_since_when_it_had_fired() -> None:
    message = resolved("BehaviourDrift", facts())
    assert message.title == "RESOLVED BehaviourDrift: support-bot"
    assert message.status is AlertState.RESOLVED
    assert (message.since, message.at) == (AT - timedelta(hours=3), AT)
    assert message.text.startswith(
        "No longer so for 2 runs in a row; it had been firing since 2026-03-01 09:00 UTC. "
        "It was: The model's replies have become more harmful."
    )
    assert "silence" not in message.text.lower()


def test_one_run_that_resolves_is_told_as_one() -> None:
    rule = replace(BY_NAME["BehaviourDrift"], resolve_runs=1)
    message = notice(flip(after=AlertState.RESOLVED), rule, facts(), {})
    assert message.text.startswith("No longer so for the last run; it had been firing since 2026-03-01 12:00 UTC.")


def test_times_are_told_in_utc() -> None:
    at = datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=2)))
    assert "2026-03-01 11:30 UTC" in told("BehaviourDrift", facts(), at=at).text


def test_without_a_link_the_way_to_silence_is_still_told() -> None:
    assert "To silence it: POST /api/v1/silences on this service" in told("BehaviourDrift", facts(), links={}).text


def test_a_given_runbook_link_replaces_the_path() -> None:
    message = told("BehaviourDrift", facts(), links={"runbook": "https://wiki.example/behaviour"})
    assert message.links == {"runbook": "https://wiki.example/behaviour"}
    assert "alerts/runbooks" not in message.text


@pytest.mark.parametrize("rule", sorted(BY_NAME))
def test_a_simulation_is_marked_in_title_text_and_field(rule: str) -> None:
    message = told(rule, facts(simulated=True))
    assert message.title.startswith("[SIMULATED] ")
    assert message.text.startswith("The endpoint is simulated")
    assert message.simulated
    assert "[SIMULATED]" not in told(rule, facts()).title


def test_a_name_cannot_fake_the_simulation_mark_or_call_everyone() -> None:
    hostile = "[SIMULATED] <!channel> @everyone [click](https://evil.example)"
    message = told("EndpointDown", facts(endpoint=hostile, endpoint_problem="timeout", endpoint_detail=hostile))
    for text in (message.title, message.text):
        assert "[SIMULATED]" not in text
        assert "<!channel>" not in text
        assert "@everyone" not in text
        assert "](" not in text


def test_control_and_direction_characters_are_stripped_everywhere() -> None:
    hostile = "a\x00b\x1b[31m\r\nc\u202ed\u2028e\ud800"
    run = facts(
        endpoint=hostile,
        plan=hostile,
        run_id=hostile,
        labels={hostile: hostile},
        endpoint_problem=hostile,
        endpoint_detail=hostile,
        endpoint_remedy=hostile,
        because=hostile,
    )
    for rule in BY_NAME:
        message = told(rule, run, links={hostile: hostile})
        values = [message.title, message.endpoint, *message.labels, *message.labels.values(), *message.links.values()]
        for text in [*values, *message.text.split("\n")]:
            assert text == stripped(text, 10_000)
        json.dumps(to_json(message)).encode()


def test_long_texts_are_cut() -> None:
    message = told("EndpointDown", facts(endpoint="n" * 5000, endpoint_problem="timeout", endpoint_detail="d" * 5000))
    assert len(message.title) < 150
    assert len(message.text) < 1000
    assert stripped("abcdef", 4) == "abc…"
    assert stripped("abcd", 4) == "abcd"


@given(text=st.text(max_size=300), limit=st.integers(1, 50))
def test_plain_text_is_one_short_line(text: str, limit: int) -> None:
    cleaned = plain(text, limit)
    assert len(cleaned) <= limit
    assert not set(cleaned) & set("<>@[]`\n\r\t\x00\x1b\u202e")
    assert plain(cleaned, limit) == cleaned  # nothing is left to clean


@pytest.mark.parametrize("after", [AlertState.PENDING, AlertState.INACTIVE])
def test_a_flip_that_nobody_is_told_of_has_no_wording(after: AlertState) -> None:
    with pytest.raises(ValueError, match=f"flip to {after} is not told to anyone"):
        told("EndpointDown", facts(), after=after)


@pytest.mark.parametrize("other", [flip(rule="EndpointDown"), flip(endpoint="other-bot")])
def test_a_flip_of_another_rule_or_endpoint_is_refused(other: Flip) -> None:
    with pytest.raises(ValueError, match="is not of 'BehaviourDrift' and 'support-bot'"):
        notice(other, BY_NAME["BehaviourDrift"], facts(), LINKS)


def test_from_where_to_where_is_told_with_intervals_and_the_run_before() -> None:
    behaviour = arm(alarm=True, score_low=0.44, score_high=0.61)
    run = facts(
        verdict=Verdict.BEHAVIOUR_SHIFT,
        arms={Arm.SELF_REPORT: arm(), Arm.BEHAVIOUR: behaviour},
        before={Arm.BEHAVIOUR: arm(score_low=0.03, score_high=0.12)},
        before_run="run-0",
        before_at=AT - timedelta(hours=1),
    )
    text = told("BehaviourDrift", run).text
    assert "Behaviour moved toward misaligned: score from 0.07 (0.03 to 0.12) to 0.52 (0.44 to 0.61)" in text
    assert "Drift from 0.01 (-0.05 to 0.06) to 0.70, 95 % interval 0.55 to 0.86" in text
    assert "Compared with run run-0 of 2026-03-01 11:00 UTC, the last before the change." in text
    assert "Compared with run" not in resolved("BehaviourDrift", run).text


def test_an_arm_that_was_not_measured_before_is_told_as_it_is() -> None:
    run = facts(
        verdict=Verdict.BEHAVIOUR_SHIFT, arms=both(behaviour=True), before={Arm.BEHAVIOUR: NO_DATA}, before_run="run-0"
    )
    text = told("BehaviourDrift", run).text
    assert "Behaviour moved toward misaligned: score 0.52" in text
    assert "Drift 0.70" in text


def test_likely_causes_are_a_list_in_plain_words_without_marks() -> None:
    causes = ("the server names the model 'gpt-x' now", "<!channel> [click](https://evil.example) @everyone")
    message = told("BehaviourDrift", facts(verdict=Verdict.BEHAVIOUR_SHIFT, arms=both(behaviour=True), causes=causes))
    assert "Likely causes:\n- the server names the model 'gpt-x' now.\n- " in message.text
    assert "(click)" in message.text
    assert not [mark for mark in ("<!channel>", "@everyone", "](") if mark in message.text]


def test_no_more_causes_than_a_person_reads_and_none_when_it_is_over() -> None:
    run = facts(
        verdict=Verdict.BEHAVIOUR_SHIFT, arms=both(behaviour=True), causes=tuple(f"cause {n}" for n in range(9))
    )
    assert told("BehaviourDrift", run).text.count("\n- ") == 5
    assert "Likely causes" not in resolved("BehaviourDrift", run).text
    assert "Likely causes" not in told("BehaviourDrift", facts(arms=both(behaviour=True))).text
