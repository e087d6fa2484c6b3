"""Chromium, and sites of a test's own on loopback."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
MISSING = not CHROMIUM.exists() and os.environ.get("CI") is None
WHY_MISSING = "/usr/bin/chromium is missing: apt-get install chromium (required where CI is set)"
needs_chromium = pytest.mark.skipif(MISSING, reason=WHY_MISSING)


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """A browser with FLAGS and `more`. Skips the test where there is none and none is required."""
    if MISSING:
        pytest.skip(WHY_MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, *more])
        yield browser
        browser.close()


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A site on loopback; gives its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()
