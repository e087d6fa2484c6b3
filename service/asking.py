"""What goes on with one run while it is asked."""

import time
from collections.abc import Callable
from dataclasses import replace

from probes.runner import Runner
from probes.types import Answer
from service.early_end import EarlyEnd
from service.work import awaits_judge, needs_judge
from service.writer import AnswerWriter

STALLED_S = 10.0
"""A run without an answer for so long waits for its server."""


class Asking:
    """What goes on with one run: its questions, and its answers on the way to the database."""

    def __init__(
        self, *, runner: Runner, writer: AnswerWriter, ending: EarlyEnd, spend: Callable[[Answer], None]
    ) -> None:
        self.runner = runner
        self.writer = writer
        self.ending = ending
        self.judged = False
        self.stopped = False
        self.moved_at = time.monotonic()
        self._spend = spend
        self._ungraded: set[tuple[str, int]] = set()

    def stop(self) -> None:
        """Ask nothing new; what is under way is kept."""
        self.stopped = True
        self.runner.stop()

    async def keep(self, answer: Answer) -> None:
        """One more answer, or the grade of one that was kept before."""
        self.moved_at = time.monotonic()
        graded = answer.key in self._ungraded
        if awaits_judge(answer):
            self._ungraded.add(answer.key)
        await self.writer.keep(answer)
        # a grade comes with the answer that was paid for before
        self._spend(replace(answer, attempts=0, prompt_tokens=0, completion_tokens=0) if graded else answer)
        if awaits_judge(answer):
            return
        self.judged = self.judged or (answer.score is not None and needs_judge(answer.cell.probe))
        await self.ending.see(answer, then=self.runner.enough)
