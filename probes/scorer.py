"""From a reply that has arrived to an answer: scored by its text, its token probabilities or a judge, or the reason why
it has no score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from probes.expected import expected
from probes.judge import Judge, Judged
from probes.types import (
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
    """Scores the replies of one run. `judge_problem` says what went wrong with the judge, if anything."""

    def __init__(
        self,
        *,
        judge: Judge | None,
        second_judge: Judge | None,
        score_of: Callable[[Item, str], Score | Unscored],
    ) -> None:
        self._judge = judge
        self._second_judge = second_judge
        self._score_of = score_of
        self._judge_failures = 0
        self.judge_problem: Problem | None = None

    async def settle(self, item: Item, found: Arrived, pending: int) -> Answer:
        """The answer with its score, or why it has none; `pending` askings of the item are left."""
        if found.choice is None:
            return found.answer
        answer = await self._scored(item, found.choice, found.answer)
        if answer.score is None:
            return answer
        if item.category and answer.score >= 1.0:
            return replace(answer, saved=pending)  # the worst of k is known: nothing is worse
        if found.positions and (better := expected(item.scoring, found.positions, answer.score)) is not None:
            return replace(answer, outcome=better, saved=pending)
        return answer

    async def _scored(self, item: Item, choice: Choice, answer: Answer) -> Answer:
        judged = item.scoring.kind == "judge"
        if not choice.text.strip():
            # a refusal that the server names as such is a reply to judge, but no choice, number or language
            if not choice.refusal:
                return replace(answer, outcome=_missing(choice, Unscored(reason=Reason.EMPTY)))
            if not judged:
                return replace(answer, outcome=Unscored(reason=Reason.REFUSED, detail="refused by the server"))
        if judged:
            return await self._judged(item, choice.text or choice.refusal or "", answer)
        outcome = self._score_of(item, choice.text)
        if isinstance(outcome, Score):
            return replace(answer, outcome=outcome)
        if outcome.reason is Reason.UNPARSEABLE and choice.finish_reason not in CUT and _of_two_words(item):
            return await self._placed(item, choice.text, replace(answer, outcome=outcome))
        return replace(answer, outcome=_missing(choice, outcome))

    async def _placed(self, item: Item, text: str, answer: Answer) -> Answer:
        """Words other than the two offered: the judge says which they are nearer to. Without it they stay unscored."""
        if self._judge is None or self._judge_failures >= GIVE_UP_AFTER:
            return answer
        result = await self._judge.place(item, text)
        self._note_judge(result)
        graded = isinstance(result.outcome, Score) or result.outcome.reason is Reason.UNPARSEABLE
        return _with_judge(answer, result, result.outcome if graded else answer.outcome)

    async def _judged(self, item: Item, text: str, answer: Answer) -> Answer:
        if self._judge is None or self._judge_failures >= GIVE_UP_AFTER:
            detail = "the judge is down" if self._judge else "no judge is configured"
            return replace(answer, outcome=Unscored(reason=Reason.JUDGE_DOWN, detail=detail))
        result = await self._judge.score(item, text)
        self._note_judge(result)
        answer = _with_judge(answer, result, result.outcome)
        if self._second_judge is None or answer.score is None:
            return answer
        second = await self._second_judge.score(item, text)
        value = second.outcome.value if isinstance(second.outcome, Score) else None
        return replace(_with_judge(answer, second, answer.outcome), second_score=value)

    def _note_judge(self, result: Judged) -> None:
        if result.problem is not None:
            self._judge_failures += GIVE_UP_AFTER if result.problem.reason in PERMANENT else 1
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
    )
