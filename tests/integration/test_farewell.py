"""An endpoint is deleted: what waits is still sent, and whoever was told that it fires hears that nobody looks."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from baselines.types import Verdict
from service.storage.schema import AlertRow, DeliveryRow, EndpointRow, FlipRow
from tests.support.events import reading
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live
from tests.unit.alerts.facts import both, facts

HARM: dict[str, Any] = {"verdict": Verdict.BEHAVIOUR_SHIFT, "arms": both(behaviour=True)}


async def run(service: Live, run_id: str = "r1", **changes: Any) -> None:
    """A run of `prod` has ended."""
    own = service.services
    async with own.database.write() as session:
        row = await session.scalar(select(EndpointRow).where(EndpointRow.name == "prod"))
        assert row is not None
        seen = facts(**{"endpoint": "prod", "run_id": run_id, "at": own.clock(), "labels": row.labels} | changes)
        await own.alerting.evaluate(session, row, seen)


async def told(receiver: FakeOpenAI, count: int) -> list[Any]:
    """What the receiver was asked to take, once there are `count`, or after ten seconds."""
    for _ in range(200):
        if len(receiver.requests) >= count:
            break
        await asyncio.sleep(0.05)
    return receiver.requests


async def stored(service: Live, table: Any) -> list[Any]:
    async with service.services.database.read() as session:
        return list(await session.scalars(select(table)))


async def delete(service: Live) -> None:
    assert (await service.http.delete("/api/v1/endpoints/prod")).status_code == 204


def hooks(**urls: str) -> dict[str, Any]:
    return {name: {"kind": "webhook", "url": f"{url}/x"} for name, url in urls.items()}


async def test_who_was_told_of_the_firing_hears_that_the_endpoint_is_gone(tmp_path: Path) -> None:
    receiver = FakeOpenAI()
    async with listening(receiver) as hook, live(tmp_path, notifiers=hooks(hook=hook)) as service:
        await service.register(labels={"team": "safety"})
        await run(service, **HARM)
        (firing,) = await told(receiver, 1)
        changed = await service.http.patch("/api/v1/endpoints/prod", json={"labels": {"team": "other"}})
        assert changed.status_code == 200
        await delete(service)
        assert len(await told(receiver, 2)) == 2
        resolved = receiver.requests[1]
        assert [resolved[name] for name in ("status", "rule", "endpoint")] == ["resolved", "BehaviourDrift", "prod"]
        assert resolved["labels"] == firing["labels"] == {"team": "safety"}, "by these the receiver knows it"
        assert resolved["since"] == firing["since"]
        assert resolved["idempotency_key"] != firing["idempotency_key"]
        assert resolved["title"] == "RESOLVED BehaviourDrift: prod (endpoint deleted)"
        assert "does not say that all is well" in resolved["text"]
        assert list(resolved["links"]) == ["runbook"]
        assert await stored(service, AlertRow) == []


async def test_alertmanager_is_told_the_end_under_the_labels_of_the_firing(tmp_path: Path) -> None:
    receiver = FakeOpenAI()
    async with listening(receiver) as am, live(tmp_path, notifiers={"am": {"kind": "alertmanager", "urls": [am]}}) as s:
        await s.register(labels={"team": "safety"})
        await run(s, **HARM)
        await told(receiver, 1)
        await delete(s)
        (firing,), (resolved,) = await told(receiver, 2)
        assert resolved["labels"] == firing["labels"]
        assert (
            datetime.fromisoformat(resolved["endsAt"]) <= datetime.now(UTC) < datetime.fromisoformat(firing["endsAt"])
        )


async def test_what_had_not_arrived_is_still_sent_and_in_order(tmp_path: Path) -> None:
    receiver, other = FakeOpenAI("500"), FakeOpenAI()
    receiver.failures_left = 10**6
    async with (
        listening(receiver) as hook,
        listening(other) as there,
        live(tmp_path, notifiers=hooks(hook=hook, there=there)) as service,
    ):
        await service.register()
        await run(service, **HARM)
        await told(receiver, 1)
        await told(other, 1)
        await delete(service)
        waiting = (await service.get("/api/v1/deliveries?state=pending&notifier=hook&endpoint=prod"))["deliveries"]
        assert [(one["status"], one["endpoint"]) for one in reversed(waiting)] == [
            ("firing", "prod"), ("resolved", "prod"),
        ]  # fmt: skip
        receiver.mode = "ok"
        receiver.requests.clear()
        assert [one["status"] for one in await told(receiver, 2)] == ["firing", "resolved"]
        assert [one["status"] for one in await told(other, 2)] == ["firing", "resolved"]


async def test_nobody_hears_of_the_end_of_what_was_not_told(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        body = {"match": {"rule": "BehaviourDrift"}, "duration": "PT2H", "comment": "known", "who": "kim"}
        assert (await service.http.post("/api/v1/silences", json=body)).status_code == 201
        await run(service, **HARM)
        assert {row.rule: row.state for row in await stored(service, AlertRow)}["BehaviourDrift"] == "firing"
        await delete(service)
        assert await stored(service, DeliveryRow) == []
        assert await stored(service, FlipRow) == []


async def test_a_silence_does_not_hold_the_end_back(tmp_path: Path) -> None:
    receiver = FakeOpenAI()
    async with listening(receiver) as hook, live(tmp_path, notifiers=hooks(hook=hook)) as service:
        await service.register()
        await run(service, **HARM)
        await told(receiver, 1)
        body = {"match": {"endpoint": "prod"}, "duration": "PT2H", "comment": "known", "who": "kim"}
        assert (await service.http.post("/api/v1/silences", json=body)).status_code == 201
        await delete(service)
        assert [one["status"] for one in await told(receiver, 2)] == ["firing", "resolved"]


async def test_what_is_under_way_is_not_settled_as_another(tmp_path: Path) -> None:
    """The firing is being sent while its endpoint is deleted; SQLite gives a deleted row's number to the next."""
    receiver = FakeOpenAI()
    receiver.latency_s = 2.0
    async with listening(receiver) as hook, live(tmp_path, notifiers=hooks(hook=hook)) as service:
        await service.register()
        await run(service, **HARM)
        await told(receiver, 1)
        await delete(service)
        receiver.latency_s = 0.0
        assert [one["status"] for one in await told(receiver, 2)] == ["firing", "resolved"]


async def test_one_of_the_same_name_begins_anew(tmp_path: Path) -> None:
    receiver = FakeOpenAI()
    async with listening(receiver) as hook, live(tmp_path, notifiers=hooks(hook=hook)) as service:
        for number in (1, 2):
            await service.register()
            await run(service, f"r{number}", **HARM)
            await told(receiver, 2 * number - 1)
            await delete(service)
            await told(receiver, 2 * number)
        assert [one["status"] for one in receiver.requests] == ["firing", "resolved"] * 2
        assert len({one["idempotency_key"] for one in receiver.requests}) == 4


async def test_the_end_is_told_to_those_who_follow_the_events(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        async with reading(service.url) as reader:
            await run(service, **HARM)
            await delete(service)
            flip = await reader.until("flip", deadline_s=10, rule="BehaviourDrift", after="resolved")
        assert (flip.data["endpoint"], flip.data["before"], flip.data["run"]) == ("prod", "firing", None)
