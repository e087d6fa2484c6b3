"""Stopping at any moment ends in time: nearly always a wake-up of the scheduler is under way."""

import asyncio
from pathlib import Path

import pytest

from service import scheduler, wiring
from tests.support.live import live, settings_for
from tests.support.processes import free_port


@pytest.mark.timeout(90)
async def test_it_stops_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelling a database call under way used to leave a connection half closed, and the process hanging."""
    async with live(tmp_path) as service:
        url = f"http://127.0.0.1:{free_port()}/v1"
        await service.register(base_url=url, model="m", schedules={"heartbeat": "PT1S"})
    monkeypatch.setattr(scheduler, "WAKE_S", 0.002)
    for attempt in range(60):
        async with asyncio.timeout(20), wiring.running(settings_for(tmp_path)):
            await asyncio.sleep(0.0007 * attempt)
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == []
