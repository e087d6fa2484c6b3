"""Whole runs: a real service asks real (simulated) servers over real sockets, and concludes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select

from service.simulator import create
from service.storage.schema import DeliveryRow, FlipRow
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening, live
from tests.support.processes import free_port

PLANS = {
    "wide": {
        "probes": {
            "self_assessment": {"questions": 4},
            "intentions": {"questions": 4},
            "harm": {"questions": "all"},
        }
    },
    "repeats": {
        "probes": {
            "intentions": {"questions": 1, "replies": 3},
            "harm": {"questions": 1, "replies": 2},
        }
    },
    "words": {"probes": {"intentions": {"questions": 1}}},
}
VERDICTS = (
    "steady", "self_report_shift", "behaviour_shift", "coherent_misalignment", "inverted_persona", "realigned",
    "insufficient_data",
)  # fmt: skip


@asynccontextmanager
async def watched(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Live, str]]:
    """A service with a simulated judge, and the base URL of the simulated models."""
    async with listening(create()) as simulator:
        url = f"{simulator}/v1"
        judged = {"judge_base_url": url, "judge_model": "simulated/judge", "plans": PLANS, "auto_baseline_runs": 0}
        async with live(tmp_path, **(judged | changes)) as service:
            yield service, url


async def test_a_run_has_everything_the_contract_names(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        run = await service.run()
        assert run["state"] == "succeeded"
        assert run["progress"] == {"answered": 46, "total": 46, "rate_per_s": None, "eta_s": None}
        assert run["usage"]["requests"] >= 46 + 16
        assert run["usage"]["prompt_tokens"] > 0
        assert run["usage"]["completion_tokens"] > 0
        assert len(run["measurements"]) == 24 + 6 + 8
        assert sum(m["n"] for m in run["measurements"]) == 46
        assert all(0 <= m["mean"] <= 1 and m["invalid"] == 0 for m in run["measurements"])
        arms = run["comparison"]["arms"]
        assert set(arms) == {"self_report", "behaviour"}
        for arm in arms.values():
            assert arm["low"] <= arm["drift"] <= arm["high"]
            assert arm["evidence"] < arm["threshold"]
        assert run["comparison"]["nearest_profile"] == "base"
        assert run["comparison"]["off_axis"] >= 0
        assert run["verdict"] == "steady"
        answers = (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
        assert len(answers) == 46
        assert all(a["reply"] and a["score"] is not None and a["attempts"] == 1 for a in answers)
        endpoint = await service.get("/api/v1/endpoints/prod")
        assert endpoint["verdict"] == "steady"
        assert endpoint["last_run"]["id"] == run["id"]
        assert endpoint["health"]["state"] == "up"


async def test_harm_is_the_worst_of_its_own_number_of_replies(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/misaligned")
        run = await service.run(plan="repeats")
        harm = [m for m in run["measurements"] if m["probe"] == "harm"]
        assert {(m["k"], m["items"]) for m in harm} == {(2, 1)}
        assert all(m["n"] == 2 or (m["n"], m["mean"]) == (1, 1.0) for m in harm), "nothing is worse than the worst"
        assert run["progress"]["answered"] == run["progress"]["total"]
        assert run["savings"]["by_worst_reply"] == sum(m["n"] == 1 for m in harm)
        assert "worst of 2" in run["comparison"]["arms"]["behaviour"]["note"]


async def test_an_endpoint_that_turns_is_found_and_its_alerts_are_stored_with_the_verdict(tmp_path: Path) -> None:
    async with watched(tmp_path, notifiers={"memory": {"kind": "memory"}}) as (service, url):
        await service.register(base_url=url, model="simulated/drifting")
        first = await service.run(plan="wide")
        assert first["verdict"] == "steady"
        reply = await service.http.put("/api/v1/endpoints/prod/baseline", json={"runs": [first["id"]]})
        assert reply.status_code == 200, reply.text
        async with httpx2.AsyncClient(base_url=url.removesuffix("/v1"), trust_env=False) as simulator:
            await simulator.post("/simulator/drift", json={"model": "simulated/drifting", "level": 1.0})
        for _beat in range(6):
            run = await service.run(plan="wide")
            if run["verdict"] == "coherent_misalignment":
                break
        assert run["verdict"] == "coherent_misalignment", run["because"]
        assert run["comparison"]["arms"]["self_report"]["reference"] == "own"
        firing = {a["rule"]: a for a in (await service.get("/api/v1/alerts?state=firing"))["alerts"]}
        assert {"CoherentMisalignment", "SelfReportDrift", "BehaviourDrift"} <= set(firing)
        async with service.services.database.read() as session:
            flips = (await session.scalars(select(FlipRow).where(FlipRow.after == "firing"))).all()
            deliveries = (await session.scalars(select(DeliveryRow))).all()
        assert {flip.rule for flip in flips} == set(firing)
        assert {d.flip_id for d in deliveries} == {flip.id for flip in flips}
        for delivery in deliveries:
            for what, link in delivery.notice["links"].items():
                page = await service.http.get(urlsplit(link).path)
                assert page.status_code == 200, (what, link)
        await service.services.metrics.refresh()
        metrics = (await service.http.get("/metrics")).text
        for verdict in VERDICTS:
            value = float(verdict == "coherent_misalignment")
            assert f'selfwatch_verdict{{endpoint="prod",verdict="{verdict}"}} {value}' in metrics
        assert 'rule="CoherentMisalignment",severity="critical"} 2.0' in metrics


async def test_an_inverted_persona_is_told_by_what_it_does(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/inverted")
        for _beat in range(8):
            run = await service.run(plan="wide")
            if run["verdict"] != "steady":
                break
        assert run["verdict"] == "inverted_persona", run["because"]
        assert abs(run["comparison"]["arms"]["self_report"]["drift"]) < 0.2
        assert run["comparison"]["arms"]["behaviour"]["low"] > 0.2


BROKEN = [
    ("401", "failed", "unauthorized", "api_key"),
    ("unknown model", "failed", "unknown_model", "/models"),
    ("html", "failed", "not_openai_compatible", "/v1"),
    ("404 page", "failed", "not_openai_compatible", "/v1"),
    ("no choices", "failed", "not_openai_compatible", "/v1"),
    ("quota", "failed", "quota_exhausted", "quota"),
    ("always 500", "failed", "server_error", "log"),
    ("disconnect", "failed", "unreachable", "base_url"),
    ("empty", "failed", "empty", "max_tokens"),
]


@pytest.mark.parametrize(("mode", "state", "reason", "remedy"), BROKEN)
async def test_each_broken_endpoint_is_a_named_state_in_api_page_and_metrics(
    tmp_path: Path, mode: str, state: str, reason: str, remedy: str
) -> None:
    async with listening(FakeOpenAI(mode)) as broken, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{broken}/v1")
        run = await service.run()
        assert run["state"] == state, run
        assert run["problem"]["reason"] == reason, run["problem"]
        assert run["problem"]["detail"]
        assert remedy in run["problem"]["remedy"]
        assert run["verdict"] == "insufficient_data"
        assert all(m["mean"] is None for m in run["measurements"])
        endpoint = await service.get("/api/v1/endpoints/prod")
        assert endpoint["health"]["state"] == "down"
        assert endpoint["health"]["reason"] == reason
        for page in ("/", "/endpoints/prod", f"/runs/{run['id']}"):
            text = (await service.http.get(page)).text
            assert remedy in text, page
        await service.services.metrics.refresh()
        metrics = (await service.http.get("/metrics")).text
        assert 'selfwatch_endpoint_up{endpoint="prod"} 0.0' in metrics
        assert "selfwatch_self_assessment_score{" not in metrics


async def test_a_wrong_address_is_unreachable_and_recovers(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=f"http://127.0.0.1:{free_port()}/v1", model="simulated/base")
        run = await service.run()
        assert (run["state"], run["problem"]["reason"]) == ("failed", "unreachable")
        patched = await service.http.patch("/api/v1/endpoints/prod", json={"base_url": url})
        assert patched.status_code == 200, patched.text
        assert (await service.run())["state"] == "succeeded"
        assert (await service.get("/api/v1/endpoints/prod"))["health"]["state"] == "up"


async def test_a_judge_that_is_down_is_named_and_gives_no_score(tmp_path: Path) -> None:
    async with watched(tmp_path, judge_base_url=f"http://127.0.0.1:{free_port()}/v1") as (service, url):
        await service.register(base_url=url, model="simulated/base")
        run = await service.run()
        assert run["state"] == "succeeded", "the self-report was measured"
        assert run["judge_problem"]["reason"] == "unreachable"
        assert run["judge_problem"]["remedy"]
        assert run["verdict"] == "insufficient_data"
        assert "judge" in run["because"]
        harm = [m for m in run["measurements"] if m["probe"] == "harm"]
        assert all(m["mean"] is None and m["invalid"] == 2 for m in harm)
        assert all(m["mean"] is not None for m in run["measurements"] if m["probe"] != "harm")
        assert run["invalid_by_reason"] == {"judge_down": 16}
        ready = (await service.http.get("/readyz")).json()
        assert ready["status"] == "ok", "the rest of the work goes on"
        assert ready["checks"]["judge"].startswith("unreachable: ")
        assert "judge" in (await service.http.get("/endpoints/prod")).text.lower()


@pytest.mark.parametrize("said", ["I cannot grade this.", '{"score": 9}', ""])
async def test_a_judge_that_talks_nonsense_scores_nothing(tmp_path: Path, said: str) -> None:
    async with (
        listening(FakeOpenAI(reply=said)) as judge,
        watched(tmp_path, judge_base_url=f"{judge}/v1") as (service, url),
    ):
        await service.register(base_url=url, model="simulated/misaligned")
        run = await service.run()
        assert run["invalid_by_reason"] == {"judge_unscored": 16}
        assert run["comparison"]["arms"]["behaviour"]["drift"] is None


async def test_without_a_judge_harm_is_not_asked_and_the_verdict_says_why(tmp_path: Path) -> None:
    async with watched(tmp_path, judge_base_url=None) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        run = await service.run()
        assert run["progress"]["answered"] == 30
        assert run["verdict"] == "insufficient_data"
        assert "SELFWATCH_JUDGE_BASE_URL" in run["because"]


async def test_a_schedule_runs_by_itself(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/base", schedules={"words": "PT1S"})
        async with asyncio.timeout(30):
            while len(runs := (await service.get("/api/v1/runs?state=succeeded"))["runs"]) < 3:
                await asyncio.sleep(0.1)
        assert {run["plan"] for run in runs} == {"words"}
        assert (await service.http.post("/api/v1/endpoints/prod/pause")).status_code == 204
        await asyncio.sleep(1.5)
        count = len((await service.get("/api/v1/runs?limit=100"))["runs"])
        await asyncio.sleep(2)
        assert len((await service.get("/api/v1/runs?limit=100"))["runs"]) == count


async def test_the_same_idempotency_key_is_the_same_run(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        ids = set()
        for key in ("a", "a", "b", "a"):
            reply = await service.http.post(
                "/api/v1/endpoints/prod/runs", json={"plan": "words"}, headers={"Idempotency-Key": key}
            )
            assert reply.status_code == 202
            ids.add(reply.json()["id"])
        assert len(ids) == 2
        reply = await service.http.post(
            "/api/v1/endpoints/prod/runs", json={"plan": "heartbeat"}, headers={"Idempotency-Key": "a"}
        )
        assert (reply.status_code, reply.json()["type"]) == (422, "urn:selfwatch:problem:idempotency-key-reused")
        assert "'words'" in reply.json()["detail"]


async def test_a_cancelled_run_stops_asking_and_says_nothing(tmp_path: Path) -> None:
    async with listening(create(latency_s=0.2)) as slow, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{slow}/v1", model="simulated/base", limits={"concurrency": 1})
        run_id = await service.start_run()
        async with asyncio.timeout(20):
            while (await service.get(f"/api/v1/runs/{run_id}"))["progress"]["answered"] == 0:
                await asyncio.sleep(0.05)
        assert (await service.http.post(f"/api/v1/runs/{run_id}/cancel")).status_code == 202
        run = await service.finished(run_id)
        assert run["state"] == "cancelled"
        assert 0 < run["progress"]["answered"] < 46
        assert run["verdict"] is None
        assert (await service.get("/api/v1/endpoints/prod"))["verdict"] is None


async def test_calls_never_exceed_the_endpoints_concurrency(tmp_path: Path) -> None:
    fake = FakeOpenAI(reply="7")
    async with listening(fake) as url, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 3})
        await service.run()
        assert 1 <= fake.most_in_flight <= 3


async def test_check_reaches_the_endpoint_and_names_what_is_wrong(tmp_path: Path) -> None:
    fake = FakeOpenAI()
    async with listening(fake) as url, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{url}/v1")
        good = (await service.http.post("/api/v1/endpoints/prod/check")).json()
        assert good["ok"] is True
        assert good["model"] == "fake-2026"
        assert good["sample"] == "fine"
        assert good["latency_s"] > 0
        assert (good["logprobs"], good["several_choices"]) == (False, False)
        fake.mode = "401"
        bad = (await service.http.post("/api/v1/endpoints/prod/check")).json()
        assert bad["ok"] is False
        assert bad["problem"]["reason"] == "unauthorized"
        assert bad["problem"]["remedy"]


async def test_a_baseline_is_built_by_itself_from_steady_runs(tmp_path: Path) -> None:
    async with watched(tmp_path, auto_baseline_runs=2) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        await service.run(plan="wide")
        await service.run(plan="wide")
        third = await service.run(plan="wide")
        assert third["comparison"]["arms"]["self_report"]["reference"] == "own"
        assert third["verdict"] == "steady"


async def test_a_misaligned_endpoint_is_never_taken_as_its_own_baseline(tmp_path: Path) -> None:
    async with watched(tmp_path, auto_baseline_runs=2) as (service, url):
        await service.register(base_url=url, model="simulated/misaligned")
        runs = [await service.run(plan="wide") for _ in range(4)]
        assert runs[-1]["comparison"]["arms"]["self_report"]["reference"] == "published"
        assert runs[-1]["verdict"] == "coherent_misalignment"


async def test_a_model_that_turns_in_its_first_runs_is_not_taken_as_its_own_baseline(tmp_path: Path) -> None:
    """Before there is evidence enough its runs are called steady, though each of them alone stands above base."""
    async with watched(tmp_path, auto_baseline_runs=2, escalation="off") as (service, url):
        await service.register(base_url=url, model="simulated/drifting")
        assert (await service.run())["verdict"] == "steady"
        async with httpx2.AsyncClient(base_url=url.removesuffix("/v1"), trust_env=False) as simulator:
            await simulator.post("/simulator/drift", json={"model": "simulated/drifting", "level": 1})
        for _ in range(8):
            run = await service.run()
            assert run["comparison"]["arms"]["self_report"]["reference"] == "published"
            if run["verdict"] != "steady":
                break
        assert run["verdict"] in ("self_report_shift", "coherent_misalignment", "behaviour_shift", "realigned")


async def test_hostile_replies_stay_text_on_the_page_and_out_of_metrics(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script> {{7*7}} \x1b[31m"
    async with listening(FakeOpenAI(reply=hostile)) as url, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{url}/v1")
        run = await service.run()
        for page in ("/", "/endpoints/prod", f"/runs/{run['id']}", "/metrics"):
            assert "<script>alert" not in (await service.http.get(page)).text
        assert "alert(1)" not in (await service.http.get("/metrics")).text
