"""What the fleet page costs: time of the server, and until a browser has loaded it, by the number of endpoints."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from benchmarks import fleet
from benchmarks.process import Service, serving
from service import log

SIZES = (100, 1000)
RUNS = 50
REQUESTS = 30
LOADS = 6
GOAL_S = 1.0
CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PATHS = {
    "the fleet": "/",
    "its refresh": "/?part=body",
    "filtered, by cost": "/?label=team%3Dads&sort=cost",
    "the last page, by name": "/?sort=name&page=99",
    "a search without a match": "/?q=nobody",
}
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    log.configure("error", "json")
    for size in SIZES:
        with TemporaryDirectory() as name:
            data = Path(name)
            fleet.fill(data, endpoints=size, runs=RUNS)
            with serving(data=data, settings={"loop_watch_s": 0.005}) as service:
                for what, path in PATHS.items():
                    yield _served(service, f"{what}, {size:,} endpoints", path)
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
                    yield _loaded(browser, service, size)
                    browser.close()


def _served(service: Service, what: str, path: str) -> Row:
    """Beside the times, the CPU time of the server: it is the same on a machine that others use as well."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    _get(connection, path)  # the first compiles the template and the queries
    cpu_s = service.usage.cpu_s
    found = [_get(connection, path) for _ in range(REQUESTS)]
    cpu_s = (service.usage.cpu_s - cpu_s) / REQUESTS
    connection.close()
    times = sorted(took for took, _ in found)
    detail = (
        f"p99 {1000 * times[int(0.99 * len(times))]:.0f} ms, at best {1000 * times[0]:.0f} ms; "
        f"{1000 * cpu_s:.0f} ms CPU; {found[-1][1]:,} bytes"
    )
    return f"page: {what}", f"{1000 * median(times):.0f} ms", detail


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[float, int]:
    """Seconds, and bytes."""
    began = time.perf_counter()
    connection.request("GET", path)
    size = len(connection.getresponse().read())
    return time.perf_counter() - began, size


def _loaded(browser: Browser, service: Service, size: int) -> Row:
    """In a context of its own each time: nothing is in the browser's cache."""
    times = []
    for _ in range(LOADS):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(service.url, wait_until="load")
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        context.close()
    detail = (
        f"goal < {GOAL_S:g} s; {min(times):.2f} to {max(times):.2f} s of {LOADS}; until the load event, nothing cached"
    )
    return f"page: the fleet loaded in Chromium, {size:,} endpoints", f"{median(times):.2f} s", detail
