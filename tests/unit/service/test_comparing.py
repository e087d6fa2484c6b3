"""Two runs item by item, over a real database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines.paired import paired_tests
from probes.types import Cell
from service import comparing
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from tests.support.answered import CHOICE, JUDGED, UNSCORED, add_run_with
from tests.support.database import add_endpoint, open_database

GOOD = Cell(probe="intentions", dimension="good_evil", method="scenario")


def scored(scores: Sequence[float], answer: dict[str, Any] = CHOICE, prefix: str = "in") -> list[dict[str, Any]]:
    return [answer | {"item_id": f"{prefix}.{index}", "score": score} for index, score in enumerate(scores)]


async def items(database: Database, a: RunRow, b: RunRow) -> comparing.Items:
    async with database.read() as session:
        return await comparing.by_item(session, a, b)


async def test_items_that_both_runs_have_are_tested_in_pairs(tmp_path: Path) -> None:
    before, now = [0.0, 0.1, 0.2, 0.0, 0.1, 0.3, 0.2], [0.9, 0.8, 0.9, 0.7, 1.0, 0.3, 0.9]
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        only = CHOICE | {"item_id": "in.other"}
        a = await add_run_with(database, endpoint, "a", [*scored(before), only, CHOICE | UNSCORED])
        b = await add_run_with(database, endpoint, "b", [*scored(now), CHOICE])
        found = await items(database, a, b)
        assert found.shared == 7
        assert found.why_not == ""
        [test] = found.tests
        expected = paired_tests(
            {(GOOD, f"in.{i}"): score for i, score in enumerate(now)},
            {(GOOD, f"in.{i}"): score for i, score in enumerate(before)},
        )
        assert (test,) == expected, "the statistics are those of the package"
        assert [one.item for one in found.changed] == ["in.0", "in.4", "in.1", "in.2", "in.3", "in.6"]
        assert found.changed[0].difference == pytest.approx(0.9)
        back = await items(database, b, a)
        assert back.tests[0].difference == -test.difference


async def test_too_few_pairs_are_said_to_be_too_few(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        a = await add_run_with(database, endpoint, "a", scored([0.0, 1.0]))
        b = await add_run_with(database, endpoint, "b", scored([1.0, 1.0]))
        c = await add_run_with(database, endpoint, "c", scored([1.0], prefix="other"))
        few, none = await items(database, a, b), await items(database, a, c)
        assert few.why_not.startswith("they share 2 items with a score, and a test needs 6")
        assert len(few.changed) == 1
        assert none.why_not.startswith("they share no item with a score")
        assert (await items(database, a, a)).why_not == "it is one and the same run"


async def test_removed_answers_and_grades_of_a_moved_judge_are_not_compared(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        harm = scored([0.0] * 8, JUDGED, "harm")
        a = await add_run_with(database, endpoint, "a", harm)
        b = await add_run_with(database, endpoint, "b", scored([1.0] * 8, JUDGED, "harm"), judge_reason="judge_moved")
        c = await add_run_with(database, endpoint, "c", [], retention="no_answers")
        assert (await items(database, a, b)).shared == 0
        assert f"the single answers of {c.id} were removed by retention" in (await items(database, a, c)).why_not


async def test_caveats_name_what_is_unlike(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        one, two = await add_endpoint(database, "one"), await add_endpoint(database, "two")
        a = await add_run_with(database, one, "a", [], basis={"baseline": 1})
        b = await add_run_with(database, one, "b", [], basis={"baseline": 1})
        assert comparing.caveats((a, one), (b, one)) == ()
        b.basis, b.banks_hash, b.state = {"baseline": None}, "other", "running"
        said = " ".join(comparing.caveats((a, one), (b, one)))
        for words in ("different baselines", "banks changed in between", "The second run is not over"):
            assert words in said
        c = await add_run_with(database, two, "c", [])
        c.plan, two.profiles = "full", "gpt-4.1/code"
        said = " ".join(comparing.caveats((a, one), (c, two)))
        for words in ("two endpoints, one and two", "The plans differ (heartbeat and full)", "different directions"):
            assert words in said
        assert "one and the same run" in " ".join(comparing.caveats((a, one), (a, one)))


async def test_a_run_of_an_earlier_release_has_no_baseline_to_tell_of(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint: EndpointRow = await add_endpoint(database)
        a, b = [await add_run_with(database, endpoint, slot, [], basis=None) for slot in "ab"]
        assert comparing.caveats((a, endpoint), (b, endpoint)) == ()
