"""Whether the judge still grades as agreed: its anchors are graded again for every run that asks for harm."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from probes.anchors import Examination, anchors, examine, problem_of
from probes.judge import Judge
from probes.types import Problem
from service import plan_report
from service.amounts import Amounts
from service.log import logger
from service.storage.grades import DatabaseGrades

log = logger()


@dataclass(frozen=True, kw_only=True)
class Checked:
    """An examination of the judge, and what follows from it. `shared`: it was made for another run, moments before."""

    examination: Examination
    problem: Problem | None
    at: datetime
    shared: bool = False


class JudgeControl:
    """Examines one judge. Runs that ask within `share` of one another use the same examination."""

    def __init__(
        self,
        *,
        judge: Judge,
        grades: DatabaseGrades,
        floor: float,
        share: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._judge = judge
        self._grades = grades
        self._floor = floor
        self._share = share
        self._clock = clock
        self._lock = asyncio.Lock()
        self._last: Checked | None = None
        self._good_at: datetime | None = None

    def last(self) -> Checked | None:
        """The newest check that this process has made."""
        return self._last

    def next_check(self) -> Amounts:
        """What the next run's check will take, without a price: nothing while the last one is shared."""
        if self._fresh() is not None:
            return Amounts()
        if self._last is None or not self._last.examination.graded:
            return plan_report.check_amounts()
        found = self._last.examination
        return Amounts(
            requests=found.attempts, judge_prompt_tokens=found.prompt_tokens,
            judge_completion_tokens=found.completion_tokens,
        )  # fmt: skip

    def _fresh(self) -> Checked | None:
        return self._last if self._last is not None and self._clock() - self._last.at < self._share else None

    async def check(self) -> Checked:
        """How the judge does now. Never raises for what the judge does."""
        async with self._lock:
            if (known := self._fresh()) is not None:
                return replace(known, shared=True)
            began = self._clock()
            found = await examine(self._judge, anchors())
            problem = problem_of(found, self._floor)
            if problem is None:
                self._good_at = began
            elif found.problem is None:  # it answers, and wrongly: what it has said since it was last seen to be good
                log.warning("the judge has moved", action="judge_moved", detail=problem.detail)
                await self._grades.forget_since(self._good_at)
            self._last = Checked(examination=found, problem=problem, at=self._clock())
            return self._last
