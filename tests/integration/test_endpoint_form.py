"""The form of an endpoint over HTTP: the same rules as the API, nothing typed is lost, and no key is ever shown."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.fake_openai import FakeOpenAI
from tests.support.guarded import BROWSER, ORIGIN, Guarded, guarded
from tests.support.live import Live, listening, live
from tests.support.ui_pages import HOSTILE

KEY = "sk-sentinel-0123456789"
TYPED = {
    "name": "prod", "base_url": "http://127.0.0.1:9/v1", "model": "m", "key": "none", "profiles": "gpt-4.1/all",
    "schedules.heartbeat": "", "schedules.full": "",
}  # fmt: skip


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Live]:
    prices = {"m": {"prompt": 1.0, "completion": 2.0}}
    async with live(tmp_path, prices=prices) as started:
        yield started


async def send(service: Live, path: str, **typed: str) -> httpx2.Response:
    return await service.http.post(path, data=TYPED | typed, headers=BROWSER | ORIGIN)


async def test_a_form_registers_what_the_api_would(service: Live) -> None:
    page = await service.http.get("/endpoints/new", headers=BROWSER)
    assert page.status_code == 200
    assert 'value="PT15M"' in page.text
    more = {
        "schedules.heartbeat": "0 3 * * *", "labels": "team=chat", "limits.concurrency": "2", "key": "paste",
        "api_key": KEY, "sampling.temperature": "0", "limits.usd_per_day": "1.5",
    }  # fmt: skip
    reply = await send(service, "/endpoints/new", **more)
    assert (reply.status_code, reply.headers["location"]) == (303, "/endpoints/prod")
    by_form = await service.get("/api/v1/endpoints/prod")
    body = {"schedules": {"heartbeat": "0 3 * * *"}, "labels": {"team": "chat"}, "api_key": KEY}
    by_call = await service.register(
        "twin", **body, limits={"concurrency": 2, "usd_per_day": 1.5}, sampling={"temperature": 0}
    )
    for field in ("base_url", "model", "key", "profiles", "labels", "limits", "sampling", "schedules", "health"):
        assert by_form[field] == by_call[field], field
    assert 'endpoint="prod"' in (await service.http.get("/metrics")).text, "its series are there at once"


async def test_mistakes_keep_what_was_typed_and_show_no_key(service: Live) -> None:
    await service.register("taken")
    cases: list[tuple[dict[str, str], str]] = [
        ({"name": "taken"}, "is taken; choose another name"),
        ({"base_url": "ftp://x"}, "write it like https://"),
        ({"schedules.heartbeat": "P365D"}, "would not find even a model that has turned misaligned"),
        ({"model": "unpriced", "limits.usd_per_month": "3"}, "prices.unpriced is not set"),
        ({"limits.concurrency": "none"}, "must be a whole number"),
        ({"profiles": "gpt-9"}, "unknown profiles"),
    ]
    for wrong, said in cases:
        typed = {"model": "kept-model", "labels": "team=kept", "key": "paste", "api_key": KEY} | wrong
        reply = await send(service, "/endpoints/new", **typed)
        assert reply.status_code == 422, wrong
        assert said in reply.text, wrong
        assert 'class="wrong"' in reply.text
        assert "Enter the key once more" in reply.text
        assert 'value="paste" checked' in reply.text
        assert KEY not in reply.text
        for value in {**typed, "api_key": "team=kept"}.values():
            assert value in reply.text, f"{value} is lost"
    assert len((await service.get("/api/v1/endpoints"))["endpoints"]) == 1


async def test_a_budget_of_all_without_a_price_is_told_where_no_field_is(tmp_path: Path) -> None:
    async with live(tmp_path, budget={"usd_per_day": 5}) as service:
        reply = await send(service, "/endpoints/new")
        assert reply.status_code == 422
        assert "Nothing was saved." in reply.text
        assert "budget.usd_per_day cannot be kept" in reply.text


async def test_hostile_text_is_text(service: Live) -> None:
    fake = FakeOpenAI(reply=HOSTILE)
    async with listening(fake) as url:
        typed = {"base_url": f"{url}/v1", "model": HOSTILE[:200], "labels": f"team={HOSTILE}"}
        for path in ("/endpoints/new", "/endpoints/new/check"):
            reply = await send(service, path, name=HOSTILE, **typed)
            assert reply.status_code == 422
            assert "<script>alert" not in reply.text
            assert "&lt;script&gt;alert" in reply.text
        shown = await send(service, "/endpoints/new/check", **typed)
        assert shown.status_code == 200
        assert "It answers" in shown.text
        assert "<script>alert" not in shown.text


async def test_a_check_tells_what_is_there_and_what_it_costs_and_stores_nothing(service: Live) -> None:
    fake = FakeOpenAI("capable", reply="I am fine.")
    async with listening(fake) as url:
        script = BROWSER | ORIGIN | {"HX-Request": "true"}
        typed = TYPED | {
            "name": "", "base_url": f"{url}/v1", "schedules.heartbeat": "PT15M", "key": "paste", "api_key": KEY,
            "sampling.max_tokens": "9",
        }  # fmt: skip
        reply = await service.http.post("/endpoints/new/check", data=typed, headers=script)
        assert reply.status_code == 200
        assert "<html" not in reply.text, "a script gets the result alone"
        for said in ("It answers", "fake-2026", "I am fine.", " ms", "Log-probabilities", "$", "a month", "drift"):
            assert said in reply.text, said
        assert KEY not in reply.text
        assert {headers["authorization"] for headers in fake.headers} == {f"Bearer {KEY}"}
        whole = await service.http.post("/endpoints/new/check", data=typed, headers=BROWSER | ORIGIN)
        assert whole.status_code == 200
        assert f'value="{url}/v1"' in whole.text, "without a script: the form with what was typed, and the result"
        assert "It answers" in whole.text
        unscheduled = await send(service, "/endpoints/new/check", base_url=f"{url}/v1")
        assert "nothing is spent by itself" in unscheduled.text
        powerless = await send(
            service, "/endpoints/new/check", base_url=f"{url}/v1", **{"schedules.heartbeat": "P365D"}
        )
        assert "It answers" in powerless.text
        assert "would not find" in powerless.text
    assert (await service.get("/api/v1/endpoints"))["endpoints"] == []


async def test_a_check_that_fails_says_why_and_what_to_do(service: Live) -> None:
    fake = FakeOpenAI("echoes the key")
    async with listening(fake) as url:
        cases = [
            ({"base_url": "http://127.0.0.1:9/v1"}, "the endpoint cannot be reached"),
            ({"base_url": "http://169.254.169.254/v1"}, "the outbound policy does not allow the address"),
            ({"base_url": f"{url}/v1", "key": "paste", "api_key": KEY}, "What to do"),
            ({"key": "env", "api_key_env": "NO_SUCH_VARIABLE"}, "the variable NO_SUCH_VARIABLE is not set"),
        ]
        for typed, said in cases:
            reply = await send(service, "/endpoints/new/check", **typed)
            assert reply.status_code == 200, typed
            assert "It gives no usable answer" in reply.text
            assert said in reply.text, typed
            assert KEY not in reply.text
    wrong = await send(service, "/endpoints/new/check", base_url="x", key="env", api_key_env="")
    assert wrong.status_code == 422
    assert "Not checked yet" in wrong.text
    assert "<b>Address</b>" in wrong.text


async def test_an_edit_changes_what_differs(service: Live) -> None:
    await service.register("prod", api_key=KEY, sampling={"extra": {"top_k": 3}}, limits={"tokens_per_day": 7})
    page = await service.http.get("/endpoints/prod/edit", headers=BROWSER)
    assert page.status_code == 200
    assert 'value="keep" checked' in page.text
    assert 'name="limits.tokens_per_day" type="text" value="7"' in page.text
    assert KEY not in page.text
    edited = {"key": "keep", "labels": "team=new", "limits.requests_per_minute": "30", "name": "ignored"}
    reply = await send(service, "/endpoints/prod/edit", **edited)
    assert (reply.status_code, reply.headers["location"]) == (303, "/endpoints/prod")
    shown = await service.get("/api/v1/endpoints/prod")
    assert (shown["labels"], shown["key"], shown["sampling"]["extra"]) == ({"team": "new"}, "stored", {"top_k": 3})
    assert (shown["limits"]["requests_per_minute"], shown["limits"]["tokens_per_day"]) == (30, None)
    refused = await send(service, "/endpoints/prod/edit", key="keep", base_url="http://127.0.0.1:10/v1")
    assert refused.status_code == 422
    assert "would go to another server" in refused.text
    assert (await send(service, "/endpoints/prod/edit", key="none")).status_code == 303
    assert (await service.get("/api/v1/endpoints/prod"))["key"] is None
    for path in ("/endpoints/nobody/edit", "/endpoints/nobody/edit/check", "/endpoints/nobody/delete"):
        assert (await send(service, path)).status_code == 404


async def test_a_check_of_an_edit_uses_the_stored_key_at_its_own_server_only(service: Live) -> None:
    ours, theirs = FakeOpenAI(), FakeOpenAI()
    async with listening(ours) as url, listening(theirs) as other:
        await service.register("prod", base_url=f"{url}/v1", api_key=KEY)
        found = await send(service, "/endpoints/prod/edit/check", key="keep", base_url=f"{url}/v2")
        assert "It answers" in found.text
        assert {headers["authorization"] for headers in ours.headers} == {f"Bearer {KEY}"}
        stolen = await send(service, "/endpoints/prod/edit/check", key="keep", base_url=f"{other}/v1")
        assert stolen.status_code == 422
        assert "would go to another server" in stolen.text
        assert theirs.requests == []
    shown = await service.get("/api/v1/endpoints/prod")
    assert (shown["base_url"], shown["health"]["state"]) == (f"{url}/v1", "unknown"), "nothing was changed"


async def test_deleting_takes_the_name(service: Live) -> None:
    await service.register("prod")
    page = await service.http.get("/endpoints/prod/delete", headers=BROWSER)
    assert "Its 0 runs" in page.text
    for typed in ("", "Prod", "prod2", HOSTILE):
        data = {"confirm": typed}
        refused = await service.http.post("/endpoints/prod/delete", data=data, headers=BROWSER | ORIGIN)
        assert refused.status_code == 422
        assert "nothing was deleted" in refused.text
        assert "<script>alert" not in refused.text
    gone = await service.http.post("/endpoints/prod/delete", data={"confirm": " prod "}, headers=BROWSER | ORIGIN)
    assert (gone.status_code, gone.headers["location"]) == (303, "/")
    assert (await service.http.get("/api/v1/endpoints/prod")).status_code == 404


FORMS = ["/endpoints/new", "/endpoints/new/check", "/endpoints/prod/edit", "/endpoints/prod/edit/check",
         "/endpoints/prod/delete"]  # fmt: skip


async def _prepared(service: Guarded) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {service.tokens['boss']}"}
    body = {"name": "prod", "base_url": "http://127.0.0.1:9/v1", "model": "m", "schedules": {}}
    assert (await service.http.post("/api/v1/endpoints", json=body, headers=bearer)).status_code == 201
    return {"headers": bearer}


async def test_the_forms_take_the_scopes_of_the_api(tmp_path: Path) -> None:
    async with (
        guarded(tmp_path) as service,
        service.signed_in("reader") as reader,
        service.signed_in("writer") as writer,
    ):
        boss = await _prepared(service)
        for path in FORMS:
            refused = await reader.post(path, data=TYPED | {"confirm": "prod"}, headers=ORIGIN)
            assert refused.status_code == 403, path
            assert "This needs the scope \u201cwrite\u201d" in refused.text
        assert "/endpoints/new" not in (await reader.get("/")).text, "what would not work is not offered"
        assert "/endpoints/new" in (await writer.get("/")).text
        for path in FORMS[:4]:
            typed = TYPED | {"name": "other", "key": "env", "api_key_env": "HOME", "base_url": "http://127.0.0.1:9/v1"}
            refused = await writer.post(path, data=typed, headers=ORIGIN)
            assert refused.status_code == 422, path
            assert "takes the scope admin" in refused.text
        forged = await writer.post("/endpoints/prod/delete", data={"confirm": "prod"}, headers={"Origin": "null"})
        assert forged.status_code == 403
        assert len((await service.http.get("/api/v1/endpoints", **boss)).json()["endpoints"]) == 1
        signed_out = await service.http.post("/endpoints/new", data=TYPED, headers=BROWSER | ORIGIN)
        assert signed_out.status_code == 401
        assert "You are signed out" in signed_out.text
        assert "www-authenticate" not in signed_out.headers
