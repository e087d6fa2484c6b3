"""Errors as a person sees them in a browser; programs go on getting problem+json."""

from pathlib import Path

import pytest

from service.services import Services
from tests.support.guarded import BROWSER, ORIGIN, guarded
from tests.support.live import live

PAGES = [
    ("GET", "/nowhere", 404, "There is no such page"),
    ("GET", "/endpoints/nobody", 404, "No such endpoint"),
    ("GET", "/runs/nothing", 404, "No such run"),
    ("GET", "/<script>alert(1)</script>", 404, "&lt;script&gt;"),
    ("POST", "/", 405, "cannot be used with POST"),
    ("DELETE", "/endpoints/prod", 405, "That does not work here"),
    ("GET", "/alerts?page=many", 422, "This request cannot be read"),
    ("POST", "/endpoints/new", 415, "This did not work"),
]


async def test_a_browser_gets_a_page_and_a_program_json(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        for method, path, status, said in PAGES:
            page = await service.http.request(method, path, headers=BROWSER | ORIGIN)
            assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
            assert said in page.text, path
            assert "<script>alert" not in page.text
            assert "script-src 'self'" in page.headers["content-security-policy"]
            assert page.headers["referrer-policy"] == "same-origin"
            program = await service.http.request(method, path, headers={"Accept": "*/*"})
            assert program.status_code == status
            if "No such" not in said:
                assert program.headers["content-type"] == "application/problem+json", path
        api = await service.http.get("/api/v1/endpoints/nobody", headers=BROWSER)
        assert api.headers["content-type"] == "application/problem+json", "the API's errors stay what they are"
        script = await service.http.get("/nowhere", headers=BROWSER | {"HX-Request": "true"})
        assert script.headers["content-type"] == "application/problem+json"


async def test_a_form_of_another_site_gets_a_page_too(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        page = await service.http.post("/endpoints/new", data={}, headers=BROWSER | {"Sec-Fetch-Site": "cross-site"})
        assert page.status_code == 403
        assert "This did not come from a page of Selfwatch" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_while_the_database_is_gone_the_page_says_so_and_comes_back(tmp_path: Path) -> None:
    """The file is moved away, as by a backup that went wrong. Also for who is signed in: that is in the file, too."""
    file, away = tmp_path / "data" / "selfwatch.db", tmp_path / "away"
    async with guarded(tmp_path) as service, service.signed_in("reader") as browser:
        assert (await browser.get("/")).status_code == 200
        file.rename(away)
        try:
            for path in ("/", "/endpoints/prod", "/sign-in"):
                page = await browser.get(path)
                assert page.status_code == 503, path
                assert "Selfwatch cannot read its database" in page.text
                assert page.headers["retry-after"] == "5"
                assert "Traceback" not in page.text
                assert "sqlite" not in page.text.lower()
            refused = await browser.post("/sign-out", headers=ORIGIN)
            assert refused.status_code == 503
        finally:
            away.rename(file)
        assert (await browser.get("/")).status_code == 200


async def test_a_fault_of_ours_has_a_reference_and_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with live(tmp_path) as service:
        broken: Services = service.services
        service_app_alerting = broken.alerting
        object.__setattr__(broken, "alerting", None)  # the next page that asks for alerts fails
        try:
            page = await service.http.get("/", headers=BROWSER)
            program = await service.http.get("/", headers={"Accept": "*/*"})
        finally:
            object.__setattr__(broken, "alerting", service_app_alerting)
        assert page.status_code == program.status_code == 500
        assert "Something went wrong in Selfwatch" in page.text
        assert "Traceback" not in page.text
        assert "NoneType" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"], "it is answered outside of the guard"
        reference = page.text.partition("Reference</span> <code>")[2].partition("<")[0]
        assert len(reference) == 8
        assert program.json()["reference"] != reference
        assert (await service.http.get("/", headers=BROWSER)).status_code == 200
