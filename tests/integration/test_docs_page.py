"""The API page works without any other server, and its parts are the ones named in LICENSES.md."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from service.ui.render import STATIC
from tests.support.browser import CHROMIUM, FLAGS, needs_chromium
from tests.support.live import live


def test_third_party_files_are_unchanged() -> None:
    listed = re.findall(r"sha256 of `([^`]+)`: `([0-9a-f]{64})`", (STATIC / "LICENSES.md").read_text(encoding="utf-8"))
    assert len(listed) == 5
    for name, digest in listed:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.browser
@needs_chromium
async def test_the_api_page_shows_every_call_and_asks_no_other_server(tmp_path: Path) -> None:
    async with live(tmp_path) as service, async_playwright() as play:
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        page = await browser.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        await page.goto(f"{service.url}/docs")
        await page.get_by_text("/api/v1/endpoints/{name}/runs").first.wait_for()
        await browser.close()
    assert all(url.startswith((service.url, "data:")) for url in asked), asked
    assert not said, said
