"""What a user sees of retention: in the API, on the page, in replay, in metrics; and `selfwatch db vacuum`."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service import replay, retention
from service.cli import app
from service.retention import Retention
from service.simulator import create
from tests.support.live import Live, listening, live, settings_for
from tests.support.processes import environment, free_port, selfwatch, wait_for


async def tidied(service: Live, days: int) -> None:
    """As the service itself would have done it after `days`."""
    made = Retention(
        database=service.services.database, settings=service.services.settings, changed=service.services.changed,
        clock=lambda: datetime.now(UTC) + timedelta(days=days), pause_s=0.0,
    )  # fmt: skip
    await made.tidy()


async def test_what_was_removed_is_shown_as_removed(tmp_path: Path) -> None:
    async with listening(create()) as simulator, live(tmp_path) as service:
        await service.register(base_url=f"{simulator}/v1", model="simulated/base")
        run = await service.run()
        path = f"/api/v1/runs/{run['id']}"
        before = (await service.get(f"{path}/answers?limit=1000"))["answers"]
        assert run["removed"] is None
        assert {one["reply_removed"] for one in before} == {False}

        await tidied(service, 31)
        found = await service.get(f"{path}/answers?limit=1000")
        assert found["removed"]["what"] == "replies"
        assert {one["reply"] for one in found["answers"]} == {None}
        assert {one["reply_removed"] for one in found["answers"]} == {True}
        kept = [{k: v for k, v in one.items() if not k.startswith("reply")} for one in before]
        assert kept == [{k: v for k, v in one.items() if not k.startswith("reply")} for one in found["answers"]]
        page = (await service.http.get(f"/runs/{run['id']}")).text
        assert "The replies of this run were removed by retention on" in page
        assert (await replay.replay(service.services.settings, run["id"])).identical  # scores are all that it takes

        await tidied(service, 91)
        assert (await service.get(f"{path}/answers"))["answers"] == []
        after = await service.get(path)
        assert after["removed"]["what"] == "answers"
        assert after | {"removed": None} == run
        assert "The single answers of this run were removed" in (await service.http.get(f"/runs/{run['id']}")).text
        with pytest.raises(replay.ReplayError, match="retention removed them on"):
            await replay.replay(service.services.settings, run["id"])
        refused = await service.http.put("/api/v1/endpoints/prod/baseline", json={"runs": [run["id"]]})
        assert refused.status_code == 422
        assert "removed by retention" in refused.json()["detail"]


async def test_a_running_service_tidies_and_tells_it_in_its_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_S", 0.0)
    monkeypatch.setattr(retention, "EVERY_S", 0.2)
    monkeypatch.setattr(Retention.start, "__defaults__", (0.0,))
    async with listening(create()) as simulator, live(tmp_path, retention_mb=0.001) as service:
        await service.register(base_url=f"{simulator}/v1", model="simulated/base")
        await service.run()
        async with asyncio.timeout(20):
            while 'selfwatch_retention_removed_rows_total{what="replies"} 30.0' not in (
                text := (await service.http.get("/metrics")).text
            ):
                await asyncio.sleep(0.1)
        assert "selfwatch_retention_last_run_successful 1.0" in text
        assert 'selfwatch_database_bytes{part="file"}' in text


def test_vacuum_refuses_while_a_service_holds_the_database(tmp_path: Path) -> None:
    data, log, port = tmp_path / "data", tmp_path / "log", free_port()
    env = {"SELFWATCH_DATA_DIR": str(data)}
    runner = CliRunner()
    with selfwatch("serve", "--port", str(port), log=log, env=environment(**env)) as process:
        wait_for(f"http://127.0.0.1:{port}/readyz", process, log)
        done = runner.invoke(app, ["db", "vacuum"], env=env)
        assert done.exit_code == 2
        assert "stop the service" in done.output
        process.terminate()
        process.wait(10)
    done = runner.invoke(app, ["db", "vacuum"], env=env)
    assert done.exit_code == 0, done.output
    assert "MB now" in done.output


@pytest.mark.parametrize("name", ["retention_days", "retention_answers_days", "retention_mb", "event_streams"])
def test_nonsense_is_refused(tmp_path: Path, name: str) -> None:
    from service.settings import ConfigError

    with pytest.raises(ConfigError, match=name):
        settings_for(tmp_path, **{name: 0})
