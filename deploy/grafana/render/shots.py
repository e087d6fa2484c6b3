"""`make grafana-shots`: draws every dashboard from live data, looks at it, and saves the pictures of the docs.

Exit status 0: all is well; 1: something is wrong with a panel, and it is printed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from deploy.grafana.render.stack import HERE, Stack, up

ROOT = HERE.parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LOOK = (HERE / "look.js").read_text(encoding="utf-8")
WIDTHS = (1920, 1280)
"""In px. The first goes into the docs."""
DASHBOARDS: Mapping[str, dict[str, str]] = {"fleet": {}, "endpoint": {"var-endpoint": "drifting"}, "service": {}}
"""What is chosen in each."""
EMPTY_IN_DEMO: Mapping[str, Mapping[str, str]] = {"fleet": {}, "endpoint": {}, "service": {}}
"""Panels that a healthy demo has nothing for, and why."""
LARGEST = 400_000
"""Of a picture, in bytes."""
DRAWN_S = 60.0
SETTLED = """() => window.failed ||
    (document.querySelector('[data-panel]') && !document.querySelector('[data-state=loading]'))"""


def shoot(browser: Browser, stack: Stack, name: str, *, width: int, picture: Path) -> list[str]:
    """Draw dashboard `name` over the time since the stack is up, save it, and tell what is wrong with it."""
    query = {"dashboard": name, "from": f"{stack.since * 1000:.0f}", "to": f"{time.time() * 1000:.0f}"}
    page = browser.new_page(viewport={"width": width, "height": 1080})
    said: list[str] = []
    page.on("console", lambda message: said.extend(_worth_telling(message)))
    page.on("pageerror", lambda error: said.append(f"error in the page: {error}"))
    page.on("requestfailed", lambda request: said.append(f"not fetched: {request.url}"))
    try:
        page.goto(f"{stack.page}/?{urlencode(query | DASHBOARDS[name])}")
        page.wait_for_function(SETTLED, timeout=DRAWN_S * 1000)
        if failed := page.evaluate("window.failed"):
            return [f"{name}: {failed}"]
        _grow(page)
        page.screenshot(path=picture, full_page=True)
        said += _shrunk(picture)
        found = said + [f"{title!r} {what}" for title, what in page.evaluate(LOOK) if _counts(name, title, what)]
        return [f"{name} at {width} px: {problem}" for problem in found]
    finally:
        page.close()


def _shrunk(picture: Path) -> list[str]:
    """A palette takes a third of the bytes. Tells when the picture is still too large for a repository."""
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--strip", "--output", picture, "256", picture], check=True)  # noqa: S603, S607 (fixed words)
    size = picture.stat().st_size
    return [f"{picture} has {size} bytes, over {LARGEST}: install pngquant"] if size > LARGEST else []


def _worth_telling(message: ConsoleMessage) -> list[str]:
    return [f"console {message.type}: {message.text}"] if message.type in ("error", "warning") else []


def _grow(page: Page) -> None:
    """As high as the dashboard, and still: images loaded, fonts there, all painted."""
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})  # type: ignore[index] # it has one
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => new Promise((done) => setTimeout(done, 500)))")


def _counts(dashboard: str, title: str, what: str) -> bool:
    return not (what == "has no data" and title in EMPTY_IN_DEMO[dashboard])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=200, help="how long to scrape before the pictures")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "grafana", help="where all pictures go")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where those of the docs go")
    parser.add_argument("--keep", action="store_true", help="go on serving the page afterwards, until Ctrl-C")
    return parser.parse_args()


def main() -> int:
    """Blocking; takes as long as it scrapes, and about a minute more. Returns the exit status."""
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with ExitStack() as held:
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="selfwatch-shots-"))
        stack = held.enter_context(up(Path(folder)))
        print(f"scraping {stack.service} into {stack.prometheus} for {asked.seconds:.0f} s ...", flush=True)  # noqa: T201 (a command tells what it does)
        time.sleep(asked.seconds)
        browser = held.enter_context(sync_playwright()).chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        for name in DASHBOARDS:
            for width in WIDTHS:
                picture = (
                    asked.docs / f"grafana-{name}.png" if width == WIDTHS[0] else asked.out / f"{name}-{width}.png"
                )
                problems += shoot(browser, stack, name, width=width, picture=picture)
                print(picture, flush=True)  # noqa: T201
        browser.close()
        print("\n".join(problems) or "every panel has data, and no text is cut off or covered")  # noqa: T201
        if asked.keep:
            _serve(stack)
    return 1 if problems else 0


def _serve(stack: Stack) -> None:
    print(f"{stack.page}/?dashboard=fleet&from={stack.since * 1000:.0f}&to={time.time() * 1000:.0f}", flush=True)  # noqa: T201
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    sys.exit(main())
