"""How a run's asking ended: what the monitor hands to the conclusion."""

from dataclasses import dataclass
from typing import Any

from probes.types import Problem
from service.judge_control import Checked


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the asking ended. No problem and not cancelled: every question was put, or `early` says why the
    rest was not needed."""

    problem: Problem | None = None
    judge_problem: Problem | None = None
    cancelled: bool = False
    judge_check: Checked | None = None
    early: dict[str, Any] | None = None
