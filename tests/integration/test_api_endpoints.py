"""Registration over HTTP: the contract, and what each mistake says."""

from pathlib import Path
from typing import Any

import pytest

from service.storage.endpoints import by_name
from tests.support.live import Live, live

BODY: dict[str, Any] = {"name": "prod", "base_url": "http://127.0.0.1:9/v1/", "model": "m"}


async def test_the_shortest_registration_gets_the_defaults(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        reply = await service.http.post("/api/v1/endpoints", json=BODY)
        assert reply.status_code == 201
        assert reply.headers["location"] == "/api/v1/endpoints/prod"
        shown = await service.get("/api/v1/endpoints/prod")
        assert shown["base_url"] == "http://127.0.0.1:9/v1"
        assert shown["schedules"] == {"heartbeat": "PT15M"}
        assert shown["profiles"] == "gpt-4.1/all"
        assert shown["limits"]["concurrency"] == 8
        assert shown["verdict"] is None
        assert set(shown["next_runs"]) == {"heartbeat"}


async def test_everything_that_can_be_given_is_kept(tmp_path: Path) -> None:
    body = BODY | {
        "schedules": {"heartbeat": "*/5 * * * *", "full": "P1D"},
        "profiles": "gpt-4.1/code",
        "labels": {"team": "chat"},
        "limits": {"concurrency": 2, "requests_per_minute": 30, "tokens_per_minute": 9000, "tokens_per_day": 1000},
        "sampling": {"max_tokens": 99, "extra": {"top_k": 3}},
    }
    async with live(tmp_path) as service:
        assert (await service.http.post("/api/v1/endpoints", json=body)).status_code == 201
        shown = await service.get("/api/v1/endpoints/prod")
        for field in ("schedules", "profiles", "labels"):
            assert shown[field] == body[field]
        assert {name: value for name, value in shown["limits"].items() if value is not None} == body["limits"]
        assert shown["sampling"] == {"temperature": None, **body["sampling"]}


@pytest.mark.parametrize("kind", ["api_key", "api_key_env", "api_key_file"])
async def test_the_key_is_never_shown(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-sentinel-0123456789"
    monkeypatch.setenv("PROD_KEY", secret)
    (tmp_path / "key").write_text(secret)
    value = {"api_key": secret, "api_key_env": "PROD_KEY", "api_key_file": str(tmp_path / "key")}[kind]
    async with live(tmp_path) as service:
        reply = await service.http.post("/api/v1/endpoints", json=BODY | {kind: value})
        assert reply.status_code == 201
        pages = ["/api/v1/endpoints", "/api/v1/endpoints/prod", "/", "/endpoints/prod", "/metrics"]
        for text in [reply.text, *[(await service.http.get(page)).text for page in pages]]:
            assert secret not in text
        async with service.services.database.read() as session:
            row = await by_name(session, "prod")
            assert row is not None
            assert secret not in str(row.key_value)
    for file in (tmp_path / "data").iterdir():
        assert secret.encode() not in file.read_bytes()


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": "red"}, "colour", "unknown field"),
    ({"limits": {"concurency": 2}}, "limits.concurency", "unknown field"),
    ({"name": "No Spaces"}, "name", "may hold a-z"),
    ({"base_url": "example.com"}, "base_url", "write it like https://"),
    ({"base_url": "http://user:pw@h/v1"}, "base_url", "use api_key instead"),
    ({"base_url": "http://h/v1?key=1"}, "base_url", "query"),
    ({"model": ""}, "model", "at least 1"),
    ({"schedules": {"heartbeat": "sometimes"}}, "schedules", "PT15M"),
    ({"profiles": "gpt-9"}, "profiles", "unknown profiles 'gpt-9'; known: gpt-4.1/"),
    ({"limits": {"concurrency": 0}}, "limits.concurrency", "greater than or equal to 1"),
    ({"api_key": "a", "api_key_env": "B"}, "body", "give one of api_key, api_key_env"),
    ({"labels": {"a b": "c"}}, "labels", "match pattern"),
]


@pytest.mark.parametrize(("change", "field", "message"), BAD)
async def test_a_mistake_is_a_422_that_names_field_and_remedy(
    tmp_path: Path, change: dict[str, Any], field: str, message: str
) -> None:
    async with live(tmp_path) as service:
        reply = await service.http.post("/api/v1/endpoints", json=BODY | change)
        assert reply.status_code == 422
        assert reply.headers["content-type"] == "application/problem+json"
        problem = reply.json()
        assert problem["type"] == "urn:selfwatch:problem:invalid-request"
        assert any(e["field"].startswith(field) and message in e["message"] for e in problem["errors"]), problem
        assert (await service.get("/api/v1/endpoints"))["endpoints"] == []


async def test_an_unknown_plan_names_the_known_ones(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        reply = await service.http.post("/api/v1/endpoints", json=BODY | {"schedules": {"weekly": "P7D"}})
        assert reply.status_code == 422
        assert "unknown plan; known: full, heartbeat" in reply.json()["detail"]


async def test_a_key_does_not_follow_its_endpoint_to_another_server(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register(api_key="sk-1")
        path, other = "/api/v1/endpoints/prod", "http://127.0.0.1:10/v1"
        refused = await service.http.patch(path, json={"base_url": other})
        assert refused.status_code == 422
        assert "another server" in refused.json()["detail"]
        assert (await service.get(path))["base_url"] == "http://127.0.0.1:9/v1"
        assert (await service.http.patch(path, json={"base_url": "http://127.0.0.1:9/v2"})).status_code == 200
        assert (await service.http.patch(path, json={"base_url": other, "api_key": "sk-2"})).status_code == 200


async def test_a_key_file_is_a_small_regular_file(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_text("x" * 100_000)
    async with live(tmp_path) as service:
        for name, path in (("zero", "/dev/zero"), ("folder", str(tmp_path)), ("big", str(big))):
            await service.register(name, api_key_file=path)
            found = (await service.http.post(f"/api/v1/endpoints/{name}/check")).json()
            assert found["problem"]["reason"] == "unauthorized"
            assert "small text file" in found["problem"]["remedy"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"not json", "body: is not valid JSON"),
        (b"[]", "JSON object"),
        (b'{"name": "A b", "base_url": "http://x/v1", "model": "m"}', "name: may hold a-z"),
    ],
)
async def test_what_is_no_registration_is_told_plainly(tmp_path: Path, sent: bytes, said: str) -> None:
    async with live(tmp_path) as service:
        headers = {"content-type": "application/json"}
        reply = await service.http.post("/api/v1/endpoints", content=sent, headers=headers)
        assert reply.status_code == 422
        assert said in reply.json()["detail"]


async def test_a_name_is_taken_once(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod")
        reply = await service.http.post("/api/v1/endpoints", json=BODY | {"model": "other"})
        assert reply.status_code == 409
        assert reply.json()["type"].endswith("name-taken")
        assert "'prod'" in reply.json()["detail"]
        assert (await service.get("/api/v1/endpoints/prod"))["model"] == "m"


async def test_a_patch_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        before = await service.register("prod", limits={"concurrency": 3, "tokens_per_day": 5}, api_key="sk-x")
        reply = await service.http.patch("/api/v1/endpoints/prod", json={"limits": {"concurrency": 4}})
        assert reply.status_code == 200
        after = reply.json()
        assert after["limits"] == before["limits"] | {"concurrency": 4}
        assert (after["key"], after["base_url"], after["model"]) == ("stored", before["base_url"], "m")


async def test_a_patch_of_schedules_keeps_the_slot_of_those_that_stay(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod", schedules={"heartbeat": "0 3 * * *", "full": "0 3 * * *"})
        before = (await service.get("/api/v1/endpoints/prod"))["next_runs"]
        change = {"schedules": {"heartbeat": "0 3 * * *", "full": "0 0 2 1 *"}}
        after = (await service.http.patch("/api/v1/endpoints/prod", json=change)).json()["next_runs"]
        assert after["heartbeat"] == before["heartbeat"]
        assert after["full"] != before["full"]


async def test_what_is_deleted_is_gone_everywhere_at_once(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod")
        assert (await service.http.delete("/api/v1/endpoints/prod")).status_code == 204
        assert (await service.http.get("/api/v1/endpoints/prod")).status_code == 404
        assert 'endpoint="prod"' not in (await service.http.get("/metrics")).text
        await service.register("prod")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/endpoints/nobody"),
        ("PATCH", "/api/v1/endpoints/nobody"),
        ("DELETE", "/api/v1/endpoints/nobody"),
        ("POST", "/api/v1/endpoints/nobody/pause"),
        ("POST", "/api/v1/endpoints/nobody/check"),
        ("GET", "/api/v1/runs/nothing"),
        ("GET", "/api/v1/items?probe=nothing"),
        ("GET", "/nowhere"),
    ],
)
async def test_what_is_not_there_is_a_404_problem(tmp_path: Path, method: str, path: str) -> None:
    async with live(tmp_path) as service:
        reply = await service.http.request(method, path, json={} if method == "PATCH" else None)
        assert reply.status_code == 404
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == 404


async def test_a_paused_endpoint_has_no_next_run(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod", schedules={"heartbeat": "0 3 * * *"})
        assert (await service.http.post("/api/v1/endpoints/prod/pause")).status_code == 204
        assert (await service.get("/api/v1/endpoints/prod"))["next_runs"] == {}
        assert (await service.http.post("/api/v1/endpoints/prod/resume")).status_code == 204
        assert set((await service.get("/api/v1/endpoints/prod"))["next_runs"]) == {"heartbeat"}


async def test_a_page_of_another_site_changes_nothing(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        headers = {"Sec-Fetch-Site": "cross-site"}
        reply = await service.http.post("/api/v1/endpoints", json=BODY, headers=headers)
        assert reply.status_code == 403
        assert (await service.get("/api/v1/endpoints"))["endpoints"] == []


async def test_a_name_that_was_rebound_to_us_is_refused(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        reply = await service.http.get("/api/v1/endpoints", headers={"Host": "evil.example"})
        assert reply.status_code == 400


async def test_without_a_judge_the_registration_says_so(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        warnings = (await service.register("prod"))["warnings"]
        assert any("SELFWATCH_JUDGE_BASE_URL" in warning for warning in warnings)


async def _items(service: Live, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await service.get(f"/api/v1/items{query}"))["items"]
    return items


async def test_the_whole_bank_can_be_audited(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        items = await _items(service)
        assert {item["probe"] for item in items} == {"self_assessment", "intentions", "harm", "moral_self_assessment"}
        kinds = {item["scoring"]["kind"] for item in items}
        assert kinds == {"choice", "number", "language", "judge"}
        assert all(item["messages"][0]["content"] for item in items)
        assert {item["probe"] for item in await _items(service, "?probe=harm")} == {"harm"}


async def test_profiles_are_listed_with_their_provenance(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        profiles = (await service.get("/api/v1/profiles"))["profiles"]
        assert {"gpt-4.1/all", "gpt-4.1/trivia", "gpt-4.1/code"} <= {p["name"] for p in profiles}
        assert all("2602.14777" in p["provenance"] for p in profiles)
