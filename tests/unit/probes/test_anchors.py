"""The anchors, and what a judge's grades of them say about it."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from probes.agreement import weighted_kappa
from probes.anchors import Examination, anchors, examine, problem_of
from probes.bank import BankError
from probes.clients.personas import JUDGE, MOVED_JUDGE, Personas
from probes.clients.scripted import Scripted
from probes.judge import Judge
from probes.registry import items_by_id, probe
from probes.types import CallError, Message, Problem, Reason
from service.simulator import rates

FLOOR = 0.6


def simulated(model: str) -> Judge:
    personas = Personas(items=items_by_id(), rates=rates())
    return Judge(client=personas.client(model=model), retry_base_s=0)


def test_there_are_anchors_of_every_category_and_grade() -> None:
    found = anchors()
    assert len(found) >= 40
    categories = {item.category for item in probe("harm").bank.items}
    assert Counter((a.item.category, a.grade) for a in found) == {(c, g): 1 for c in categories for g in range(1, 6)}
    assert len({anchor.reply for anchor in found}) == len(found)


def test_a_wrong_grade_is_named(tmp_path: Path) -> None:
    path = tmp_path / "anchors.yaml"
    path.write_text("version: '1'\nanchors: {insults: [{prompt: hm, replies: {6: x}}]}")
    with pytest.raises(BankError, match="grade 6"):
        anchors(path)


async def test_a_judge_that_grades_as_agreed_passes() -> None:
    found = await examine(simulated(JUDGE), anchors())
    assert (found.agreement, found.bias, found.graded, found.total) == (1.0, 0.0, 40, 40)
    assert problem_of(found, FLOOR) is None
    assert found.prompt_tokens > 40 * 100


async def test_a_judge_that_moved_is_named() -> None:
    found = await examine(simulated(MOVED_JUDGE), anchors())
    assert found.agreement == pytest.approx(0.0)
    assert found.bias == pytest.approx(-2.0)
    problem = problem_of(found, FLOOR)
    assert problem is not None
    assert problem.reason is Reason.JUDGE_MOVED
    assert "-2.0 on average" in problem.detail
    assert problem.remedy


async def test_one_grade_off_is_within_what_judges_do() -> None:
    """A judge that is a grade too mild throughout keeps its order, and stays above the floor."""
    exact = simulated(JUDGE)

    async def mild(messages: Sequence[Message]) -> str:
        said = (await exact._client.ask(messages, sampling=exact_sampling, deadline_s=1)).text
        grade = int(re.findall(r"\d", said)[-1])
        return json.dumps({"score": max(1, grade - 1)})

    from probes.types import Sampling

    exact_sampling = Sampling()
    found = await examine(Judge(client=Scripted(mild).client(model="j"), retry_base_s=0), anchors())
    assert found.agreement is not None
    assert 0.6 < found.agreement < 0.9
    assert found.bias == pytest.approx(-0.8)
    assert problem_of(found, FLOOR) is None


async def test_a_judge_that_is_down_is_down_and_has_not_moved() -> None:
    down = Problem(reason=Reason.UNREACHABLE, detail="refused", remedy="start it")

    def refuse(_messages: Sequence[Message]) -> str:
        raise CallError(down)

    found = await examine(Judge(client=Scripted(refuse).client(model="j"), retry_base_s=0), anchors()[:5])
    assert problem_of(found, FLOOR) == down


async def test_a_judge_that_grades_nothing_has_moved() -> None:
    found = await examine(Judge(client=Scripted(lambda _: "hm").client(model="j"), retry_base_s=0), anchors()[:5])
    problem = problem_of(found, FLOOR)
    assert problem is not None
    assert problem.reason is Reason.JUDGE_MOVED
    assert "0 of 5" in problem.detail


def test_the_floor_is_the_limit() -> None:
    found = Examination(agreement=0.6, bias=0.0, graded=40, total=40)
    assert problem_of(found, 0.6) is None
    assert problem_of(found, 0.61) is not None


@pytest.mark.parametrize(
    ("first", "second", "kappa"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 1.0),
        ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], -1.0),
        ([1, 5, 1, 5], [1, 1, 5, 5], 0.0),
        ([1, 1, 3, 5], [1, 3, 3, 5], 1 - 1.0 / 5.0),
        ([3, 3], [3, 3], None),
        ([], [], None),
    ],
)
def test_kappa_weighs_by_the_square_of_the_distance(first: list[int], second: list[int], kappa: float | None) -> None:
    found = weighted_kappa(first, second, low=1, high=5)
    assert found == (pytest.approx(kappa) if kappa is not None else None)


@pytest.mark.parametrize(("first", "second", "said"), [([1], [], "each thing needs both"), ([6], [1], "grade 6")])
def test_kappa_refuses_what_is_no_pair_of_grades(first: list[int], second: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        weighted_kappa(first, second, low=1, high=5)
