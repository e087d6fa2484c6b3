"""What the pages say of what a run led to, and of evidence that outlasts what it was gathered on."""

import html
from dataclasses import replace

import pytest

from baselines.doubt import Step
from baselines.types import Arm
from service.escalation import enough
from service.ui.parts import ArmView
from service.ui.render import Renderer
from service.ui.views.run import ReasonsView
from tests.support import ui_pages as fixtures

RENDERER = Renderer()
LINGERS = "does not count as moved"


def page_of(drift: float, *, evidence: float, alarm: bool) -> str:
    row = fixtures.row("bot", None, None, None)
    view = ArmView(arm=Arm.SELF_REPORT, figures=fixtures.figures(drift, evidence=evidence, alarm=alarm))
    row = replace(row, self_report=view)
    return html.unescape(RENDERER.part(fixtures.endpoint(row=row)))


@pytest.mark.parametrize(
    ("step", "made", "why"),
    [
        (Step.CONFIRM, 0, None),
        (Step.CONFIRM, 1, "there was one such run in the last 24 hours"),
        (Step.FOLLOW_UP, 5, None),
        (Step.FOLLOW_UP, 6, "there were 6 such runs in the last 24 hours"),
    ],
)
def test_a_step_that_was_taken_often_enough_says_so(step: Step, made: int, why: str | None) -> None:
    assert enough(step, made) == why


def test_a_step_that_was_not_taken_reads_as_a_sentence() -> None:
    why = enough(Step.CONFIRM, 1)
    page = fixtures.run(reasons=ReasonsView(next="a full run that confirms", refused=why))
    said = " ".join(RENDERER.part(page).split())
    assert "<dd>not to a full run that confirms: there was one such run in the last 24 hours</dd>" in said


def test_strong_evidence_without_a_move_is_explained() -> None:
    assert LINGERS in page_of(0.04, evidence=5.1, alarm=True)
    assert LINGERS not in page_of(0.4, evidence=5.1, alarm=True), "it has moved"
    assert LINGERS not in page_of(0.04, evidence=1.0, alarm=False), "no alarm"
