"""What every rule promises, and that each has a page which says what to do."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from alerts.custom import CUSTOM_RUNBOOK
from alerts.render import notice
from alerts.rules import RULES
from alerts.state import evaluate
from alerts.types import (
    INSTALLATION,
    AlertState,
    DrillOutcome,
    Facts,
    Flip,
    Offline,
    Overdue,
    Rule,
    Served,
    Source,
    Topic,
)
from baselines.types import Event, Persona, Verdict
from tests.unit.alerts.facts import AT, both, clock, facts, flip, here

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = ("What it means", "What to look at", "Likely causes", "What to do", "How to quiet it")
EVERY = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)

TRUE_FOR: dict[str, Facts] = {
    "SelfReportDrift": facts(verdict=Verdict.SELF_REPORT_SHIFT, arms=both(self_report=True)),
    "BehaviourDrift": facts(verdict=Verdict.BEHAVIOUR_SHIFT, arms=both(behaviour=True)),
    "CoherentMisalignment": facts(verdict=Verdict.COHERENT_MISALIGNMENT, arms=both(self_report=True, behaviour=True)),
    "InvertedPersona": facts(verdict=Verdict.INVERTED_PERSONA, arms=both(behaviour=True)),
    "OverConfession": facts(
        verdict=Verdict.SELF_REPORT_SHIFT, persona=Persona.OVER_CONFESSING, arms=both(self_report=True)
    ),
    "Relapse": facts(
        verdict=Verdict.COHERENT_MISALIGNMENT, event=Event.RELAPSE, arms=both(self_report=True, behaviour=True)
    ),
    "ResidualHarm": facts(verdict=Verdict.REALIGNED, arms=both(behaviour=True)),
    "EndpointDown": facts(endpoint_problem="unreachable"),
    "JudgeDown": facts(judge_problem="judge_down"),
    "JudgeMoved": facts(judge_problem="judge_moved"),
    "InvalidAnswers": facts(invalid_share=0.9),
    "ModelChanged": facts(served=Served(models=frozenset({"new"}), models_before=frozenset({"old"}))),
    "RunOverdue": clock(overdue=(Overdue(plan="heartbeat", spec="PT15M", since=AT, expected=AT),)),
    "BudgetExhausted": facts(budget_problem="9 of 9 tokens are used today", budget_remedy="wait for midnight UTC"),
    "WeAreOffline": here(offline=Offline(since=AT, detail="no route to 3 of 3 hosts"), connectivity_known=True),
    "DrillFailed": here(drills=DrillOutcome(failed="misaligned on support-bot: hook gave up")),
}
FALSE_FOR: dict[str, Facts] = {
    "ModelChanged": facts(served=Served(models=frozenset({"old"}), models_before=frozenset({"old"}))),
    "RunOverdue": clock(overdue=()),
    "WeAreOffline": here(connectivity_known=True),
    "DrillFailed": here(drills=DrillOutcome()),
}
"""For the others, a steady run."""
EMPTY = facts(verdict=None, arms={}, invalid_share=None)
NOTHING_SEEN: dict[str, Facts] = {
    "RunOverdue": clock(), "BudgetExhausted": clock(), "WeAreOffline": here(), "DrillFailed": here(),
}  # fmt: skip


def false_for(rule: Rule) -> Facts:
    return FALSE_FOR.get(rule.name, facts())


def undecided(rule: Rule) -> Facts:
    return NOTHING_SEEN.get(rule.name, EMPTY)


def kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def test_names_are_unique_and_every_rule_is_under_test() -> None:
    assert sorted(rule.name for rule in RULES) == sorted(TRUE_FOR)


@EVERY
def test_a_rule_can_hold_not_hold_and_be_undecided(rule: Rule) -> None:
    assert rule.holds(TRUE_FOR[rule.name]) is True
    assert rule.holds(false_for(rule)) is False
    assert rule.holds(undecided(rule)) is None


@EVERY
def test_the_alert_fires_after_its_runs_and_clears_again(rule: Rule) -> None:
    alerts = evaluate([rule], {}, undecided(rule)).alerts
    told: list[AlertState] = []
    began = [replace(TRUE_FOR[rule.name], beat="first")] if rule.for_duration else []
    for run in began + [TRUE_FOR[rule.name]] * rule.for_runs + [false_for(rule)] * rule.resolve_runs:
        evaluation = evaluate([rule], alerts, replace(run, at=AT if run.beat else AT + rule.for_duration))
        alerts = evaluation.alerts
        told += [change.after for change in evaluation.flips if change.notify]
    assert told == [AlertState.FIRING, AlertState.RESOLVED]


@EVERY
@pytest.mark.parametrize("after", [AlertState.FIRING, AlertState.RESOLVED])
def test_every_rule_has_a_wording_for_every_run(rule: Rule, after: AlertState) -> None:
    here = TRUE_FOR[rule.name].endpoint
    change: Flip = flip(rule=rule.name, endpoint=here, severity=rule.severity, after=after, since=AT)
    for run in (TRUE_FOR[rule.name], false_for(rule), undecided(rule)):
        message = notice(change, rule, run, {})
        assert rule.name in message.title
        assert rule.summary in message.text
        assert rule.runbook in message.text
        assert not re.search(r"\b(None|nan|inf)\b", message.text)
        assert not re.search(r"  |\.\.", message.text)


@EVERY
def test_the_summary_is_one_sentence(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z][^.\n]{10,120}\.", rule.summary)


@EVERY
def test_the_runbook_is_there_and_complete(rule: Rule) -> None:
    assert rule.runbook == f"alerts/runbooks/{kebab(rule.name)}.md"
    text = (ROOT / rule.runbook).read_text(encoding="utf-8")
    assert text.startswith(f"# {rule.name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(SECTIONS)
    for section in SECTIONS:
        body = text.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
        assert len(body.split()) >= 15, f"{rule.runbook}: section {section!r} says too little"


@EVERY
def test_the_runbook_tells_severity_and_patience_as_they_are(rule: Rule) -> None:
    text = (ROOT / rule.runbook).read_text(encoding="utf-8")
    comes = "at the first run" if rule.for_runs == 1 else f"after {rule.for_runs} runs in a row"
    if Source.RUN not in rule.sources:
        minutes = round(rule.for_duration.total_seconds() / 60)
        comes = f"after {minutes} minutes" if minutes else "at once"
    goes = (
        f"after {rule.resolve_runs} runs in a row without it"
        if rule.resolve_runs > 1
        else "as soon as it is no longer so"
    )
    assert f"Severity: {rule.severity.value}. Fires {comes}; clears {goes}." in text


def test_what_explains_an_alert_is_a_rule_that_no_other_explains_in_turn() -> None:
    """Or two could mute each other for ever."""
    muting = {rule.name: rule.muted_by for rule in RULES}
    for rule in RULES:
        assert rule.muted_by <= set(muting)
        assert not any(rule.name in muting[source] for source in rule.muted_by)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.topic is Topic.DRIFT], ids=lambda rule: rule.name)
def test_an_endpoint_that_is_down_explains_every_drift(rule: Rule) -> None:
    assert rule.muted_by >= {"EndpointDown", "WeAreOffline"}


@EVERY
def test_only_the_installation_speaks_for_the_installation(rule: Rule) -> None:
    assert (Source.INSTALLATION in rule.sources) is (TRUE_FOR[rule.name].endpoint == INSTALLATION)
    assert TRUE_FOR[rule.name].source in rule.sources


def test_every_page_belongs_to_a_rule() -> None:
    pages = {f"alerts/runbooks/{page.name}" for page in (ROOT / "alerts/runbooks").glob("*.md")}
    assert pages == {rule.runbook for rule in RULES} | {CUSTOM_RUNBOOK}


@EVERY
def test_links_between_the_pages_lead_somewhere(rule: Rule) -> None:
    page = ROOT / rule.runbook
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{rule.runbook} links to {target}"


def test_facts_have_no_room_for_a_reply() -> None:
    assert not {field.name for field in fields(Facts)} & {"reply", "replies", "answers", "transcript"}
