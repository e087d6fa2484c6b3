"""What a log may hold: never what a local variable held, such as a reply or a key."""

import subprocess
import sys

import pytest

FAILING = """
import logging, sys
from service import log
if len(sys.argv) > 1:
    log.configure("info", sys.argv[1])

def fails(reply):
    held = {"reply": reply}
    raise ValueError("the reason")

try:
    fails("".join(["SENT", "INEL"]))
except ValueError as error:
    log.logger().exception("one")
    log.logger().error("two", exc_info=error)
    logging.getLogger("uvicorn.error").exception("three")
"""


@pytest.mark.parametrize("style", ["console", "json", None], ids=str)
def test_a_traceback_tells_where_and_why_but_no_local_variable(style: str | None) -> None:
    arguments = [style] if style else []  # without one nothing was configured: as in commands that are no server
    done = subprocess.run(
        [sys.executable, "-c", FAILING, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    said = done.stdout + done.stderr
    assert said.count("ValueError: the reason") == 3
    assert said.count("in fails") == 3
    assert "SENTINEL" not in said
