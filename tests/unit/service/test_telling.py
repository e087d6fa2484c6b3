"""What a message tells besides the run: the run before the change, and why it may have come."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from baselines.serialize import comparison_to_json
from baselines.types import Arm, ArmComparison, Comparison, Verdict
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from service.telling import with_history
from tests.support.database import NOW, add_endpoint, add_run, open_database
from tests.unit.alerts.facts import arm, facts

CAUSES = {"causes": [{"kind": "latency", "says": "the median reply takes 2 s, before 1"}], "items": []}
MOVED = facts(verdict=Verdict.BEHAVIOUR_SHIFT)


def comparison(behaviour: ArmComparison) -> dict[str, Any]:
    return comparison_to_json(
        Comparison(profiles="p", arms={Arm.BEHAVIOUR: behaviour}, nearest_profile=None, distances={}, off_axis=None)
    )


async def concluded(
    database: Database, endpoint: EndpointRow, minute: int, verdict: Verdict | None, score: float, **more: Any
) -> str:
    run = await add_run(database, endpoint, slot=str(minute), at=NOW + timedelta(minutes=minute))
    async with database.write() as session:
        row = await session.get_one(RunRow, run.id)
        row.state, row.finished_at = "succeeded", NOW + timedelta(minutes=minute)
        row.verdict = str(verdict) if verdict else None
        row.comparison = comparison(arm(score=score)) if verdict else None
        for name, value in more.items():
            setattr(row, name, value)
    return run.id


async def history(database: Database, run_id: str, **changes: Any) -> Any:
    async with database.read() as session:
        row = await session.get_one(RunRow, run_id)
        return await with_history(session, facts(verdict=Verdict.BEHAVIOUR_SHIFT, **changes), row)


async def test_the_last_steady_run_is_compared_with_even_if_others_came_between(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint, other = await add_endpoint(database), await add_endpoint(database, "other")
        await concluded(database, endpoint, 1, Verdict.STEADY, 0.1)
        steady = await concluded(database, endpoint, 2, Verdict.STEADY, 0.2)
        await concluded(database, endpoint, 3, Verdict.SELF_REPORT_SHIFT, 0.3)
        await concluded(database, endpoint, 4, None, 0.0)  # failed: nothing to compare with
        await concluded(database, other, 5, Verdict.STEADY, 0.9)
        now = await concluded(database, endpoint, 6, Verdict.BEHAVIOUR_SHIFT, 0.6, attribution=CAUSES)
        found = await history(database, now)
    assert (found.before_run, found.before_at) == (steady, NOW + timedelta(minutes=2))
    assert found.before[Arm.BEHAVIOUR].score == 0.2
    assert found.causes == ("the median reply takes 2 s, before 1",)


async def test_without_a_steady_run_it_is_the_last_one(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await concluded(database, endpoint, 1, Verdict.REALIGNED, 0.3)
        last = await concluded(database, endpoint, 2, Verdict.REALIGNED, 0.4)
        now = await concluded(database, endpoint, 3, Verdict.BEHAVIOUR_SHIFT, 0.6)
        found = await history(database, now)
    assert (found.before_run, found.causes) == (last, ())


async def test_a_first_run_has_nothing_before_it_and_a_steady_one_needs_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        first = await concluded(database, endpoint, 1, Verdict.BEHAVIOUR_SHIFT, 0.6)
        found = await history(database, first)
        assert (found.before, found.before_run, found.before_at) == ({}, "", None)
        second = await concluded(database, endpoint, 2, Verdict.STEADY, 0.1, attribution=CAUSES)
        async with database.read() as session:
            row = await session.get_one(RunRow, second)
            steady = facts(verdict=Verdict.STEADY)
            assert await with_history(session, steady, row) is steady


@pytest.mark.parametrize(
    "stored",
    [{}, {"arms": 3}, {"profiles": "p", "arms": {"telepathy": {}}}],
    ids=["empty", "no arms", "an arm of another version"],
)
async def test_an_earlier_comparison_that_cannot_be_read_costs_only_the_history(tmp_path: Path, stored: Any) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await concluded(database, endpoint, 1, Verdict.STEADY, 0.1, comparison=stored)
        now = await concluded(database, endpoint, 2, Verdict.BEHAVIOUR_SHIFT, 0.6, attribution=CAUSES)
        found = await history(database, now)
    assert (found.verdict, found.before, found.before_run) == (Verdict.BEHAVIOUR_SHIFT, {}, "")
    assert found.causes == ("the median reply takes 2 s, before 1",)
