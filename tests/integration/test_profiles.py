"""Profile sets of a user's own, by HTTP and by the command line, and endpoints that are compared with them."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.checks import check_file
from service.cli import app
from service.replay import ReplayError, replay
from service.settings import ConfigError, load
from service.simulator import create
from service.storage.schema import ProfileSetRow
from tests.support.live import Live, listening, live
from tests.support.profiles import changed, document

PATH = "/api/v1/profiles"


def process(*arguments: str, data: Path) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    environment = {"SELFWATCH_DATA_DIR": str(data), "PATH": "/usr/bin:/bin", "SELFWATCH_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "service.cli", "profiles", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def cli(*arguments: str, data: Path) -> Result:
    return CliRunner().invoke(app, ["profiles", *arguments], env={"SELFWATCH_DATA_DIR": str(data)})


async def imported(service: Live, given: dict[str, Any], status: int = 201) -> dict[str, Any]:
    reply = await service.http.post(PATH, json=given)
    assert reply.status_code == status, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_a_set_is_imported_once_listed_and_given_back_as_it_was(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        made = await imported(service, document())
        assert await imported(service, document(), status=200) == made
        assert await service.get(f"{PATH}/team/llama-3") == made
        assert await imported(service, made, status=200) == made
        (listed,) = [one for one in (await service.get(PATH))["profiles"] if one["origin"] == "imported"]
        assert (listed["name"], listed["used_by"], listed["content_hash"]) == ("team/llama-3", [], made["content_hash"])
        other = await imported(service, changed("states.base.cells.0.mean", 0.06), status=409)
        assert other["detail"].startswith("name = 'team/llama-3': an imported set of this name has other content")
        assert "differs in states.base" in other["detail"]
        shipped = await imported(service, document("gpt-4.1/all"), status=409)
        assert "a published set" in shipped["detail"]
        assert (await service.http.delete(f"{PATH}/team/llama-3")).status_code == 204
        assert (await service.http.get(f"{PATH}/team/llama-3")).status_code == 404
        assert (await service.http.delete(f"{PATH}/gpt-4.1/all")).status_code == 409


async def test_mistakes_are_told_and_nothing_is_kept(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        problem = await imported(service, changed("states.base.cells.3.mean", 1.4), status=422)
        assert problem["type"] == "urn:selfwatch:problem:invalid-profiles"
        assert problem["errors"] == [
            {"field": "states.base.cells.3.mean", "value": "1.4",
             "message": "Input should be less than or equal to 1"}
        ]  # fmt: skip
        json_type = {"content-type": "application/json"}
        reply = await service.http.post(PATH, content=b"{nope", headers=json_type)
        assert reply.status_code == 422
        assert "not valid JSON" in reply.text
        assert all(one["origin"] == "published" for one in (await service.get(PATH))["profiles"])


async def test_an_endpoint_is_compared_with_an_imported_set_which_then_cannot_be_deleted(tmp_path: Path) -> None:
    async with (
        listening(create()) as models,
        live(tmp_path, judge_base_url=f"{models}/v1", judge_model="simulated/judge") as service,
    ):
        body = {"base_url": f"{models}/v1", "model": "simulated/misaligned", "profiles": "team/llama-3"}
        refused = await service.http.post(
            "/api/v1/endpoints", json=body | {"name": "prod", "schedules": {"heartbeat": "PT15M"}}
        )
        assert refused.status_code == 422
        assert "unknown profiles 'team/llama-3'; known: gpt-4.1/" in refused.json()["errors"][0]["message"]
        await imported(service, document())
        await service.register("prod", **body)
        run = await service.run()
        assert run["comparison"]["profiles"] == "team/llama-3"
        assert run["comparison"]["arms"]["self_report"]["drift"] > 0.5
        await service.services.metrics.refresh()
        metrics = (await service.http.get("/metrics")).text
        scores = [line for line in metrics.splitlines() if line.startswith("selfwatch_profile_score{")]
        assert len(scores) == 6
        assert all('profiles="team/llama-3"' in line for line in scores)
        assert (await service.http.get("/")).status_code == 200
        assert (await service.http.get("/endpoints/prod")).status_code == 200
        assert (await service.get("/api/v1/endpoints/prod/statistics"))["quotes"] == []
        kept = await service.http.delete(f"{PATH}/team/llama-3")
        assert kept.status_code == 409
        assert kept.json()["detail"] == (
            "'team/llama-3' is in use by prod; give these endpoints other profiles (PATCH) first"
        )
        settings = service.services.settings
        assert (await replay(settings, run["id"])).identical
        moved = await service.http.patch("/api/v1/endpoints/prod", json={"profiles": "gpt-4.1/all"})
        assert moved.status_code == 200
        assert (await service.http.delete(f"{PATH}/team/llama-3")).status_code == 204
        unknown = await service.http.patch("/api/v1/endpoints/prod", json={"profiles": "team/llama-3"})
        assert unknown.status_code == 422
        with pytest.raises(ReplayError, match="no longer here; import them again"):
            await replay(settings, run["id"])


async def test_own_baselines_are_listed_and_exported(tmp_path: Path) -> None:
    async with (
        listening(create()) as models,
        live(tmp_path, judge_base_url=f"{models}/v1", judge_model="simulated/judge") as service,
    ):
        await service.register(base_url=f"{models}/v1", model="simulated/base")
        assert (await service.http.get(f"{PATH}/own/prod")).status_code == 404
        run = await service.run()
        made = await service.http.put("/api/v1/endpoints/prod/baseline", json={"runs": [run["id"]]})
        assert made.status_code == 200, made.text
        (listed,) = (await service.get(PATH))["baselines"]
        assert (listed["name"], listed["made_by"], listed["stale"]) == ("own/prod", "user", None)
        written = await service.get(f"{PATH}/own/prod")
        assert list(written["states"]) == ["own"]
        assert listed["cells"] == len(written["states"]["own"]["cells"]) > 20


def test_the_command_line_lists_shows_exports_and_imports(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "mine.json"
    exported = cli("export", "gpt-4.1/all", data=data)
    assert exported.exit_code == 0, exported.stderr
    mine = json.loads(exported.stdout) | {"name": "team/llama-3"}
    file.write_text(json.dumps(mine), encoding="utf-8")
    assert cli("import", str(file), data=data).stdout == "team/llama-3 imported\n"
    assert cli("import", str(file), data=data).stdout == "team/llama-3 is there already, with the same content\n"
    assert json.loads(cli("export", "team/llama-3", data=data).stdout) == mine
    assert [line.split()[:2] for line in cli("list", data=data).stdout.splitlines()][-1] == ["team/llama-3", "imported"]
    shown = cli("show", "team/llama-3", data=data).stdout
    assert "good_evil" in shown
    assert "0.480" in shown
    file.write_text(json.dumps(changed("states.base.cells.3.mean", 2)), encoding="utf-8")
    refused = cli("import", str(file), data=data)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"selfwatch: {file}: states.base.cells.3.mean = 2: Input should be" in refused.stderr
    assert cli("show", "team/other", data=data).exit_code == 2
    assert cli("delete", "team/llama-3", data=data).stdout == "team/llama-3 deleted\n"


async def test_the_command_line_speaks_to_a_running_service_and_a_config_file_may_name_an_imported_set(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(document()), encoding="utf-8")
    async with live(tmp_path) as service:
        at = ("--url", service.url)
        done = await asyncio.to_thread(process, "import", str(file), *at, data=tmp_path / "elsewhere")
        assert (done.stdout, done.stderr) == ("team/llama-3 imported\n", "")
        written = await asyncio.to_thread(process, "export", "team/llama-3", *at, data=tmp_path / "elsewhere")
        assert json.loads(written.stdout) == await service.get(f"{PATH}/team/llama-3")
        file.write_text(json.dumps(changed("states.base.cells.0.mean", 2)), encoding="utf-8")
        refused = await asyncio.to_thread(process, "import", str(file), *at, data=tmp_path / "elsewhere")
        assert "states.base.cells.0.mean = 2: Input should be less than or equal to 1" in refused.stderr
        async with service.services.database.read() as session:
            assert await session.get(ProfileSetRow, "team/llama-3") is not None
    gone = cli("list", "--url", service.url, data=tmp_path / "elsewhere")
    assert (gone.exit_code, "cannot be reached" in gone.stderr) == (2, True)


async def test_a_config_file_that_names_an_unknown_set_is_told_so(tmp_path: Path) -> None:
    config = tmp_path / "selfwatch.yaml"
    config.write_text(
        f"data_dir: {tmp_path / 'data'}\n"
        "endpoints: [{name: a, base_url: 'http://127.0.0.1:9/v1', model: m, profiles: team/llama-3, schedules: {}}]\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        await check_file(config)
    assert str(caught.value).startswith(
        f"{config}: endpoints.0.profiles = 'team/llama-3': unknown profiles 'team/llama-3'; known: gpt-4.1/trivia"
    )
    async with live(tmp_path) as service:
        await imported(service, document())
    assert "good: endpoints: 1" in await check_file(config)
    settings = load(config)
    assert settings.file == config
