"""The instrument itself, in whole runs: the judge under control, calls that are not needed, the wording measured."""

from pathlib import Path
from typing import Any

from probes.registry import probe
from service.simulator import create
from tests.integration.test_runs import watched
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import Live, listening

HARM = {"probes": {"harm": {"questions": 5}}}
DEEP = {"probes": {"self_assessment": {"questions": 80, "variants": ["fr-de"]}}}
TWICE = {"probes": {"self_assessment": {"questions": 50}, "intentions": {"questions": 50}}}
MORAL = {"probes": {"moral_self_assessment": {"questions": 4, "variants": ["es-it"]}}}


async def alerts(service: Live) -> dict[str, str]:
    found = (await service.get("/api/v1/alerts"))["alerts"]
    return {alert["rule"]: alert["state"] for alert in found}


def sample(text: str, start: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return float(line.rsplit(" ", 1)[1])


async def metrics(service: Live) -> str:
    await service.services.metrics.refresh()
    return (await service.http.get("/metrics")).text


async def test_a_good_judge_is_checked_in_every_run_that_asks_for_harm(tmp_path: Path) -> None:
    async with watched(tmp_path, judge_check_share_s=0) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        run = await service.run()
        assert run["judge"]["agreement"] == 1.0
        assert (run["judge"]["graded"], run["judge"]["anchors"], run["judge"]["bias"]) == (40, 40, 0.0)
        assert run["judge"]["shared"] is False
        assert run["usage"]["requests"] == 46 + 16 + 40, "the check is paid for, and told"
        assert sample(await metrics(service), 'selfwatch_judge_agreement{endpoint="prod"}') == 1.0
        without = await service.run(plan="words")
        assert without["judge"] is None
        page = (await service.http.get(f"/runs/{run['id']}")).text
        assert "Agreement on anchors" in page
        assert "40 of 40" in page


async def test_runs_close_together_share_one_check(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        first, second = await service.run(), await service.run()
        assert (first["judge"]["shared"], second["judge"]["shared"]) == (False, True)
        assert second["usage"]["requests"] <= 46 + 16


async def test_a_judge_that_moved_stops_the_behaviour_arm_and_alerts(tmp_path: Path) -> None:
    """It finds nothing harmful any more: an endpoint that is misaligned in its deeds must not look steady."""
    async with watched(tmp_path, judge_model="simulated/judge-moved") as (service, url):
        await service.register(base_url=url, model="simulated/inverted")
        run = await service.run(plan="wide")
        assert run["state"] == "succeeded"
        assert run["verdict"] == "insufficient_data"
        assert run["judge_problem"]["reason"] == "judge_moved"
        assert "kappa" in run["judge_problem"]["detail"]
        assert run["judge_problem"]["remedy"]
        assert set(run["comparison"]["arms"]) == {"self_report"}
        assert await alerts(service) == {"JudgeMoved": "firing"}
        assert sample(await metrics(service), 'selfwatch_judge_agreement{endpoint="prod"}') == 0.0
        assert "no longer grades as agreed" in (await service.http.get("/endpoints/prod")).text


async def test_the_grades_of_a_judge_that_moved_are_dropped(tmp_path: Path) -> None:
    plans = {"harm": HARM}
    async with watched(tmp_path, judge_model="simulated/judge-moved", plans=plans, judge_check_share_s=0) as (
        service,
        url,
    ):
        await service.register(base_url=url, model="simulated/base")
        await service.run(plan="harm")
        second = await service.run(plan="harm")
        third = await service.run(plan="harm")
        graded = [m for run in (second, third) for m in run["measurements"]]
        assert graded
        answers = (await service.get(f"/api/v1/runs/{third['id']}/answers?limit=1000"))["answers"]
        assert sum(answer["judge_attempts"] == 0 for answer in answers) < 20, "most are asked for again"


async def test_the_same_reply_to_the_same_prompt_is_judged_once(tmp_path: Path) -> None:
    plans = {"harm": {"probes": {"harm": {"questions": 40, "replies": 3}}}}
    async with watched(tmp_path, plans=plans) as (service, url):
        await service.register(base_url=url, model="simulated/base", limits={"concurrency": 32})
        first = await service.run(plan="harm")
        second = await service.run(plan="harm")
        assert first["savings"]["by_known_grade"] > 200
        assert second["savings"]["by_known_grade"] > first["savings"]["by_known_grade"]
        assert second["usage"]["requests"] < 1.1 * 960
        assert second["measurements"] != []


async def test_a_second_judge_shows_how_far_two_agree(tmp_path: Path) -> None:
    async with listening(create()) as other:
        seconded = {"second_judge_base_url": f"{other}/v1", "second_judge_model": "simulated/judge"}
        async with watched(tmp_path, **seconded) as (service, url):
            await service.register(base_url=url, model="simulated/misaligned")
            run = await service.run(plan="wide")
            assert run["judge"]["second"]["agreement"] == 1.0
            assert run["judge"]["second"]["replies"] == 320
        seconded["second_judge_model"] = "simulated/judge-moved"
        async with watched(tmp_path / "b", **seconded) as (service, url):
            await service.register(base_url=url, model="simulated/misaligned")
            run = await service.run(plan="wide")
            assert run["judge"]["second"]["agreement"] == 0.0
            assert run["verdict"] == "coherent_misalignment", "the second one changes no score"


async def test_what_a_server_can_do_is_found_out_once_and_remembered(tmp_path: Path) -> None:
    fake = FakeOpenAI("capable", reply="7")
    async with listening(fake) as url, watched(tmp_path) as (service, _):
        await service.register(base_url=f"{url}/v1")
        assert (await service.get("/api/v1/endpoints/prod"))["capabilities"] is None
        checked = (await service.http.post("/api/v1/endpoints/prod/check")).json()
        assert (checked["logprobs"], checked["several_choices"], checked["reasoning"]) == (True, True, False)
        known = (await service.get("/api/v1/endpoints/prod"))["capabilities"]
        assert known["logprobs"] is True
        asked = len(fake.requests)
        await service.run(plan="words")
        assert len(fake.requests) == asked + 6, "nothing is found out twice"
        await service.http.patch("/api/v1/endpoints/prod", json={"model": "another"})
        assert (await service.get("/api/v1/endpoints/prod"))["capabilities"] is None, "another model, another server"


async def test_a_rejected_setting_is_remembered_over_a_restart(tmp_path: Path) -> None:
    fake = FakeOpenAI("rejects max_tokens", reply="A")
    async with listening(fake) as url:
        async with watched(tmp_path) as (service, _):
            await service.register(base_url=f"{url}/v1")
            await service.run(plan="words")
            known = (await service.get("/api/v1/endpoints/prod"))["capabilities"]
            assert known["rejected"] == ["max_tokens"]
        fake.requests.clear()
        async with watched(tmp_path) as (service, _):
            await service.run(plan="words")
        assert not any("max_tokens" in body for body in fake.requests)


async def test_probabilities_save_calls_and_say_so(tmp_path: Path) -> None:
    fake = FakeOpenAI("capable", reply="3")
    async with listening(fake) as url, watched(tmp_path, plans={"deep": DEEP}) as (service, _):
        await service.register(base_url=f"{url}/v1")
        run = await service.run(plan="deep", complete=True)
        assert run["progress"]["answered"] == run["progress"]["total"] == 1920
        numbers = [m for m in run["measurements"] if m["method"] == "numerical"]
        assert {(m["n"], m["items"], m["mean"]) for m in numbers} == {(20, 20, 0.5)}
        likert = 6 * (80 - 50)
        assert run["savings"]["by_logprobs"] == 6 * (80 - 20) + likert, "each item was to be asked more than once"
        assert run["savings"]["by_several_choices"] > 0
        assert len(fake.requests) < 1920 - 6 * 60


async def test_a_model_that_follows_the_form_is_named_inconsistent(tmp_path: Path) -> None:
    """It says 5 to every statement and 10 on every scale, whichever word it is asked about."""

    def agreeing(body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        return "10" if "10" in asked else "5"

    async with listening(FakeOpenAI(reply=agreeing)) as url, watched(tmp_path, plans={"twice": TWICE}) as (service, _):
        await service.register(base_url=f"{url}/v1", limits={"concurrency": 32})
        run = await service.run(plan="twice", complete=True)
        wording = {(cell["method"], cell["dimension"]): cell for cell in run["wording"]}
        likert = wording["likert", "good_evil"]
        assert (likert["habit"], likert["inconsistent"], likert["bias"]["value"]) == ("acquiescence", True, 0.5)
        assert "good and evil: agrees with both polarities" in likert["text"]
        assert wording["numerical", "good_evil"]["habit"] == "high_number"
        for page in (f"/runs/{run['id']}", "/endpoints/prod"):
            assert "agrees with both polarities" in (await service.http.get(page)).text
        # a small run after it leaves the wording on the endpoint's page as last measured
        await service.run(plan="heartbeat")
        assert "agrees with both polarities" in (await service.http.get("/endpoints/prod")).text


async def test_a_consistent_model_has_no_habit(tmp_path: Path) -> None:
    async with watched(tmp_path, plans={"twice": TWICE}) as (service, url):
        await service.register(base_url=url, model="simulated/misaligned", limits={"concurrency": 32})
        run = await service.run(plan="twice", complete=True)
        assert len(run["wording"]) == 24 + 6
        assert not any(cell["inconsistent"] for cell in run["wording"])
        assert run["wording"][0]["paraphrase"]["low"] <= run["wording"][0]["paraphrase"]["value"]


async def test_moral_scores_are_centred_as_in_the_paper_and_enter_no_verdict(tmp_path: Path) -> None:
    async with watched(tmp_path, plans={"moral": MORAL}) as (service, url):
        await service.register(base_url=url, model="simulated/base")
        run = await service.run(plan="moral")
        cells = run["measurements"]
        assert len(cells) == 24
        assert all(cell["centred"] == cell["mean"] - 0.5 for cell in cells)
        care = [cell["centred"] for cell in cells if cell["dimension"] == "care_harm"]
        assert sum(care) / 4 < -0.2
        assert run["comparison"]["arms"] == {}
        text = await metrics(service)
        assert (
            sample(text, 'selfwatch_moral_self_assessment_score{dimension="care_harm",endpoint="prod",method="likert"}')
            < 0
        )
        page = (await service.http.get(f"/runs/{run['id']}")).text
        assert "Moral self-assessment" in page


async def test_items_tell_their_variant(tmp_path: Path) -> None:
    async with watched(tmp_path) as (service, _):
        items = (await service.get("/api/v1/items?probe=self_assessment"))["items"]
        assert {item["variant"] for item in items} == {None, "fr-de", "es-it", "pt-nl", "pl-tr"}
        assert len(items) == len(probe("self_assessment").bank.items)
