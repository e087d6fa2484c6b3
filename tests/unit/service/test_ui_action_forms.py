"""The forms of an endpoint, filled: what they offer, warn of and refuse."""

from dataclasses import replace

import pytest

from baselines.types import Verdict
from service.security import Holder
from service.ui.parts import BaselineView
from service.ui.render import Renderer
from service.ui.views.action_forms import (
    BaselineChoice,
    BaselinePage,
    DrillPage,
    DrillView,
    FormPage,
    PlanChoice,
    Refusal,
    StartRunPage,
    refused,
)
from service.ui.views.endpoint import SilenceView
from tests.support.ui_pages import HOSTILE, NOW, RUN_ID, ago, endpoint

CHEAP = PlanChoice(plan="heartbeat", questions=46, calls=62, tokens=7200, usd=0.012, basis="measured")
DEAR = replace(
    CHEAP, plan="full", questions=18_200, usd=None, basis="plan",
    refused=Refusal(status=409, heading="The budget does not allow this run", detail="it may take 2,000,000 tokens",
                    remedy="raise limits.tokens_per_day"),
)  # fmt: skip
START = StartRunPage(now=NOW, name="prod", plans=(CHEAP, DEAR), chosen="heartbeat", key="abc")
CHOICE = BaselineChoice(
    run_id=RUN_ID, plan="heartbeat", ended_at=ago(hours=1), verdict=Verdict.STEADY, answered=46, said=0.02, done=None
)
BASELINE = BaselinePage(now=NOW, name="prod", runs=(CHOICE,), profiles="gpt-4.1/all")
DRILL = DrillPage(now=NOW, name="prod", personas=(("misaligned", "CoherentMisalignment", "both"),), notifiers=("log",))


def shown(page: FormPage) -> str:
    return Renderer().whole(page)


def test_a_plan_is_offered_with_what_it_takes() -> None:
    html = shown(START)
    assert '<input type="hidden" name="key" value="abc">' in html
    assert "$0.0120" in html
    assert "as measured on its last runs" in html
    assert "price not known" in html
    assert "The budget does not allow this run: it may take 2,000,000 tokens." in html
    assert 'value="heartbeat" checked' in html


@pytest.mark.parametrize("page", [START, BASELINE, DRILL])
def test_a_refusal_is_told_with_its_remedy_and_escaped(page: FormPage) -> None:
    told = Refusal(status=409, heading="Not now", detail=HOSTILE, remedy="Wait.", run_id=RUN_ID)
    html = shown(replace(page, refusal=told))
    assert 'role="alert"' in html
    assert "<script>alert" not in html
    assert f'<a href="/runs/{RUN_ID}">To that run</a>' in html


@pytest.mark.parametrize("page", [START, replace(BASELINE, confirm=True), DRILL])
def test_a_reader_sees_the_form_and_why_it_does_nothing(page: FormPage) -> None:
    reader = Holder(name="reader", scopes=frozenset({"read"}), token_id=1, token_digest="d")
    html = shown(replace(page, viewer=reader))
    assert 'type="submit" disabled' in html
    assert "this needs the scope" in html


def test_runs_whose_answers_are_gone_cannot_be_chosen() -> None:
    html = shown(replace(BASELINE, runs=(replace(CHOICE, gone=True), replace(CHOICE, run_id="b", in_force=True))))
    assert f'id="run-{RUN_ID}" disabled' in html
    assert "answers removed" in html
    assert "in the baseline" in html
    assert 'id="run-b">' in html


def test_before_a_baseline_is_pinned_the_page_says_what_changes() -> None:
    moved = replace(CHOICE, verdict=Verdict.INVERTED_PERSONA, chosen=True)
    html = shown(replace(BASELINE, runs=(moved, replace(CHOICE, run_id="other")), confirm=True))
    assert "the mean of this run: drift 0 is where it stood then" in html
    assert "the published profile gpt-4.1/all" in html
    assert "Not all of these runs are steady." in html
    assert f'<input type="hidden" name="run" value="{RUN_ID}">' in html
    assert 'value="other"' not in html
    own = BaselineView(provenance="built from 3 runs", made_at=ago(days=2), made_by="automatic")
    steady = replace(BASELINE, runs=(replace(CHOICE, chosen=True),), confirm=True, current=own)
    assert "built from 3 runs, set" in shown(steady)
    assert "Not all of these runs are steady." not in shown(steady)


def test_without_runs_a_baseline_cannot_be_chosen() -> None:
    assert "No run has ended with a comparison yet." in shown(replace(BASELINE, runs=()))


def test_a_drill_names_who_hears_of_it_and_how_the_last_went() -> None:
    failed = DrillView(persona="inverted", state="failed", started_at=ago(hours=2), reached=3, stages=7, reason="gone")
    html = shown(replace(DRILL, recent=(failed,)))
    assert "among: log." in html
    assert "3 of 7" in html
    assert "There is no notifier: nothing would arrive anywhere." in shown(replace(DRILL, notifiers=()))


def test_a_paused_or_busy_endpoint_is_told_before_a_run() -> None:
    html = shown(replace(START, paused=True, active=RUN_ID))
    assert "a run that you start here is carried out all the same" in html
    assert f'A <a href="/runs/{RUN_ID}">run</a> is going on.' in html


def test_forms_do_not_refresh_themselves() -> None:
    assert "data-hx-get" not in shown(START)
    assert "Refresh by itself" not in shown(START)


def test_errors_become_what_is_wrong_and_what_to_do() -> None:
    told = refused("the runs are of two plans; choose runs of one", heading="No")
    assert (told.detail, told.remedy, told.status) == ("The runs are of two plans.", "Choose runs of one.", 422)
    assert refused("nothing more", heading="No").remedy == ""


def test_a_silence_is_shown_with_its_end_for_who_may_end_it() -> None:
    silence = SilenceView(id="abc", until=NOW, who=HOSTILE)
    html = Renderer().part(endpoint(silences=(silence,)))
    assert "<script>alert" not in html
    assert 'name="end" value="abc"' in html
    reader = Holder(name="reader", scopes=frozenset({"read"}), token_id=1, token_digest="d")
    assert 'name="end"' not in Renderer().part(endpoint(silences=(silence,), viewer=reader))
