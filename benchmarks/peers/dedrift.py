"""dedrift (AGPL-3.0) as a peer: run in a process and an environment of its own, never imported.

The environment is made once, in a folder under the user's temp dir, with the version pinned here. What of dedrift is
used, and how an answer becomes one of its records, is told at the top of `dedrift_worker.py`; in short: its default
settings, one canary family, bad answers as refusals, the baseline cycles as its golden baseline, and after each further
cycle its own check (`run_anytime_check`, what `dedrift check --inference anytime` runs). An alarm is the first check
that alerts on refusal with the rate up.

Modes: "anytime" is the shipped always-valid path. It reads all records again at every check, so its cost grows with
the square of the cycles; "anytime-fold" folds the same cycles with dedrift's own e-value, e-process and e-BH functions
but without its store, for long studies. "fixed" is dedrift's default mode, whose error is controlled per check only.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = "0.5.0"
MODES = ("anytime", "anytime-fold", "fixed")
FOLDER = Path(tempfile.gettempdir()) / "selfwatch-bench-dedrift"
PYTHON = FOLDER / "bin" / "python"
WORKER = Path(__file__).with_name("dedrift_worker.py")
INSTALL_SECONDS = 600
# -I keeps this folder off the worker's path, where this very file would stand in for the package, and PYTHONPATH too.
ISOLATED = (str(PYTHON), "-I")


class PeerUnavailableError(RuntimeError):
    """dedrift cannot be installed here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class History:
    """One endpoint's life: each inner list holds the answers of one cycle, 1 for a bad one."""

    baseline: list[list[int]]
    cycles: list[list[int]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    first_alarm: int | None  # 1-based cycle
    cpu_s: float  # of the worker, up to that alarm or the end


def version() -> str:
    return VERSION


def first_alarms(histories: Sequence[History], *, mode: str = "anytime") -> list[int | None]:
    """The 1-based cycle of each history's first alarm, None where there is none."""
    return [answer.first_alarm for answer in answers(histories, mode=mode)]


def answers(histories: Sequence[History], *, mode: str = "anytime") -> list[Answer]:
    """The same with the CPU it cost, one worker per core."""
    if mode not in MODES:
        raise ValueError(f"dedrift has no mode {mode!r} here: use one of {', '.join(MODES)}")
    if not histories:
        return []
    _install()
    workers = min(os.cpu_count() or 1, len(histories))
    found: list[Answer | None] = [None] * len(histories)
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(lambda first: _ask(histories[first::workers], mode), range(workers))
        for first, share in enumerate(shares):
            found[first::workers] = share
    return [answer for answer in found if answer is not None]


def _ask(histories: Sequence[History], mode: str) -> list[Answer]:
    lines = "".join(json.dumps({**asdict(history), "mode": mode}) + "\n" for history in histories)
    ran = subprocess.run([*ISOLATED, str(WORKER)], input=lines, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"the dedrift worker failed: {_last_line(ran.stderr)}")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(told) != len(histories):
        raise RuntimeError(f"the dedrift worker answered {len(told)} of {len(histories)} histories")
    return [Answer(first_alarm=one["first_alarm"], cpu_s=one["cpu_s"]) for one in told]


def _install() -> None:
    if FOLDER.exists() and FOLDER.stat().st_uid != os.getuid():
        raise PeerUnavailableError(f"{FOLDER} belongs to another user: remove it")
    if _installed():
        return
    _must([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    _must([*ISOLATED, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"dedrift=={VERSION}"])
    if not _installed():
        raise PeerUnavailableError(f"pip reported success, but dedrift {VERSION} cannot be found in {FOLDER}")


def _installed() -> bool:
    ask = "from importlib.metadata import version; print(version('dedrift'))"
    try:
        ran = subprocess.run([*ISOLATED, "-c", ask], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return ran.stdout.strip() == VERSION


def _must(command: list[str]) -> None:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerUnavailableError(f"dedrift {VERSION} cannot be installed: {error}") from error
    if ran.returncode:
        reason = _last_line(ran.stderr or ran.stdout)
        raise PeerUnavailableError(f"dedrift {VERSION} cannot be installed: {reason}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
