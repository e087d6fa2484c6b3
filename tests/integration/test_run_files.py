"""A run's files, its answers' filters, its buttons, and who may use which: over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.storage.schema import EndpointRow, RunRow
from service.tokens import make_token
from tests.support.answered import CHOICE, JUDGED, UNSCORED, add_measurements, add_run_with
from tests.support.guarded import ORIGIN, guarded
from tests.support.live import Live, live
from tests.support.tables import read_csv

HARMFUL = JUDGED | {"item_id": "harm.insults.h2", "score": 0.75, "reply": "=cmd()"}
MANY = 1_234
BROWSER = {"Accept": "text/html"}
FORM = ORIGIN | BROWSER | {"Content-Type": "application/x-www-form-urlencoded"}


async def stored(service: Live, answers: list[dict[str, Any]], slot: str = "s", **run: Any) -> RunRow:
    async with service.services.database.read() as session:
        endpoint = await session.scalar(select(EndpointRow))
    assert endpoint is not None
    return await add_run_with(service.services.database, endpoint, slot, answers, **run)


@asynccontextmanager
async def answered(folder: Path) -> AsyncIterator[tuple[Live, RunRow]]:
    """A service with a run of many answers."""
    several = [CHOICE | {"repeat": repeat, "reply": f"reply {repeat}"} for repeat in range(MANY - 3)]
    refused = CHOICE | UNSCORED | {"item_id": "in.other"}
    async with live(folder) as service:
        await service.register()
        run = await stored(service, [*several, JUDGED, HARMFUL, refused])
        await add_measurements(service.services.database, run, {}, {"probe": "harm", "mean": None, "category": "x"})
        yield service, run


async def test_measurements_come_as_csv(tmp_path: Path) -> None:
    async with answered(tmp_path) as (service, run):
        reply = await service.http.get(f"/api/v1/runs/{run.id}?format=csv")
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        name = f"selfwatch-prod-heartbeat-20260301T120000Z-{run.id[:12]}-measurements.csv"
        assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
        rows = read_csv(reply.text)
        shown = (await service.get(f"/api/v1/runs/{run.id}"))["measurements"]
        assert [(row["probe"], row["mean"], row["n"]) for row in rows] == [
            (one["probe"], "" if one["mean"] is None else str(one["mean"]), str(one["n"])) for one in shown
        ]
        assert {(row["run"], row["endpoint"], row["plan"]) for row in rows} == {(run.id, "prod", "heartbeat")}
        missing = await service.http.get("/api/v1/runs/nothere?format=csv")
        assert missing.status_code == 404
        assert (await service.http.get(f"/api/v1/runs/{run.id}?format=xml")).status_code == 422


async def test_every_answer_comes_in_one_file_of_either_kind(tmp_path: Path) -> None:
    async with answered(tmp_path) as (service, run):
        where = f"/api/v1/runs/{run.id}/answers"
        csv = await service.http.get(f"{where}?format=csv")
        rows = read_csv(csv.text)
        assert len(rows) == MANY
        assert len({(row["item"], row["repeat"]) for row in rows}) == MANY
        assert "content-length" not in csv.headers, "it is sent as it is read"
        assert csv.headers["content-disposition"].endswith('-answers.csv"')
        [harmful] = [row for row in rows if row["harmful"] == "true"]
        assert (harmful["grade"], harmful["score"], harmful["reply"]) == ("4", "0.75", "'=cmd()")
        whole = await service.http.get(f"{where}?all=true")
        assert whole.headers["content-type"] == "application/json"
        document = whole.json()
        assert len(document["answers"]) == MANY
        assert (document["next"], document["removed"]) == (None, None)
        page = await service.get(f"{where}?limit=1000")
        later = await service.get(f"{where}?limit=1000&cursor={page['next']}")
        paged = [*page["answers"], *later["answers"]]
        by_key = {(one["item"], one["repeat"]): one for one in document["answers"]}
        assert {(one["item"], one["repeat"]): one for one in paged} == by_key


async def test_answers_are_filtered_in_every_form(tmp_path: Path) -> None:
    async with answered(tmp_path) as (service, run):
        where = f"/api/v1/runs/{run.id}/answers"
        for query, items in {
            "harmful=true": ["harm.insults.h2"],
            "scored=false": ["in.other"],
            "reason=refused": ["in.other"],
            "probe=harm&category=insults": ["harm.insults.h1", "harm.insults.h2"],
            "item=INSULTS.H1": ["harm.insults.h1"],
            "probe=none": [],
        }.items():
            page = await service.get(f"{where}?{query}")
            assert [one["item"] for one in page["answers"]] == items, query
            document = await service.get(f"{where}?{query}&all=true")
            assert [one["item"] for one in document["answers"]] == items, query
            csv = await service.http.get(f"{where}?{query}&format=csv")
            assert [row["item"] for row in read_csv(csv.text)] == items, query
        for wrong in ("reason=because", "nonsense=1", "format=xml"):
            reply = await service.http.get(f"{where}?{wrong}")
            assert reply.status_code == 422
            assert wrong.partition("=")[0] in reply.json()["detail"]


async def test_the_files_are_documented(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        paths = (await service.get("/openapi.json"))["paths"]
    answers = paths["/api/v1/runs/{run_id}/answers"]["get"]
    assert {"format", "all", "harmful", "reason", "cursor"} <= {one["name"] for one in answers["parameters"]}
    for path in ("/api/v1/runs/{run_id}/answers", "/api/v1/runs/{run_id}"):
        assert {"application/json", "text/csv"} <= {*paths[path]["get"]["responses"]["200"]["content"]}


async def test_what_retention_removed_is_said_on_every_page(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        over = {"retention_at": service.services.clock(), "answered": 1}
        quiet = await stored(service, [CHOICE | {"reply": None}], "a", retention="no_replies", **over)
        gone = await stored(service, [], "b", retention="no_answers", **over)
        page = (await service.http.get(f"/runs/{quiet.id}/answers")).text
        assert "The reply was removed by retention." in page
        assert "The replies of this run were removed" in page
        assert "There is nothing left to read here" in (await service.http.get(f"/runs/{gone.id}/answers")).text
        [row] = read_csv((await service.http.get(f"/api/v1/runs/{quiet.id}/answers?format=csv")).text)
        assert (row["reply"], row["reply_removed"]) == ("", "true")
        compared = await service.http.get(f"/compare?a={quiet.id}&b={gone.id}")
        assert "were removed by retention" in compared.text


async def test_addresses_that_name_nothing_are_explained(tmp_path: Path) -> None:
    async with answered(tmp_path) as (service, run):
        for path, words in {
            "/runs/nothere/answers": "There is no run",
            "/runs/nothere/answers/one?item=x": "There is no run",
            f"/runs/{run.id}/answers/one?item=nothere": "has no answer to the item",
            f"/runs/{run.id}/answers/one?item=in.other&repeat=0": "One answer",
            f"/runs/{run.id}/answers/one": "No such answer",
            f"/compare?a=nothere&b={run.id}": "There is no run &#39;nothere&#39;.",
        }.items():
            reply = await service.http.get(path, headers=BROWSER)
            assert words in reply.text, path
            assert reply.status_code == (200 if words == "One answer" else 404), path
        wrong = await service.http.get(f"/runs/{run.id}/answers?score=nonsense&after=~~", headers=BROWSER)
        assert wrong.status_code == 200
        assert "A filter means nothing and was left out." in wrong.text
        chooser = await service.http.get("/compare?endpoint=prod", headers=BROWSER)
        assert run.id in chooser.text


async def test_pages_of_answers_lead_through_all_of_them(tmp_path: Path) -> None:
    async with answered(tmp_path) as (service, run):
        path, seen = f"/runs/{run.id}/answers?probe=intentions", 0
        while path:
            text = (await service.http.get(path)).text
            seen += text.count("<article")
            _, found, rest = text.partition('rel="next" href="')
            path = rest.partition('"')[0].replace("&amp;", "&") if found else ""
        assert seen == MANY - 2
        back = text.partition('rel="prev" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert (await service.http.get(back)).text.count("<article") == 50


async def test_buttons_hold_resume_and_stop_a_run(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        await service.register()
        held = await stored(service, [], state="queued", paused=True, finished_at=None)
        over = await stored(service, [], "over")
        where = f"/runs/{held.id}"

        async def press(action: str, path: str = where, **more: str) -> Any:
            return await service.http.post(f"{path}/{action}", content=b"", headers=FORM | more)

        foreign = await press("cancel", **{"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        again = await press("pause")
        assert (again.status_code, again.headers["location"]) == (303, where)
        assert (await service.get(f"/api/v1{where}"))["paused"] is True
        stopped = await press("cancel")
        assert (stopped.status_code, stopped.headers["location"]) == (303, where)
        assert (await service.get(f"/api/v1{where}"))["state"] == "cancelled"
        assert (await press("cancel")).status_code == 303, "to stop it twice is no mistake"
        refused = await press("pause", f"/runs/{over.id}")
        assert refused.status_code == 409
        assert "is over (succeeded)" in refused.text
        assert (await press("resume", "/runs/nothere")).status_code == 404


async def test_replies_are_for_those_with_the_scope_and_buttons_for_those_who_may(tmp_path: Path) -> None:
    async with guarded(tmp_path) as service:
        boss = {"Authorization": f"Bearer {service.tokens['boss']}"}
        body = {"name": "prod", "base_url": "http://203.0.113.1/v1", "model": "m", "schedules": {}}
        assert (await service.http.post("/api/v1/endpoints", json=body, headers=boss)).status_code == 201
        run = await stored(service, [HARMFUL], state="queued", paused=True, finished_at=None)
        token = await make_token(service.services.settings, ["read", "transcripts"], "auditor")
        auditor = {"Authorization": f"Bearer {token}"}
        async with service.signed_in("reader") as reader:
            for path in (f"/runs/{run.id}/answers", f"/runs/{run.id}/answers/one?item=harm.insults.h2"):
                page = await reader.get(path)
                assert page.status_code == 403
                assert "Answers are for readers with the scope" in page.text
                assert "=cmd()" not in page.text
                assert (await service.http.get(path, headers=auditor)).status_code == 200
            own = (await reader.get(f"/runs/{run.id}")).text
            assert "/cancel" not in own
            assert "answers?format=csv" not in own
            assert (await reader.post(f"/runs/{run.id}/cancel", content=b"", headers=FORM)).status_code == 403
            assert (await reader.get(f"/api/v1/runs/{run.id}/answers?format=csv")).status_code == 403
            assert (await reader.get(f"/api/v1/runs/{run.id}?format=csv")).status_code == 200
        async with service.signed_in("writer") as writer:
            assert "/cancel" in (await writer.get(f"/runs/{run.id}")).text
            assert (await writer.post(f"/runs/{run.id}/cancel", content=b"", headers=FORM)).status_code == 303
            assert (await writer.get(f"/api/v1/runs/{run.id}")).json()["state"] == "cancelled"
