"""What tells of the health of this process beside what is in the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from service.judge_control import Checked
from service.loop_lag import LoopLag
from service.retention import Report

STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """`began`: when this process started. `judge`: its newest check in this process; None where there is no judge."""

    began: datetime
    lag: LoopLag
    retention: Report
    notifiers: tuple[str, ...]
    judge: Callable[[], Checked | None] | None


def resident_bytes() -> int | None:
    """Memory that the process holds; None where the system does not tell (it is no Linux)."""
    try:
        return int(STATM.read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
