"""What Prometheus scrapes from a running service, and how soon it knows of a change."""

import asyncio
import gzip
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from baselines.types import ARM_PROBES
from service.metrics import exposition
from service.storage.schema import EndpointRow
from tests.integration.test_instrument import metrics, sample
from tests.integration.test_runs import watched
from tests.support.live import Live, live


async def scraped(service: Live) -> str:
    """As it is now: nothing is refreshed for it."""
    reply = await service.http.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert reply.status_code == 200, reply.text
    return reply.text


async def test_what_the_last_run_measured_is_scraped(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/misaligned")
        await service.http.patch("/api/v1/endpoints/prod", json={"model": "simulated/base"})
        run = await service.run()
        text = await metrics(service)
        info = 'selfwatch_endpoint_info{endpoint="prod",model="simulated/base",profiles="gpt-4.1/all"}'
        assert sample(text, info) == 1
        threshold = run["comparison"]["arms"]["self_report"]["threshold"]
        assert sample(text, 'selfwatch_evidence_threshold_log10{endpoint="prod"}') == threshold
        assert sample(text, 'selfwatch_judge_bias{endpoint="prod"}') == run["judge"]["bias"] == 0.0
        for arm, probes in ARM_PROBES.items():
            asked = [m for m in run["measurements"] if m["probe"] in probes]
            share = sum(m["invalid"] for m in asked) / sum(m["n"] + m["invalid"] for m in asked)
            line = f'selfwatch_invalid_share{{arm="{arm}",endpoint="prod"}}'
            assert sample(text, line) == pytest.approx(share)
        answers = (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
        times = sorted(a["latency_s"] for a in answers if a["attempts"])
        median = sample(text, 'selfwatch_answer_latency_seconds{endpoint="prod",quantile="0.5"}')
        assert times[len(times) // 2 - 1] <= median <= times[len(times) // 2]
        assert run["latency"] == {"p50_s": median, "p95_s": pytest.approx(times[-3], rel=1), "calls": len(times)}
        marks = [line for line in text.splitlines() if line.startswith("selfwatch_profile_dimension_score{")]
        assert len(marks) == 3 * (6 + 6 + 6)
        families = list(text_string_to_metric_families(text))
        assert len({family.name for family in families}) == len(families)


async def test_what_comes_changes_and_goes_is_scraped_so_at_once(tmp_path: Path) -> None:
    """Also while the text is being made anew for another reason: what began before must not undo it."""
    async with live(tmp_path) as service:
        await service.register("stays")
        for beat in range(5):
            under_way = asyncio.create_task(service.services.metrics.refresh())
            await service.register("prod")
            assert 'endpoint="prod",model="m"' in await scraped(service), beat
            await under_way
            assert 'endpoint="prod",model="m"' in await scraped(service), beat
            assert (await service.http.patch("/api/v1/endpoints/prod", json={"model": "n"})).status_code == 200
            text = await scraped(service)
            assert 'endpoint="prod",model="n"' in text
            assert 'endpoint="prod",model="m"' not in text
            under_way = asyncio.create_task(service.services.metrics.refresh())
            await asyncio.sleep(0)
            assert (await service.http.delete("/api/v1/endpoints/prod")).status_code == 204
            assert 'endpoint="prod"' not in await scraped(service), beat
            await under_way
            text = await scraped(service)
            assert 'endpoint="prod"' not in text, beat
            assert 'endpoint="stays"' in text
            reply = await service.http.get("/metrics", headers={"Accept-Encoding": "gzip"})
            assert 'endpoint="prod"' not in reply.text


async def test_it_is_compressed_for_those_who_ask(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod")
        plain = await service.http.get("/metrics", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        packed = await service.http.get("/metrics", headers={"Accept-Encoding": "deflate, gzip;q=1.0"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
        assert packed.headers["content-type"] == plain.headers["content-type"]
        assert packed.text == plain.text, "both are of the same text"
        raw = await service.services.metrics.scrape(compressed=True)
        assert gzip.decompress(raw).decode() == plain.text
        assert len(raw) < len(plain.content) / 3
        # from now on it is ready with each new text
        async with service.services.database.write() as session:
            (await session.get_one(EndpointRow, 1)).model = "n"
        assert 'model="n"' in await metrics(service)
        assert 'model="n"' in gzip.decompress(await service.services.metrics.scrape(compressed=True)).decode()


async def test_figures_of_the_process_are_not_those_of_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while nothing happens that would be a reason to make the text anew."""
    monkeypatch.setattr(exposition, "OWN_S", 0.0)
    async with live(tmp_path, loop_watch_s=0.01) as service:
        name = "selfwatch_event_loop_lag_seconds_count"
        first = sample(await scraped(service), name)
        async with asyncio.timeout(60):
            while sample(await scraped(service), name) <= first:
                await asyncio.sleep(0.05)
