"""GET /api/v1/system and its page: what is well, what needs a look, and what to do."""

from datetime import timedelta
from pathlib import Path

from service import wiring
from service.simulator import create
from service.storage.schema import DeliveryRow, FlipRow, RunRow
from tests.support.database import NOW
from tests.support.live import listening, live
from tests.support.profiles import document


async def test_a_service_without_a_judge_says_what_to_do(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        found = await service.get("/api/v1/system")
        assert found["status"] == "look at this"
        checks = found["checks"]
        assert checks["judge"]["status"] == "look at this"
        assert "SELFWATCH_JUDGE_BASE_URL" in checks["judge"]["todo"]
        assert checks["drill"]["told"] == "none has been held"
        well = ("process", "database", "queue", "network", "notifier log", "event_streams", "memory", "configuration")
        assert {name: checks[name]["status"] for name in well} == dict.fromkeys(well, "ok")
        assert checks["database"]["up"] is True
        assert checks["database"]["used_bytes"] > 100_000
        assert checks["process"]["version"] == "0.1.0"
        assert checks["memory"]["resident_bytes"] > 10_000_000
        assert checks["configuration"]["file"] is None
        page = (await service.http.get("/system")).text
        assert f"of {len(checks)} parts need a look" in page
        assert "SELFWATCH_JUDGE_BASE_URL" in page


async def test_what_was_given_up_and_what_waits_too_long_is_told(tmp_path: Path) -> None:
    async with (
        listening(create()) as models,
        live(tmp_path, judge_base_url=f"{models}/v1", judge_model="simulated/judge") as service,
    ):
        await service.register(base_url=f"{models}/v1", model="simulated/base")
        await service.run()
        await service.http.post("/api/v1/endpoints/prod/pause")
        now = wiring.now()
        flip = FlipRow(
            id="f", rule="EndpointDown", severity="warning", before="inactive", after="firing", at=NOW, run_id=""
        )
        run = RunRow(
            id="waits", endpoint_id=1, plan="heartbeat", slot="x", seed=1, banks_hash="h", state="queued", total=1,
            paused=True, created_at=now - timedelta(hours=1),
        )  # fmt: skip
        async with service.services.database.write() as session:
            session.add_all([flip, run])
            await session.flush()
            session.add(
                DeliveryRow(
                    flip_id="f", notifier="log", lane="log/x", notice={"title": "t"}, state="dead", next_at=now,
                    last_error="HTTP 404", dead_at=now,
                )
            )  # fmt: skip
        checks = (await service.get("/api/v1/system"))["checks"]
        assert checks["judge"]["status"] == "ok"
        assert checks["judge"]["agreement"] > 0.9
        assert checks["notifier log"]["dead"] == 1
        assert "/alerts/deliveries" in checks["notifier log"]["todo"]
        assert checks["queue"]["queued"] == 1
        assert "raise `workers`" in checks["queue"]["todo"]


async def test_the_page_works_while_the_database_is_away(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        file = tmp_path / "data" / "selfwatch.db"
        file.rename(tmp_path / "moved.db")
        try:
            checks = (await service.get("/api/v1/system"))["checks"]
            page = (await service.http.get("/system")).text
        finally:
            (tmp_path / "moved.db").rename(file)
        assert checks["database"]["up"] is False
        assert "Look at the disk" in checks["database"]["todo"]
        assert "cannot be used" in page
        assert (await service.http.post("/api/v1/profiles", json=document())).status_code == 201
