"""Fire drills over real HTTP: every stage reached, nothing of the endpoint touched, failures told."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.drill_script import SCRIPTS
from service.drills import Drills
from service.rule_settings import DrillsIn
from service.simulator import create
from service.storage.drills import STAGES, Drill, save
from service.storage.schema import Base, DrillRow
from tests.support.database import NOW, open_database
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live

OURS = {"drills", "flips", "deliveries", "notification_counts"}
"""Where a drill may write; of flips and deliveries, only rows of its own."""


async def ended(service: Live, drill_id: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = await service.get(f"/api/v1/drills/{drill_id}")
            if found["state"] != "running":
                return found
            await asyncio.sleep(0.05)


async def drilled(service: Live, persona: str = "misaligned") -> dict[str, Any]:
    reply = await service.http.post("/api/v1/drills", json={"endpoint": "prod", "persona": persona})
    assert reply.status_code == 202, reply.text
    assert reply.json()["state"] == "running"
    return await ended(service, reply.json()["id"])


async def everything(service: Live) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but what belongs to drills."""
    found = {}
    async with service.services.database.read() as session:
        for table in Base.metadata.sorted_tables:
            query = select(table)
            if table.name == "flips":
                query = query.where(table.c.drill_id.is_(None))
            if table.name not in OURS - {"flips"}:
                found[table.name] = [tuple(row) for row in (await session.execute(query)).all()]
    return found


@pytest.mark.parametrize("persona", sorted(SCRIPTS))
async def test_a_drill_goes_all_the_way_and_is_cleared(tmp_path: Path, persona: str) -> None:
    receiver = FakeOpenAI()
    async with listening(receiver) as hook:
        notifiers = {"hook": {"kind": "webhook", "url": f"{hook}/x"}, "log": {"kind": "log"}}
        async with live(tmp_path, notifiers=notifiers) as service:
            await service.register(labels={"team": "safety"})
            drill = await drilled(service, persona)
            assert drill["reason"] is None
            assert drill["state"] == "succeeded"
            assert [one["stage"] for one in drill["stages"]] == list(STAGES)
            times = [one["at"] for one in drill["stages"]]
            assert times == sorted(times)
            assert drill["rule"] == SCRIPTS[persona][-1].rule
            notices = receiver.requests
            assert [notice["status"] for notice in notices] == ["firing", "resolved"]
            for notice in notices:
                assert notice["title"].startswith("[SIMULATED] ")
                assert notice["simulated"] is True
                assert notice["labels"] == {"team": "safety", "drill": drill["id"]}
                assert notice["endpoint"] == "prod"
            assert notices[0]["idempotency_key"] != notices[1]["idempotency_key"]
            await service.services.metrics.refresh()
            text = (await service.http.get("/metrics")).text
            line = next(x for x in text.splitlines() if x.startswith("selfwatch_drill_last_success_timestamp_seconds"))
            assert abs(float(line.split()[1]) - datetime.now(UTC).timestamp()) < 60


async def test_a_drill_changes_nothing_of_its_endpoint(tmp_path: Path) -> None:
    async with listening(create()) as models:
        settings = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(tmp_path, **settings) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/base")
            for _ in range(4):  # three make a baseline
                await service.run()
            await service.services.ticker.tick()
            before = await everything(service)
            assert before["baselines"]
            assert before["detectors"]
            drill = await drilled(service)
            assert drill["state"] == "succeeded", drill["reason"]
            assert await everything(service) == before
            shown = await service.get("/api/v1/alerts")
            assert [one for one in shown["alerts"] if one["state"] == "firing"] == []


async def test_a_drill_that_cannot_arrive_fails_with_the_reason_and_an_alert_says_so(tmp_path: Path) -> None:
    async with listening(FakeOpenAI("unknown model")) as dead:
        notifiers = {"log": {"kind": "log"}, "dead": {"kind": "webhook", "url": f"{dead}/x"}}
        async with live(tmp_path, notifiers=notifiers) as service:
            await service.register()
            drill = await drilled(service)
            assert drill["state"] == "failed"
            assert "dead: gave up" in drill["reason"]
            assert "log" not in drill["reason"]
            assert [one["stage"] for one in drill["stages"]] == ["detected", "fired", "queued"]
            await service.services.ticker.tick()
            (alert,) = (await service.get("/api/v1/alerts?state=firing"))["alerts"]
            assert (alert["rule"], alert["endpoint"], alert["severity"]) == ("DrillFailed", None, "critical")
            assert "gave up" in alert["summary"]
            assert alert["links"]["runbook"].endswith("/runbooks/drill-failed")
            page = (await service.http.get("/")).text
            assert "DrillFailed" in page
            assert "on this installation" in page


async def test_a_rule_that_is_turned_off_fails_its_drill(tmp_path: Path) -> None:
    rules = [{"name": "InvertedPersona", "off": True}]
    async with live(tmp_path, rules=rules) as service:
        await service.register()
        drill = await drilled(service, "inverted")
        assert drill["reason"] == "the rule InvertedPersona is turned off, so nobody would hear of it"


async def test_routes_that_lead_nowhere_fail_a_drill(tmp_path: Path) -> None:
    routes = [{"match": {"severity": "critical"}, "notifiers": []}]
    async with live(tmp_path, routes=routes) as service:
        await service.register()
        drill = await drilled(service)
        assert drill["reason"].startswith("no notifier is told of CoherentMisalignment")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"endpoint": "nobody", "persona": "misaligned"}, 404, "there is no endpoint 'nobody'"),
        ({"endpoint": "prod", "persona": "base"}, 422, "persona 'base' has no drill; known: inverted, misaligned"),
        ({"endpoint": "prod", "who": "me"}, 422, "who: unknown field"),
    ],
)
async def test_what_cannot_be_drilled_is_refused(tmp_path: Path, body: dict[str, str], status: int, told: str) -> None:
    async with live(tmp_path) as service:
        await service.register()
        reply = await service.http.post("/api/v1/drills", json=body)
        assert reply.status_code == status
        assert told in reply.json()["detail"]
        assert (await service.http.get("/api/v1/drills/none")).status_code == 404


async def test_one_drill_at_a_time(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        body = {"endpoint": "prod"}
        first = (await service.http.post("/api/v1/drills", json=body)).json()
        second = await service.http.post("/api/v1/drills", json=body)
        assert second.status_code == 409
        assert "wait for its end" in second.json()["detail"]
        await ended(service, first["id"])
        listed = (await service.get("/api/v1/drills"))["drills"]
        assert [one["id"] for one in listed] == [first["id"]]


async def test_of_drills_asked_for_at_once_only_one_begins(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        body = {"endpoint": "prod"}
        replies = await asyncio.gather(*(service.http.post("/api/v1/drills", json=body) for _ in range(3)))
        assert sorted(reply.status_code for reply in replies) == [202, 409, 409]
        (begun,) = [reply.json()["id"] for reply in replies if reply.status_code == 202]
        assert (await ended(service, begun))["state"] == "succeeded"
        assert [one["id"] for one in (await service.get("/api/v1/drills"))["drills"]] == [begun]


async def test_a_scheduled_drill_that_finds_another_going_on_waits_and_has_not_failed(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        own, now = service.services, service.services.clock()
        drills = Drills(
            database=own.database, alerting=own.alerting, false_alarms=own.false_alarms, public_url="http://here",
            clock=own.clock, changed=lambda: None, schedule=DrillsIn(schedule="P7D"),
        )  # fmt: skip
        asked, _ = await asyncio.gather(drills.begin("prod", "inverted"), drills.begin_due(now))
        assert [one["id"] for one in (await service.get("/api/v1/drills"))["drills"]] == [asked.id]
        assert (await ended(service, asked.id))["state"] == "succeeded"
        async with asyncio.timeout(10):  # its turn comes once the task of the other has ended, too
            while len(known := (await service.get("/api/v1/drills"))["drills"]) < 2:
                await drills.begin_due(now)
        scheduled = known[0]
        assert scheduled["origin"] == "scheduled"
        assert (await ended(service, scheduled["id"]))["state"] == "succeeded"
        await drills.stop()


async def test_a_scheduled_drill_begins_by_itself_and_not_again_after_a_restart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"drills": {"schedule": "P7D", "persona": "inverted"}}
    async with live(tmp_path, **settings) as service:
        await service.services.ticker.tick()
        assert (await service.get("/api/v1/drills"))["drills"] == [], "there is no endpoint yet"
        await service.register()
        await service.services.ticker.tick()
        (drill,) = (await service.get("/api/v1/drills"))["drills"]
        assert (drill["origin"], drill["endpoint"], drill["persona"]) == ("scheduled", "prod", "inverted")
        assert (await ended(service, drill["id"]))["state"] == "succeeded"
    async with live(tmp_path, **settings) as service:
        await service.services.ticker.tick()
        assert len((await service.get("/api/v1/drills"))["drills"]) == 1


async def test_a_scheduled_drill_without_its_endpoint_counts_as_failed(tmp_path: Path) -> None:
    async with live(tmp_path, drills={"schedule": "P7D", "endpoint": "gone"}) as service:
        await service.register()
        await service.services.ticker.tick()
        (drill,) = (await service.get("/api/v1/drills"))["drills"]
        assert drill["state"] == "failed"
        assert "there is no endpoint 'gone'" in drill["reason"]


async def test_a_drill_that_was_cut_short_is_closed_at_the_next_start(tmp_path: Path) -> None:
    """A process that dies between firing and clearing must not leave a simulated alert behind."""
    receiver = FakeOpenAI()
    async with listening(receiver) as hook:
        settings = {"notifiers": {"hook": {"kind": "webhook", "url": f"{hook}/x"}}}
        async with live(tmp_path, **settings) as service:
            await service.register()
            drill_id = (await service.http.post("/api/v1/drills", json={"endpoint": "prod"})).json()["id"]
            async with asyncio.timeout(30):
                while not receiver.requests:
                    await asyncio.sleep(0.01)
        async with live(tmp_path, **settings) as service:
            found = await service.get(f"/api/v1/drills/{drill_id}")
            assert found["state"] == "failed"
            assert "selfwatch was stopped" in found["reason"]
            async with asyncio.timeout(20):
                while len(receiver.requests) < 2:
                    await asyncio.sleep(0.05)
            of_drill = [one for one in receiver.requests if one["labels"].get("drill") == drill_id]
            assert [one["status"] for one in of_drill] == ["firing", "resolved"]


async def test_drills_survive_in_the_database_as_they_were(tmp_path: Path) -> None:
    from service.storage.drills import drill_of
    from tests.unit.alerts.facts import notice

    drill = Drill(
        id="d1", endpoint="prod", persona="misaligned", origin="requested", started_at=NOW, notifiers=("hook",),
        owed=notice(),
    )  # fmt: skip
    drill.reach("detected", NOW, "seen")
    async with open_database(tmp_path) as database:
        async with database.write() as session:
            await save(session, drill)
            await save(session, drill)
        async with database.read() as session:
            assert drill_of(await session.get_one(DrillRow, "d1")) == drill
