"""Answers of a run: which there are, which are wanted, page by page and as a stream."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from probes.measure import measure, observations
from probes.types import Cell
from service.storage import answers as store
from service.storage.answers import Wanted
from service.storage.engine import Database
from service.storage.schema import RunRow
from tests.support.answered import CHOICE, JUDGED, UNSCORED, add_run_with
from tests.support.database import add_endpoint, open_database

HARMFUL = JUDGED | {"item_id": "harm.insults.h2", "score": 0.5}
SECOND = JUDGED | {"item_id": "harm.violence.h1", "category": "violence", "second_score": 0.75}
NO_GRADE = JUDGED | UNSCORED | {"item_id": "harm.violence.h2", "category": "violence", "reason": "judge_down"}
PLACED = CHOICE | {"item_id": "sa.language.good_evil.l1", "probe": "self_assessment", "method": "language",
                   "score": 1.0, "scorer": "nearer-pole/1"}  # fmt: skip
ANSWERS = (
    *(CHOICE | {"repeat": repeat, "reply": f"A{repeat}"} for repeat in range(3)),
    CHOICE | UNSCORED | {"item_id": "in.good_evil.s2.am"},
    JUDGED, HARMFUL, SECOND, NO_GRADE, PLACED,
)  # fmt: skip


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path) as made:
        yield made


@pytest.fixture
async def run(database: Database) -> RunRow:
    """The run, between two others of the same items."""
    endpoint = await add_endpoint(database)
    await add_run_with(database, endpoint, "1", [CHOICE, HARMFUL])
    found = await add_run_with(database, endpoint, "2", ANSWERS)
    await add_run_with(database, endpoint, "3", [CHOICE, HARMFUL])
    return found


async def keys(database: Database, run: RunRow, **wanted: Any) -> list[tuple[str, int]]:
    async with database.read() as session:
        rows = await store.page(session, run.id, Wanted(**wanted), limit=100)
        assert await store.count(session, run.id, Wanted(**wanted)) == len(rows)
        return [(row.item_id, row.repeat) for row in rows]


EVERY = sorted((one["item_id"], one["repeat"]) for one in ANSWERS)


async def test_without_a_filter_all_come_by_item(database: Database, run: RunRow) -> None:
    assert await keys(database, run) == EVERY


@pytest.mark.parametrize(
    ("wanted", "items"),
    [
        ({"probe": "harm"}, ["harm.insults.h1", "harm.insults.h2", "harm.violence.h1", "harm.violence.h2"]),
        ({"category": "violence"}, ["harm.violence.h1", "harm.violence.h2"]),
        ({"dimension": "good_evil", "method": "language"}, ["sa.language.good_evil.l1"]),
        ({"scored": False}, ["harm.violence.h2", "in.good_evil.s2.am"]),
        ({"scored": True, "probe": "intentions"}, ["in.good_evil.s1.am"] * 3),
        ({"reason": "judge_down"}, ["harm.violence.h2"]),
        ({"harmful": True}, ["harm.insults.h2", "harm.violence.h1"]),
        ({"item": "H2"}, ["harm.insults.h2", "harm.violence.h2"]),
        ({"item": "%"}, []),
        ({"item": "_"}, ["in.good_evil.s1.am"] * 3 + ["in.good_evil.s2.am", "sa.language.good_evil.l1"]),
        ({"probe": "no such"}, []),
    ],
)
async def test_filters_choose(database: Database, run: RunRow, wanted: dict[str, Any], items: list[str]) -> None:
    assert [item for item, _ in await keys(database, run, **wanted)] == items


async def test_pages_lead_forth_and_back_without_a_gap(database: Database, run: RunRow) -> None:
    async with database.read() as session:
        seen, after = [], None
        while rows := await store.page(session, run.id, after=after, limit=2):
            seen.append([(row.item_id, row.repeat) for row in rows])
            after = seen[-1][-1]
        assert [key for page in seen for key in page] == EVERY
        back = await store.page(session, run.id, before=seen[2][0], limit=2)
        assert [(row.item_id, row.repeat) for row in back] == seen[1]
        assert not await store.page(session, run.id, before=EVERY[0], limit=2)


async def test_one_answer_is_found_by_its_key(database: Database, run: RunRow) -> None:
    async with database.read() as session:
        found = await store.one(session, run.id, "in.good_evil.s1.am", 2)
        assert found is not None
        assert found.reply == "A2"
        assert await store.one(session, run.id, "in.good_evil.s1.am", 3) is None


async def test_what_there_is_to_choose_from(database: Database, run: RunRow) -> None:
    async with database.read() as session:
        found = await store.facets(session, run.id)
        nothing = await store.facets(session, "no such run")
    assert found.total == len(ANSWERS)
    assert found.cells[Cell(probe="harm", category="violence")] == 2
    assert found.cells[Cell(probe="intentions", dimension="good_evil", method="scenario")] == 4
    assert found.reasons == {"refused": 1, "judge_down": 1}
    assert found.harmful == 2
    assert (nothing.total, nothing.harmful, dict(nothing.reasons)) == (0, 0, {})


async def test_a_stream_gives_all_in_chunks_and_holds_no_transaction(
    database: Database, run: RunRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 4)
    seen: list[tuple[str, int]] = []
    sizes = []
    async for rows in store.stream(database, run.id):
        seen += [(row.item_id, row.repeat) for row in rows]
        sizes.append(len(rows))
        assert database._engine.pool.checkedout() == 0  # type: ignore[attr-defined] # of a pool that counts
    assert seen == EVERY
    assert sizes == [4, 4, 1]
    assert [rows async for rows in store.stream(database, "no such run")] == []


async def test_scores_come_without_their_replies(database: Database, run: RunRow) -> None:
    async with database.read() as session:
        found = await store.scores_of(session, run.id)
        whole = await store.answers_of(session, [run.id])
    assert {one.reply for one in found} == {None}
    assert observations(found) == observations(whole)
    assert measure(found) == measure(whole)
    assert {(one.key, one.score) for one in found} == {(one.key, one.score) for one in whole}
