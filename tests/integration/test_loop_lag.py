"""A running service tells how late its event loop is."""

import time
from pathlib import Path

from tests.integration.test_instrument import metrics, sample
from tests.support.live import live


async def test_a_running_service_tells_how_late_its_loop_is(tmp_path: Path) -> None:
    async with live(tmp_path, loop_watch_s=0.002) as service:
        time.sleep(0.3)  # what must never happen
        await service.get("/api/v1/endpoints")
        text = await metrics(service)
        assert sample(text, "selfwatch_event_loop_lag_max_seconds") > 0.25
        looks = sample(text, "selfwatch_event_loop_lag_seconds_count")
        upto_250_ms = sample(text, 'selfwatch_event_loop_lag_seconds_bucket{le="0.25"}')
        assert upto_250_ms < looks  # by more than one where the machine is crowded
