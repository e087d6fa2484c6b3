"""Looks at a long run while it is asked, and says when the rest is not needed."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from baselines import early
from probes.types import Answer, Plan
from service import basis
from service.false_alarms import arms_of
from service.grounds import Grounds


class EarlyEnd:
    """`ended` says why a run may end, as it is stored with it; None while it has to go on. Without grounds a run is
    asked to its end."""

    def __init__(self, grounds: Grounds | None, plan: Plan, done: Sequence[Answer], *, total: int) -> None:
        self._grounds = grounds
        self._asked = arms_of(plan)
        self._answers = list(done)
        self._looks = [at for at in early.looks(total) if at > len(done)] if grounds and self._asked else []
        self.ended: dict[str, Any] | None = None

    async def see(self, answer: Answer, *, then: Callable[[], None]) -> None:
        """Take one more answer, and call `then` once the run may end."""
        self._answers.append(answer)
        g = self._grounds
        if self.ended is not None or g is None or not self._looks or len(self._answers) < self._looks[0]:
            return
        self._looks.pop(0)
        # in a thread: thousands of answers are measured
        found = await asyncio.to_thread(basis.draw, g.basis, list(self._answers), g.profiles, g.own, {})
        because = early.decided(found.comparison.arms, self._asked)
        if because is not None:
            self.ended = {"because": because, "answers": len(self._answers)}
            then()
