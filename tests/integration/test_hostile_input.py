"""Input that is well-formed and still cannot be meant: each is refused by name, and nothing of it is kept."""

import json
from pathlib import Path
from typing import Any

from service.api.problems import MOST_BODY_BYTES
from tests.support.guarded import guarded
from tests.support.live import Live, live

HUGE = 10**400
HALF = "\ud800"
"""Half of a surrogate pair: JSON can write it as an escape, UTF-8 cannot hold it."""
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
BAD_FIELDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("limits.tokens_per_day", {"limits": {"tokens_per_day": HUGE}}),
    ("limits.tokens_per_month", {"limits": {"tokens_per_month": HUGE}}),
    ("limits.tokens_per_minute", {"limits": {"tokens_per_minute": HUGE}}),
    ("limits.requests_per_minute", {"limits": {"requests_per_minute": HUGE}}),
    ("limits.usd_per_day", {"limits": {"usd_per_day": 1e308}}),
    ("sampling.extra", {"sampling": {"extra": {"stop": HALF}}}),
    ("sampling.extra", {"sampling": {"extra": {HALF: 1}}}),
    ("sampling.extra", {"sampling": {"extra": {"seed": float("nan")}}}),
    ("sampling.extra", {"sampling": {"extra": {"seed": float("inf")}}}),
    ("sampling.extra", {"sampling": {"extra": {"stop": DEEP}}}),
    ("sampling.extra", {"sampling": {"extra": {"stop": "x" * 20_000}}}),
    ("api_key", {"api_key": HALF}),
    ("api_key", {"api_key": "sk-1\r\nX-Other: 2"}),
)
READ_BY_ALL = ("/", "/budget", "/api/v1/endpoints", "/api/v1/budget", "/metrics")
TOO_LARGE = 2**63
QUERIES = (
    ("cursor", "/api/v1/runs/RUN/answers?cursor={}", TOO_LARGE),
    ("cursor", "/api/v1/endpoints/prod/slots?cursor={}", TOO_LARGE),
    ("since", "/api/v1/runs?since={}", "9999-12-31T23:59:59-12:00"),
    ("since", "/api/v1/runs?since={}", "0001-01-01T00:00:00%2B14:00"),
)
SILENCES = (
    {"starts": "9999-12-31T23:59:59Z", "duration": "P1D"},
    {"starts": "0001-01-01T00:00:00+14:00", "until": "2100-01-01T00:00:00Z"},
)


async def refused(service: Live, method: str, path: str, body: Any) -> str:
    reply = await service.http.request(
        method, path, content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 422, (path, reply.text)
    found: str = reply.json()["detail"]
    return found


async def test_what_cannot_be_meant_is_refused_by_name_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register("prod")
        plain = {"name": "odd", "base_url": "http://127.0.0.1:9/v1", "model": "m", "schedules": {}}
        for field, wrong in BAD_FIELDS:
            assert (await refused(service, "POST", "/api/v1/endpoints", plain | wrong)).startswith(f"{field}: "), field
            assert (await refused(service, "PATCH", "/api/v1/endpoints/prod", wrong)).startswith(f"{field}: "), field
        for path in READ_BY_ALL:
            assert (await service.http.get(path)).status_code == 200, path
        assert [one["name"] for one in (await service.get("/api/v1/endpoints"))["endpoints"]] == ["prod"]
        for field, path, value in QUERIES:
            reply = await service.http.get(path.format(value))
            assert (reply.status_code, reply.json()["detail"].partition(":")[0]) == (422, field), path
        for times in SILENCES:
            silence = {"match": {"endpoint": "prod"}, "comment": "c", "who": "w"} | times
            assert (await refused(service, "POST", "/api/v1/silences", silence)).startswith("starts: ")
        wrong_run = await refused(service, "PUT", "/api/v1/endpoints/prod/baseline", {"runs": [HALF]})
        assert wrong_run.startswith("runs.0: ")


async def test_a_body_of_any_length_is_not_taken_in_from_anybody(tmp_path: Path) -> None:
    async with guarded(tmp_path) as service:
        body = b'"' + b"x" * MOST_BODY_BYTES + b'"'
        headers = {"Content-Type": "application/json"}

        async def in_pieces() -> Any:
            yield body

        for content in (body, in_pieces()):
            reply = await service.http.post("/api/v1/endpoints", content=content, headers=headers)
            assert reply.status_code == 413
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["type"] == "urn:selfwatch:problem:body-too-long"
        small = await service.http.post("/api/v1/endpoints", content=b"{}", headers=headers)
        assert small.status_code == 401
