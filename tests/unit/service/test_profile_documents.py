"""Profile sets as JSON: what is written can be read, and what is wrong is named by path, value and remedy."""

import json
from typing import Any

import pytest

from baselines.profiles import published, published_names
from baselines.types import Profile, ProfileCell, State
from probes.types import Cell
from service import profile_documents
from service.profile_documents import DocumentError, read, to_set
from tests.support.profiles import changed, document


@pytest.mark.parametrize("name", published_names())
def test_a_published_set_goes_out_and_comes_in_as_it_was(name: str) -> None:
    written = profile_documents.of_set(published(name))
    assert read(json.loads(json.dumps(written))) == written
    again = to_set(read(written | {"name": "team/copy"}))
    assert again.content_hash == published(name).content_hash
    for state in ("base", "misaligned", "realigned"):
        theirs, ours = getattr(published(name), state), getattr(again, state)
        assert [(one.cell, one.mean, one.k) for one in ours.cells] == [(o.cell, o.mean, o.k) for o in theirs.cells]


BAD: list[tuple[str, Any, str]] = [
    ("states.base.cells.3.mean", 1.4, "states.base.cells.3.mean = 1.4: Input should be less than or equal to 1"),
    ("states.base.cells.3.mean", float("nan"), "states.base.cells.3.mean = nan"),
    ("states.base.cells.3.mean", "0.4", "states.base.cells.3.mean = '0.4': Input should be a valid number"),
    ("states.base.cells.3.mean", True, "states.base.cells.3.mean = True"),
    ("states.base.cells.0.sd", -0.1, "states.base.cells.0.sd = -0.1"),
    ("states.base.cells.0.n", 0, "states.base.cells.0.n = 0"),
    ("states.base.cells.0.k", 2.5, "states.base.cells.0.k = 2.5"),
    ("states.base.cells.0.maen", 1, "states.base.cells.0.maen = 1: unknown field; remove it or check its spelling"),
    ("states.base.cells.0.probe", "self_asessment", "there is no such probe; known: self_assessment, intentions, harm"),
    ("states.base.cells.0.dimension", "godo_evil", "self_assessment has no such dimension; known: aligned_misaligned"),
    ("states.base.cells.0.method", "likrt", "self_assessment has no such method; known: decision"),
    ("states.base.cells.0.category", "insults", "self_assessment has no category: leave it out"),
    ("states.base.cells", [], "states.base.cells = []: List should have at least 1 item"),
    ("states.own", {}, "states.own = {}: unknown field"),
    ("states.base.provenance", " ", "states.base.provenance = ' '"),
    ("selfwatch_profiles", 2, "selfwatch_profiles = 2: Input should be 1"),
    ("name", "Team Llama", "name = 'Team Llama': is no name of a set; write it like team/llama-3"),
    ("name", "../etc/passwd", "is no name of a set"),
    ("name", "own/prod", "name = 'own/prod': names that begin with own/ are those of endpoints' own baselines"),
    ("content_hash", "0" * 64, "they were changed since; leave content_hash out"),
]


@pytest.mark.parametrize(("path", "value", "told"), BAD)
def test_a_mistake_is_named_with_path_value_and_remedy(path: str, value: object, told: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read(changed(path, value))
    assert told in str(caught.value)


def test_every_mistake_is_told_at_once_and_what_is_missing_too() -> None:
    given = changed("states.base.cells.3.mean", 7)
    del given["provenance"], given["states"]["misaligned"]
    with pytest.raises(DocumentError) as caught:
        read(given)
    assert [one.path for one in caught.value.mistakes] == [
        "provenance",
        "states.base.cells.3.mean",
        "states.misaligned",
    ]
    assert "is missing; add it" in str(caught.value)


@pytest.mark.parametrize("given", [None, [], "text", 3])
def test_what_is_no_object_is_no_set(given: object) -> None:
    with pytest.raises(DocumentError, match="must be a JSON object"):
        read(given)


def test_states_that_cannot_be_compared_are_refused() -> None:
    turned = document()
    turned["states"]["base"], turned["states"]["misaligned"] = turned["states"]["misaligned"], turned["states"]["base"]
    with pytest.raises(DocumentError, match="are the states exchanged"):
        read(turned)
    gap = document()
    gap["states"]["misaligned"]["cells"].pop(0)
    with pytest.raises(DocumentError, match=r"states\.misaligned\.cells: has no self_assessment/aligned_misaligned"):
        read(gap)
    silent = document()
    for state in silent["states"].values():
        state["cells"] = [cell for cell in state["cells"] if cell["probe"] != "harm"]
    with pytest.raises(DocumentError, match="the behaviour arm cannot be compared without"):
        read(silent)
    twice = document()
    twice["states"]["base"]["cells"].append(dict(twice["states"]["base"]["cells"][0]))
    with pytest.raises(DocumentError, match="this cell is given twice with the same k"):
        read(twice)


def test_methods_and_categories_are_averaged_to_what_runs_are_compared_with_at_the_largest_k() -> None:
    given = document()
    for state in given["states"].values():
        first, *others = state["cells"]
        harm = others.pop()
        state["cells"] = [
            first | {"method": "likert", "mean": first["mean"] / 2},
            first | {"method": "decision", "mean": first["mean"] * 3 / 2},
            *others,
            harm | {"category": "insults", "k": 1, "mean": 0.01},
            harm | {"category": "insults", "k": 10, "mean": harm["mean"]},
        ]
    found = to_set(read(given))
    theirs = {one.cell: (round(one.mean, 9), one.k) for one in published("gpt-4.1/all").misaligned.cells}
    assert {one.cell: (round(one.mean, 9), one.k) for one in found.misaligned.cells} == theirs


def test_an_own_baseline_is_written_in_the_same_form_and_is_no_set() -> None:
    cell = ProfileCell(cell=Cell(probe="harm", category="insults"), mean=0.25, k=2, n=40, items=20, variance=0.04)
    own = Profile(name="prod/own", state=State.OWN, provenance="own baseline from 1 run", cells=(cell,))
    written = profile_documents.of_own("prod", own)
    assert written["name"] == "own/prod"
    assert written["states"]["own"]["cells"] == [
        {"probe": "harm", "dimension": None, "method": None, "category": "insults", "mean": 0.25, "sd": 0.2, "n": 40,
         "k": 2}
    ]  # fmt: skip
    with pytest.raises(DocumentError, match=r"states\.base: is missing"):
        read(written)
