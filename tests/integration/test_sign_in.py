"""Signing in over HTTP, at a service that other machines could reach: sessions, their end, and attacks on them."""

import asyncio
import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from service.sessions import MOST_OF_A_TOKEN
from tests.support.guarded import BROWSER, ORIGIN, Guarded, guarded
from tests.support.live import live
from tests.unit.service.test_local_path import ELSEWHERE

BODY = {"name": "prod", "base_url": "http://127.0.0.1:9/v1", "model": "m", "schedules": {}}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(tmp_path: Path, clock: Clock) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, clock) as started:
        yield started


def stored(folder: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    """The answer of the database file, as another program sees and changes it."""
    with closing(sqlite3.connect(folder / "data" / "selfwatch.db", timeout=30)) as database:
        found = database.execute(sql, values).fetchall()
        database.commit()
        return found


async def test_a_browser_is_led_to_the_sign_in_and_back(service: Guarded) -> None:
    async with service.browser() as browser:
        for path in ("/", "/?page=2", "/endpoints/prod", "/docs"):
            reply = await browser.get(path)
            assert reply.status_code == 303
            assert "www-authenticate" not in reply.headers, "the browser would open its own password window"
            assert parse_qs(urlsplit(reply.headers["location"]).query) == {"next": [path]}
        shown = await browser.get(reply.headers["location"], headers=ORIGIN)
        assert shown.status_code == 200
        assert 'name="token" type="password"' in shown.text
        assert shown.headers["cache-control"] == "no-store"
        sent = {"token": f" {service.tokens['reader']}\n", "next": "/?page=2"}
        reply = await browser.post("/sign-in", data=sent, headers=ORIGIN)
        assert (reply.status_code, reply.headers["location"]) == (303, "/?page=2")
        page = await browser.get("/")
        assert page.status_code == 200
        assert "reader" in page.text
        assert "Sign out" in page.text


async def test_the_cookie_is_out_of_reach_and_the_database_holds_only_its_hash(
    service: Guarded, tmp_path: Path
) -> None:
    async with service.browser() as browser:
        reply = await browser.post("/sign-in", data={"token": service.tokens["reader"]}, headers=ORIGIN)
        (cookie,) = SimpleCookie(reply.headers["set-cookie"]).values()
        assert cookie.key == "selfwatch_session"
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
        assert (cookie["secure"], cookie["domain"]) == ("", "")
        ((digest, row),) = stored(tmp_path, "SELECT digest, token_id FROM sessions")
        assert len(str(digest)) == 64
        assert row == 1
    for file in (tmp_path / "data").iterdir():
        content = file.read_bytes()
        assert cookie.value.encode() not in content
        assert service.tokens["reader"].encode() not in content


async def test_behind_https_the_cookie_is_bound_to_it(tmp_path: Path) -> None:
    async with guarded(tmp_path, public_url="https://watch.example") as service, service.browser() as browser:
        sent = {"Origin": "https://watch.example"}
        reply = await browser.post("/sign-in", data={"token": service.tokens["reader"]}, headers=sent)
        (cookie,) = SimpleCookie(reply.headers["set-cookie"]).values()
        assert cookie.key == "__Host-selfwatch_session"
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
        by_proxy = {"Cookie": f"{cookie.key}={cookie.value}"}
        assert (await browser.get("/", headers=by_proxy)).status_code == 200
        plain = {"Cookie": f"selfwatch_session={cookie.value}"}
        assert (await browser.get("/", headers=plain)).status_code == 303, "a subdomain could set that one"
        out = await browser.post("/sign-out", headers=by_proxy | sent)
        assert "Secure" in out.headers["set-cookie"], "without it browsers do not take the change"
        assert (await browser.get("/", headers=by_proxy)).status_code == 303


async def test_over_plain_http_the_pages_of_https_say_where_to_sign_in(tmp_path: Path) -> None:
    """The browser would drop the cookie, and the person would be asked again and again."""
    async with guarded(tmp_path, public_url="https://watch.example") as service, service.browser() as browser:
        sent = {"token": service.tokens["reader"]}
        for origin, host, status in (
            ("http://10.0.0.5:8321", "10.0.0.5:8321", 403),
            ("http://localhost:8321", "localhost:8321", 303),
            ("https://watch.example", "10.0.0.5:8321", 303),
        ):
            reply = await browser.post("/sign-in", data=sent, headers={"Origin": origin, "Host": host})
            assert reply.status_code == status, origin
            assert ("set-cookie" in reply.headers) is (status == 303)
            assert status == 303 or "set up for https://watch.example" in reply.text


async def test_programs_get_what_they_got(service: Guarded) -> None:
    path, token = "/api/v1/endpoints", service.tokens["reader"]
    reply = await service.http.get(path)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"].startswith("Basic")
    basic = "Basic " + base64.b64encode(f"me:{token}".encode()).decode()
    for header, status in ((f"Bearer {token}", 200), (basic, 200), ("Bearer swt_no", 401), ("Basic !", 401)):
        for asked in (path, "/", "/metrics"):
            assert (await service.http.get(asked, headers={"Authorization": header})).status_code == status, header
    bearer = {"Authorization": f"Bearer {service.tokens['writer']}"}
    assert (await service.http.post(path, json=BODY, headers=bearer)).status_code == 201
    assert (await service.http.delete(f"{path}/prod", headers=bearer)).status_code == 204


async def test_a_session_calls_the_api_with_the_scopes_of_its_token(service: Guarded) -> None:
    path = "/api/v1/endpoints"
    async with service.signed_in("reader") as reader, service.signed_in("writer") as writer:
        assert (await reader.get(path, headers={"Accept": "*/*"})).status_code == 200
        refused = await reader.post(path, json=BODY, headers=ORIGIN)
        assert refused.status_code == 403
        assert refused.json()["missing_scope"] == "write"
        assert (await writer.post(path, json=BODY, headers=ORIGIN)).status_code == 201
        secret = BODY | {"name": "other", "api_key_env": "HOME"}
        assert (await writer.post(path, json=secret, headers=ORIGIN)).json()["missing_scope"] == "admin"
        wrong = {"Authorization": "Bearer swt_no", "Accept": "*/*"}
        assert (await writer.get(path, headers=wrong)).status_code == 401, "a wrong token is not made good by a session"
    async with service.signed_in("boss") as boss:
        assert (await boss.post(path, json=secret, headers=ORIGIN)).status_code == 201


async def test_signing_out_ends_the_session_itself(service: Guarded, tmp_path: Path) -> None:
    async with service.signed_in("reader") as browser:
        copied = {"Cookie": f"selfwatch_session={browser.cookies['selfwatch_session']}"}
        assert (await browser.get("/")).status_code == 200
        out = await browser.post("/sign-out", headers=ORIGIN)
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in?looked=1")
        assert "selfwatch_session" not in browser.cookies
    async with service.browser() as thief:
        assert (await thief.get("/", headers=copied)).status_code == 303
        assert (await thief.post("/sign-out", headers=ORIGIN)).status_code == 303, "there is nothing to end"
    assert stored(tmp_path, "SELECT * FROM sessions") == []


@pytest.mark.parametrize("foreign_keys", [False, True])
async def test_a_revoked_token_ends_its_sessions_at_once(service: Guarded, tmp_path: Path, foreign_keys: bool) -> None:
    async with service.signed_in("boss") as browser, service.signed_in("reader") as other:
        assert (await browser.get("/")).status_code == 200
        with closing(sqlite3.connect(tmp_path / "data" / "selfwatch.db", timeout=30)) as database:
            database.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
            database.execute("DELETE FROM tokens WHERE name = 'boss'")
            database.commit()
        assert (await browser.get("/")).status_code == 303
        assert (await other.get("/")).status_code == 200
        # SQLite gives the id away again: the next token must not inherit the session
        columns = "name, digest, scopes, created_at"
        stored(tmp_path, f"INSERT INTO tokens ({columns}) VALUES ('new', ?, '[\"admin\"]', '2026-11-25')", "0" * 64)
        assert stored(tmp_path, "SELECT id FROM tokens WHERE name = 'new'") == [(3,)]
        assert (await browser.get("/")).status_code == 303


async def test_scopes_that_are_taken_away_are_gone_at_once(service: Guarded, tmp_path: Path) -> None:
    async with service.signed_in("writer") as browser:
        stored(tmp_path, "UPDATE tokens SET scopes = '[\"read\"]' WHERE name = 'writer'")
        assert (await browser.post("/api/v1/endpoints", json=BODY, headers=ORIGIN)).status_code == 403
        assert (await browser.get("/")).status_code == 200


async def test_a_session_ends_when_it_is_idle_and_at_the_latest_after_a_week(service: Guarded, clock: Clock) -> None:
    async with service.signed_in("reader") as idle, service.signed_in("reader") as busy:
        for _ in range(15):
            clock.now += timedelta(hours=11)
            assert (await busy.get("/")).status_code == 200
        shown = await idle.get("/")
        assert shown.status_code == 303
        page = await idle.get(shown.headers["location"], headers=ORIGIN)
        assert "Your session has ended" in page.text
        clock.now += timedelta(hours=4)
        assert (await busy.get("/")).status_code == 303, "seven days are over"


async def test_sessions_do_not_pile_up(service: Guarded, clock: Clock, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        browsers = [await stack.enter_async_context(service.signed_in("reader")) for _ in range(MOST_OF_A_TOKEN + 3)]
        other = await stack.enter_async_context(service.signed_in("boss"))
        assert stored(tmp_path, "SELECT count(*) FROM sessions WHERE token_id = 1") == [(MOST_OF_A_TOKEN,)]
        looked = [await browser.get("/") for browser in (browsers[2], browsers[3], browsers[-1], other)]
        assert [reply.status_code for reply in looked] == [303, 200, 200, 200]
        clock.now += timedelta(days=8)
        await stack.enter_async_context(service.signed_in("reader"))
        assert stored(tmp_path, "SELECT count(*) FROM sessions") == [(1,)]


async def test_no_session_can_be_planted(service: Guarded, tmp_path: Path) -> None:
    """Fixation: whatever the browser has before, it gets a new secret, and the old one is worth nothing."""
    async with service.browser() as browser:
        planted = {"Cookie": "selfwatch_session=planted-by-somebody"}
        sent = {"token": service.tokens["boss"]}
        reply = await browser.post("/sign-in", data=sent, headers=ORIGIN | planted)
        (cookie,) = SimpleCookie(reply.headers["set-cookie"]).values()
        assert cookie.value != "planted-by-somebody"
        browser.cookies.clear()
        assert (await browser.get("/", headers=planted)).status_code == 303
    async with service.signed_in("reader") as victim:
        first = {"Cookie": f"selfwatch_session={victim.cookies['selfwatch_session']}"}
        await victim.post("/sign-in", data=sent, headers=ORIGIN)
        assert "boss" in (await victim.get("/")).text
    async with service.browser() as thief:
        assert (await thief.get("/", headers=first)).status_code == 303, "the session before is over"


async def test_no_spelling_of_next_leads_away(service: Guarded) -> None:
    for wanted in ELSEWHERE:
        async with service.browser() as browser:
            page = await browser.get("/sign-in", params={"next": wanted}, headers=ORIGIN)
            assert 'name="next" value="/"' in page.text, wanted
            sent = {"token": service.tokens["reader"], "next": wanted}
            reply = await browser.post("/sign-in", data=sent, headers=ORIGIN)
            assert (reply.status_code, reply.headers["location"]) == (303, "/"), wanted
            again = await browser.get("/sign-in", params={"next": wanted})
            assert (again.status_code, again.headers["location"]) == (303, "/"), wanted


FORGED = [
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, "another site"),
    ({"Sec-Fetch-Site": "same-site", "Origin": "http://other.127.0.0.1"}, "another site"),
    ({"Origin": "https://evil.example"}, "another site"),
    ({"Origin": "null"}, "another site"),
    ({"Referer": "https://evil.example/form"}, "another site"),
    ({}, "does not say which page"),
]


async def test_a_forged_form_changes_nothing(service: Guarded) -> None:
    """As if a browser had sent the cookie all the same."""
    json_in_text = b'{"name": "forged", "base_url": "http://127.0.0.1:9/v1", "model": "m", "x": "="}'
    async with service.signed_in("boss") as victim:
        for headers, why in FORGED:
            for path, kind in (
                ("/api/v1/endpoints", "text/plain"),
                ("/api/v1/endpoints", "application/json"),
                ("/sign-out", "application/x-www-form-urlencoded"),
            ):
                reply = await victim.post(path, content=json_in_text, headers=headers | {"Content-Type": kind})
                assert reply.status_code == 403, headers
                assert why in reply.text
            for method, path in (("DELETE", "/api/v1/endpoints/prod"), ("POST", "/sign-in"), ("PATCH", "/nowhere")):
                assert (await victim.request(method, path, headers=headers)).status_code == 403, headers
        assert (await victim.get("/")).status_code == 200, "still signed in"
        assert (await victim.get("/api/v1/endpoints", headers={"Accept": "*/*"})).json() == {"endpoints": []}


async def test_json_in_another_dress_is_refused_from_our_own_pages_too(service: Guarded) -> None:
    async with service.signed_in("boss") as browser:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            reply = await browser.post(
                "/api/v1/endpoints", content=b'{"name": "a"}', headers=ORIGIN | {"Content-Type": kind}
            )
            assert reply.status_code == 422
        form = {"token": service.tokens["reader"]}
        reply = await browser.post("/sign-in", json=form, headers=ORIGIN | BROWSER)
        assert reply.status_code == 415
        long = await browser.post("/sign-in", data={"token": "x" * 70_000}, headers=ORIGIN)
        assert long.status_code == 413
        broken = {"Content-Type": "application/x-www-form-urlencoded"} | ORIGIN
        for body in (b"token=%ff", b"token=\xff", b"&".join(b"a=1" for _ in range(600))):
            assert (await browser.post("/sign-in", content=body, headers=broken)).status_code == 400


async def test_guessing_is_slowed_down(service: Guarded) -> None:
    async with service.browser() as browser:

        async def guess(token: str) -> httpx2.Response:
            return await browser.post("/sign-in", data={"token": token, "next": "/docs"}, headers=ORIGIN)

        first = await guess("swt_wrong")
        assert first.status_code == 403
        assert "There is no such token" in first.text
        assert "swt_wrong" not in first.text
        assert 'value="/docs"' in first.text, "where it leads is not lost"
        replies = await asyncio.gather(*(guess(f"swt_{number}") for number in range(40)))
        assert sorted(reply.status_code for reply in replies) == [403] * 9 + [429] * 31
        late = await guess(service.tokens["reader"])
        assert late.status_code == 429
        assert 0 < int(late.headers["retry-after"]) <= 60
        assert f"Try again in {late.headers['retry-after']} s" in late.text
        bearer = {"Authorization": f"Bearer {service.tokens['reader']}"}
        assert (await service.http.get("/", headers=bearer)).status_code == 200, "who has a token is not locked out"


async def test_a_script_of_a_page_is_told_without_a_password_window(service: Guarded) -> None:
    """htmx, EventSource, fetch: a 401, whose challenge makes no browser ask by itself."""
    for headers in (
        BROWSER | {"HX-Request": "true"},
        {"Accept": "text/event-stream"},
        {"Accept": "*/*", "Sec-Fetch-Mode": "cors"},
        {"Accept": "*/*", "Cookie": "selfwatch_session=over"},
    ):
        for path in ("/?part=body", "/api/v1/events"):
            reply = await service.http.get(path, headers=headers)
            assert reply.status_code == 401, headers
            assert reply.headers["www-authenticate"].startswith("Bearer"), headers
    person = BROWSER | {"Sec-Fetch-Mode": "navigate"}
    assert (await service.http.get("/api/v1/endpoints", headers=person)).status_code == 303, "by a link of a page"


async def test_a_visit_from_elsewhere_looks_again_where_the_cookie_is_sent(service: Guarded) -> None:
    """A link in a chat: browsers hold a strict cookie back then, and send it when the page loads itself."""
    async with service.signed_in("reader") as browser:
        where = "/sign-in?next=/endpoints/prod"
        without = BROWSER | {"Sec-Fetch-Site": "cross-site"}
        page = await service.http.get(where, headers=without)
        again = "/sign-in?next=%2Fendpoints%2Fprod&amp;looked=1"
        assert f'<meta http-equiv="refresh" content="0; url={again}">' in page.text
        reply = await browser.get(again.replace("&amp;", "&"), headers=ORIGIN)
        assert (reply.status_code, reply.headers["location"]) == (303, "/endpoints/prod")
    assert "refresh" not in (await service.http.get(again.replace("&amp;", "&"), headers=without)).text, "only once"


async def test_on_this_machine_nobody_signs_in(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        for path, leads in (("/sign-in", "/"), ("/sign-in?next=/docs", "/docs"), ("/sign-in?next=//evil", "/")):
            reply = await service.http.get(path, headers=BROWSER)
            assert (reply.status_code, reply.headers["location"]) == (303, leads)
        for path, data in (("/sign-in", {"token": "x"}), ("/sign-out", {})):
            reply = await service.http.post(path, data=data, headers=ORIGIN)
            assert (reply.status_code, reply.headers["location"]) == (303, "/")
        page = (await service.http.get("/", headers=BROWSER)).text
        assert "Sign out" not in page
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            assert (await service.http.post("/api/v1/endpoints", json=BODY, headers=headers)).status_code == 403
        assert (await service.http.post("/api/v1/endpoints", json=BODY)).status_code == 201, "curl says nothing of it"
