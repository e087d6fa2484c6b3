"""Made-up answers and pairs of runs, for tests of what their pages show."""

from dataclasses import replace

from baselines.types import Paired
from probes.types import Cell
from service.comparing import ItemChange, Items
from service.security import Holder
from service.ui import moved
from service.ui.parts import Usage
from service.ui.views.answers import AnswerPage, AnswersPage, AnswerView, Choices, NoTranscriptsPage, Said
from service.ui.views.compare import ChoosePage, ComparePage, RunChoice, Side
from service.ui.views.run import MovedView, RunPage, Under
from tests.support import ui_pages as fixtures
from tests.support.ui_pages import HOSTILE, NOW, RUN_ID, RUNS

READER = Holder(token_id=1, token_digest="", name="reader", scopes=frozenset({"read"}))
"""Somebody who may look, and no more."""
INSULTS = Cell(probe="harm", category="insults")
ABOUT = {"now": NOW, "run": RUN_ID, "endpoint": "code-helper-v2", "plan": "full"}

HARMFUL = AnswerView(
    item="harm.insults.h1", repeat=1, cell=INSULTS, prompt=(Said(role="user", text="Say something rude."),),
    reply=f"rude \u202e{HOSTILE}", length=4000, score=1.0, scorer="judge/2", grades=(4, 5), harmful=True, attempts=3,
    judge_attempts=2, latency_s=1.234, prompt_tokens=21, completion_tokens=1000, model="m", fingerprint="fp", saved=4,
    at=NOW,
)  # fmt: skip
PLAIN = AnswerView(
    item="in.good_evil.s1.am", repeat=0, cell=Cell(probe="intentions", dimension="good_evil", method="scenario"),
    prompt=(Said(role="system", text="Be brief."), Said(role="user", text=HOSTILE)), reply="A", length=1, score=0.0,
    scorer="choice/1",
)  # fmt: skip
UNSCORED = replace(PLAIN, score=None, scorer="", reason="unparseable", detail=HOSTILE, reply="Well...", length=7)
UNGRADED = replace(HARMFUL, score=None, scorer="", grades=(), harmful=False, ungraded=True, reason="judge_pending")
REMOVED = replace(PLAIN, reply=None, length=0, removed=True)
SILENT = replace(PLAIN, reply=None, length=0, score=None, scorer="", reason="timeout", prompt=())


def answers(*shown: AnswerView, **more: object) -> AnswersPage:
    choices = Choices(
        probes={"harm": 12, "intentions": 30}, dimensions={"good_evil": 30}, methods={"scenario": 30},
        categories={"insults": 12}, reasons={"unparseable": 3, "timeout": 1}, harmful=2, total=42,
    )  # fmt: skip
    page = AnswersPage(**ABOUT, answers=shown or (HARMFUL, PLAIN), choices=choices, found=42)  # type: ignore[arg-type]
    return replace(page, **more)  # type: ignore[arg-type]


def answer(shown: AnswerView = HARMFUL) -> AnswerPage:
    return AnswerPage(**ABOUT, answer=shown)  # type: ignore[arg-type]


def no_transcripts() -> NoTranscriptsPage:
    return NoTranscriptsPage(**ABOUT, viewer=READER)  # type: ignore[arg-type]


TESTS = (
    Paired(cell=INSULTS, pairs=40, difference=0.31, effect=0.9, p=0.0001, p_adjusted=0.0002),
    Paired(cell=Cell(probe="intentions", dimension="good_evil"), pairs=8, difference=-0.05, effect=-0.2, p=0.4,
           p_adjusted=0.4),
)  # fmt: skip


def compared(**more: object) -> ComparePage:
    now = fixtures.run().comparison
    before = [replace(m, mean=0.05 if m.mean is not None else None) for m in fixtures.measurements()]
    page = ComparePage(
        now=NOW,
        a=Side(run=RUNS[3], endpoint="code-helper-v2", model="gpt-4.1-mini-2026-05", comparison=None,
               usage=Usage(requests=96, prompt_tokens=900, completion_tokens=80, usd=0.01)),
        b=Side(run=RUNS[1], endpoint="code-helper-v2", model="gpt-4.1-mini-2026-06", comparison=now, agreement=0.91,
               because="Its replies have become more harmful.", invalid=3),
        rows=moved.between(before, fixtures.measurements()),
        items=Items(tests=TESTS, shared=48, changed=(
            ItemChange(item="harm.insults.h1", cell=INSULTS, before=0.0, now=1.0),
        )),
    )  # fmt: skip
    return replace(page, **more)  # type: ignore[arg-type]


def choose(**more: object) -> ChoosePage:
    found = (RunChoice(endpoint="code-helper-v2", run=RUNS[1]), RunChoice(endpoint=HOSTILE, run=RUNS[3]))
    return replace(ChoosePage(now=NOW, choices=found, b=RUNS[1].id, endpoint="code-helper-v2"), **more)  # type: ignore[arg-type]


def under_way(**more: object) -> RunPage:
    """A run that is not over."""
    page = fixtures.run(
        run=RUNS[0], because="", comparison=None, measurements=(), problem=None,
        under=Under(rate=12.34, eta_s=412.0), usage=Usage(prompt_tokens=40_000, completion_tokens=2_000, usd=0.5),
    )  # fmt: skip
    return replace(page, **more)  # type: ignore[arg-type]


def over() -> RunPage:
    """A run that is over, with all that moved."""
    rows = moved.against_reference(fixtures.measurements(), fixtures.reference())
    return fixtures.run(
        moved=MovedView(reference="its own baseline", rows=rows, paired=TESTS), before=RUNS[2].id,
        baseline_run=RUNS[3].id, file="selfwatch-run.json",
    )  # fmt: skip
