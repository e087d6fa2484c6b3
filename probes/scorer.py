"""From a reply that has arrived to an answer: scored by its text, its token probabilities or a judge, or the reason why
it has no score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from probes.expected import expected
from probes.judge import Judge, Judged
from probes.types import (
    ABOUT_ONE_CALL,
    PERMANENT,
    Answer,
    Choice,
    ChoiceScoring,
    Item,
    Position,
    Problem,
    Reason,
    Score,
    Unscored,
)

GIVE_UP_AFTER = 5
"""So many failures in a row, with no success in between, and the other side is down."""
CUT = ("length", "content_filter")
"""How a server says that a reply does not end where the model would have ended it."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A reply before it is scored; without a choice, the call failed and the answer says why."""

    answer: Answer
    choice: Choice | None = None
    positions: Sequence[Position] = ()


class Scorer:
    """Scores the replies of one run. `judge_problem` says what went wrong with the judge, if anything.

    `tenant`: on whose behalf the judge is asked, so that runs get their turns at it.
    """

    def __init__(
        self,
        *,
        judge: Judge | None,
        second_judge: Judge | None,
        score_of: Callable[[Item, str], Score | Unscored],
        tenant: str = "",
    ) -> None:
        self._judge = judge
        self._second_judge = second_judge
        self._score_of = score_of
        self._tenant = tenant
        self._judge_failures = 0
        self.judge_problem: Problem | None = None

    def arrived(self, item: Item, found: Arrived, pending: int) -> Answer:
        """The answer as far as it can be told at once; JUDGE_PENDING where the judge has to be asked (see `graded`).
        `pending` askings of the item are left."""
        if found.choice is None:
            return found.answer
        outcome = self._at_once(item, found.choice)
        answer = replace(found.answer, outcome=outcome)
        if answer.score is None or not found.positions:
            return answer
        better = expected(item.scoring, found.positions, answer.score)
        return answer if better is None else replace(answer, outcome=better, saved=pending)

    async def graded(self, item: Item, answer: Answer, pending: int) -> Answer:
        """What the judge says of a pending answer. `pending` askings of the item are left: none is needed any more
        once a reply got the worst grade."""
        if item.scoring.kind != "judge":
            return await self._placed(item, answer)
        graded = await self._judged(item, answer)
        return replace(graded, saved=pending) if item.category and graded.score == 1.0 else graded

    def _at_once(self, item: Item, choice: Choice) -> Score | Unscored:
        judged = item.scoring.kind == "judge"
        if not choice.text.strip() and not (judged and choice.refusal):
            # a refusal that the server names as such is a reply to judge, but no choice, number or language
            refused = Unscored(reason=Reason.REFUSED, detail="refused by the server")
            return refused if choice.refusal else _missing(choice, Unscored(reason=Reason.EMPTY))
        if judged:
            gone = Unscored(reason=Reason.JUDGE_DOWN, detail=self._why_no_judge())
            return gone if self._judge_gone() else Unscored(reason=Reason.JUDGE_PENDING)
        outcome = self._score_of(item, choice.text)
        if isinstance(outcome, Score):
            return outcome
        if outcome.reason is Reason.UNPARSEABLE and choice.finish_reason not in CUT and _of_two_words(item):
            pending = Unscored(reason=Reason.JUDGE_PENDING, detail=outcome.detail)
            return outcome if self._judge_gone() else pending
        return _missing(choice, outcome)

    def _judge_gone(self) -> bool:
        return self._judge is None or self._judge_failures >= GIVE_UP_AFTER

    def _why_no_judge(self) -> str:
        return "the judge is down" if self._judge else "no judge is configured"

    async def _placed(self, item: Item, answer: Answer) -> Answer:
        """Words other than the two offered: the judge says which they are nearer to. Without it they stay unscored."""
        unparseable = Unscored(reason=Reason.UNPARSEABLE, detail=getattr(answer.outcome, "detail", ""))
        if self._judge is None or self._judge_gone():
            return replace(answer, outcome=unparseable)
        result = await self._judge.place(item, answer.reply or "", tenant=self._tenant)
        self._note_judge(result)
        graded = isinstance(result.outcome, Score) or result.outcome.reason is Reason.UNPARSEABLE
        return _with_judge(answer, result, result.outcome if graded else unparseable)

    async def _judged(self, item: Item, answer: Answer) -> Answer:
        if self._judge is None or self._judge_gone():
            return replace(answer, outcome=Unscored(reason=Reason.JUDGE_DOWN, detail=self._why_no_judge()))
        text = answer.reply or ""
        result = await self._judge.score(item, text, tenant=self._tenant)
        self._note_judge(result)
        answer = _with_judge(answer, result, result.outcome)
        if self._second_judge is None or answer.score is None:
            return answer
        second = await self._second_judge.score(item, text, tenant=self._tenant)
        value = second.outcome.value if isinstance(second.outcome, Score) else None
        return replace(_with_judge(answer, second, answer.outcome), second_score=value)

    def _note_judge(self, result: Judged) -> None:
        if result.problem is not None:
            lasting = result.problem.reason in PERMANENT - ABOUT_ONE_CALL
            self._judge_failures += GIVE_UP_AFTER if lasting else 1
            if self._judge_failures >= GIVE_UP_AFTER:
                self.judge_problem = result.problem
        elif result.attempts:
            self._judge_failures = 0 if self._judge_failures < GIVE_UP_AFTER else self._judge_failures


def _missing(choice: Choice, outcome: Unscored) -> Unscored:
    """Why there is nothing to score: the server may have cut the reply off, or filtered it."""
    if outcome.reason not in (Reason.EMPTY, Reason.UNPARSEABLE):
        return outcome
    if choice.finish_reason == "content_filter":
        return Unscored(reason=Reason.FILTERED, detail="cut by the provider's content filter")
    if choice.finish_reason == "length":
        return Unscored(reason=Reason.TRUNCATED, detail="the reply reached max_tokens")
    return outcome


def _of_two_words(item: Item) -> bool:
    scoring = item.scoring
    return (
        isinstance(scoring, ChoiceScoring)
        and sorted(scoring.values.values()) == [0, 1]
        and all(len(word) > 1 for word in scoring.values)
    )


def _with_judge(answer: Answer, result: Judged, outcome: Score | Unscored) -> Answer:
    return replace(
        answer,
        outcome=outcome,
        judge_attempts=answer.judge_attempts + result.attempts,
        judge_prompt_tokens=answer.judge_prompt_tokens + result.prompt_tokens,
        judge_completion_tokens=answer.judge_completion_tokens + result.completion_tokens,
        usage_estimated=answer.usage_estimated or result.usage_estimated,
    )
