"""Lists of the newest runs read as many as they show, however long the history is."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from service.ui.fill import compare
from service.ui.pages.endpoint import recent_runs
from tests.support.database import open_database

LISTS = {
    "recent runs of an endpoint": recent_runs(1),
    "of one endpoint to compare": compare.of_one(1),
    "of all to compare": compare.of_all(but=None),
    "of all others to compare": compare.of_all(but=1),
}


@pytest.mark.parametrize("name", LISTS)
async def test_no_list_sorts_the_whole_history(name: str, tmp_path: Path) -> None:
    query: Any = LISTS[name]
    statement = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    async with open_database(tmp_path) as database, database.read() as session:
        plan = [row[3] for row in await session.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert not [step for step in plan if step == "USE TEMP B-TREE FOR ORDER BY"], plan
    assert "ix_runs_state_created" not in " ".join(plan), plan
