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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.environment import Environment, PeerUnavailableError, last_line

VERSION = "0.5.0"
MODES = ("anytime", "anytime-fold", "fixed")
ENVIRONMENT = Environment(package="dedrift", version=VERSION)
__all__ = ["Answer", "History", "PeerUnavailableError", "answers", "first_alarms", "version"]
WORKER = Path(__file__).with_name("dedrift_worker.py")


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
    ENVIRONMENT.install()
    workers = min(os.cpu_count() or 1, len(histories))
    found: list[Answer | None] = [None] * len(histories)
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(lambda first: _ask(histories[first::workers], mode), range(workers))
        for first, share in enumerate(shares):
            found[first::workers] = share
    return [answer for answer in found if answer is not None]


def _ask(histories: Sequence[History], mode: str) -> list[Answer]:
    lines = "".join(json.dumps({**asdict(history), "mode": mode}) + "\n" for history in histories)
    ran = subprocess.run([*ENVIRONMENT.python, str(WORKER)], input=lines, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"the dedrift worker failed: {last_line(ran.stderr)}")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(told) != len(histories):
        raise RuntimeError(f"the dedrift worker answered {len(told)} of {len(histories)} histories")
    return [Answer(first_alarm=one["first_alarm"], cpu_s=one["cpu_s"]) for one in told]
