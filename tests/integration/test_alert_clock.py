"""Alerts that no run has caused are events and metrics as well; and another policy is adopted while it runs."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.alert_policy import policy_of
from service.alert_review import review
from service.settings import load
from service.storage.drills import Drill, save
from service.ticker import TICK_S
from tests.support.live import Live, live


async def failed_drill(service: Live) -> None:
    """What DrillFailed goes by."""
    now = datetime.now(UTC)
    drill = Drill(id="d1", endpoint="prod", persona="misaligned", origin="requested", started_at=now)
    drill.failed("hook: gave up", now)
    async with service.services.database.write() as session:
        await save(session, drill)


async def test_a_flip_by_the_clock_is_an_event_and_a_metric_without_an_endpoint(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        seen: list[dict[str, Any]] = []

        async def listen() -> None:
            async with service.http.stream("GET", "/api/v1/events?kind=flip") as stream:
                async for line in stream.aiter_lines():
                    told = line.partition("data:")[2]
                    seen.extend([json.loads(told)] if told else [])

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        await failed_drill(service)
        service.services.ticker.wake()
        async with asyncio.timeout(2 * TICK_S):
            while not seen:
                await asyncio.sleep(0.05)
        listening.cancel()
        assert (seen[0]["rule"], seen[0]["endpoint"], seen[0]["run"]) == ("DrillFailed", None, None)
        assert (seen[0]["before"], seen[0]["after"]) == ("inactive", "firing")
        await service.services.metrics.refresh()
        text = (await service.http.get("/metrics")).text
        assert 'selfwatch_alert_state{endpoint="",rule="DrillFailed",severity="critical"} 2.0' in text
        assert "selfwatch_drill_last_success_timestamp_seconds" not in text, "none has succeeded"


async def test_a_policy_is_adopted_while_it_runs(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await failed_drill(service)
        await service.services.ticker.tick()
        assert (await service.get("/api/v1/alerts?state=firing"))["alerts"][0]["severity"] == "critical"
        rules = [
            {"name": "DrillFailed", "off": True},
            {"name": "Mine", "when": [{"metric": "invalid_share", "above": 1}]},
        ]
        alerting = service.services.alerting
        alerting.adopt(policy_of(load(None, rules=rules), tuple(alerting.policy.notifiers)))
        assert await review(service.services.database, alerting, datetime.now(UTC)) == 0, "no endpoint has a run"
        await service.services.ticker.tick()
        (alert,) = (await service.get("/api/v1/alerts"))["alerts"]
        assert (alert["rule"], alert["state"], alert["links"]["runbook"]) == ("DrillFailed", "resolved", None)
        names = {one["name"] for one in (await service.get("/api/v1/rules"))["rules"]}
        assert "Mine" in names
        assert "DrillFailed" not in names
