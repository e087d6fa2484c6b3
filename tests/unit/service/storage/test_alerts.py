"""Alerts, silences and drills in the database: they come out as they went in."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.match import Match
from alerts.types import INSTALLATION, Alert, AlertState, DrillOutcome, Severity
from service.storage import alerts as store
from service.storage import drills
from service.storage.drills import Drill
from service.storage.schema import FlipRow, SilenceRow
from tests.support.database import NOW, add_endpoint, open_database
from tests.unit.alerts.facts import flip, notice

FULL = Alert(
    rule="BehaviourDrift", endpoint="prod", severity=Severity.CRITICAL, state=AlertState.FIRING, streak=2, since=NOW,
    beat="slot-9", fired=(NOW - timedelta(days=1), NOW), flip_id="f" * 64, told=("ops", "chat"), told_at=NOW,
    rule_key="k",
)  # fmt: skip


async def test_an_alert_comes_out_as_it_went_in_and_is_one_row(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        prod = await add_endpoint(database)
        async with database.write() as session:
            await store.save(session, FULL, prod.id, run_id="r1", summary="s", labels={"a": "b"}, notice={"x": 1})
            await store.save(session, replace(FULL, streak=3), prod.id)
            await store.save(session, replace(FULL, endpoint=INSTALLATION, streak=0), None)
        async with database.read() as session:
            (row,) = (await store.of_subject(session, "prod")).values()
            assert store.alert_of(row) == replace(FULL, streak=3)
            assert (row.run_id, row.summary, row.labels) == ("r1", "s", {"a": "b"})
            assert await store.notice_of(session, FULL) == {"x": 1}
            assert await store.explaining(session, INSTALLATION) == {"BehaviourDrift"}
            assert await store.explaining(session, "prod") == set(), "three runs have spoken for its end"
            assert set(await store.by_subject(session)) == {"prod", INSTALLATION}


async def test_a_flip_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        prod = await add_endpoint(database)
        async with database.write() as session:
            await store.save_flip(session, flip(endpoint="prod"), prod.id)
            await store.save_flip(session, replace(flip(endpoint="prod"), run_id="other"), prod.id)
        async with database.read() as session:
            row = await session.get_one(FlipRow, "f" * 64)
        assert (row.run_id, row.drill_id) == ("run-1", None)


@pytest.mark.parametrize(
    ("minutes", "holds"), [(-1, []), (0, ["now"]), (59, ["now"]), (60, ["later"]), (119, ["later"]), (120, [])]
)
async def test_a_silence_holds_from_its_start_to_before_its_end(tmp_path: Path, minutes: int, holds: list[str]) -> None:
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            for name, start in (("now", 0), ("later", 60)):
                begins = NOW + timedelta(minutes=start)
                session.add(
                    SilenceRow(
                        id=name, match={"rule": "*"}, starts_at=begins, ends_at=begins + timedelta(hours=1), who="kim",
                        comment="c", created_at=NOW,
                    )
                )  # fmt: skip
        async with database.read() as session:
            found = await store.silences(session, NOW + timedelta(minutes=minutes))
        assert [one.mute.by for one in found] == holds


PATTERN = st.none() | st.text(min_size=1, max_size=8)


@given(
    match=st.builds(
        Match, endpoint=PATTERN, rule=PATTERN, severity=PATTERN,
        labels=st.dictionaries(st.text(min_size=1, max_size=4), st.text(min_size=1, max_size=4), max_size=3),
    )
)  # fmt: skip
def test_a_match_comes_out_as_it_went_in(match: Match) -> None:
    assert store.match_of(store.match_to_json(match)) == match


def drill(number: int, state: str, **changes: object) -> Drill:
    at = NOW + timedelta(hours=number)
    values = {
        "id": f"d{number}", "endpoint": "prod", "persona": "misaligned", "origin": "scheduled", "started_at": at,
        "state": state, "finished_at": None if state == "running" else at + timedelta(minutes=1),
        "reason": "hook gave up" if state == "failed" else None,
    }  # fmt: skip
    return Drill(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "spec", "hours", "expected"),
    [
        ([], None, 9, None),
        ([], "P1D", 47, DrillOutcome()),
        ([], "P1D", 49, DrillOutcome(overdue="none has succeeded yet, though they are scheduled (P1D)")),
        (["succeeded"], None, 9, DrillOutcome()),
        (["succeeded", "failed"], None, 9, DrillOutcome(failed="misaligned on prod: hook gave up")),
        (["failed", "succeeded"], None, 9, DrillOutcome()),
        (["failed", "running"], None, 9, DrillOutcome(failed="misaligned on prod: hook gave up")),
        (
            ["succeeded"], "P1D", 72,
            DrillOutcome(
                overdue="none has succeeded since 2026-03-01 12:01 UTC, though they are scheduled (P1D)"
            ),
        ),
    ],
)  # fmt: skip
async def test_how_drills_fare(
    tmp_path: Path, states: list[str], spec: str | None, hours: int, expected: DrillOutcome | None
) -> None:
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            for number, state in enumerate(states):
                await drills.save(session, drill(number, state))
        async with database.read() as session:
            assert await drills.outcome(session, spec, NOW, NOW + timedelta(hours=hours)) == expected


@pytest.mark.parametrize(
    ("spec", "last_h", "now_h", "due"),
    [
        ("P1D", None, 0, True),
        ("P1D", 0, 23, False),
        ("P1D", 0, 24, True),
        ("0 13 * * *", None, 0, False),
        ("0 13 * * *", None, 1, True),
        ("0 13 * * *", 1, 2, False),
        ("0 13 * * *", 1, 25, True),
    ],
)
def test_when_a_scheduled_drill_is_due(spec: str, last_h: int | None, now_h: int, due: bool) -> None:
    last = NOW + timedelta(hours=last_h) if last_h is not None else None
    assert drills.due(spec, last, NOW, NOW + timedelta(hours=now_h)) is due


async def test_a_drill_is_stored_with_what_it_owes_and_forgets_it_once_settled(tmp_path: Path) -> None:
    open_one = drill(0, "running", notifiers=("hook",), owed=notice())
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            await drills.save(session, open_one)
        async with database.read() as session:
            (row,) = await drills.running(session)
        assert drills.drill_of(row) == open_one
        open_one.owed = None
        open_one.succeeded(NOW)
        async with database.write() as session:
            await drills.save(session, open_one)
        async with database.read() as session:
            assert await drills.running(session) == []
            assert await drills.last_success(session) == NOW
            assert await drills.last_scheduled(session) == NOW
