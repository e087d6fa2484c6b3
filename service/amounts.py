"""What asking has cost, or may cost: calls, tokens and USD as one value."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from probes.types import Answer


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """`requests`: calls to the model and the judge; tokens of each; `usd`: None where the price is not known.
    `estimated`: some tokens were estimated from the text, since a server did not tell them."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = 0
    judge_completion_tokens: int = 0
    usd: float | None = None
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """All of them, the judge's too: what counts against a limit on tokens."""
        return self.prompt_tokens + self.completion_tokens + self.judge_prompt_tokens + self.judge_completion_tokens

    def __add__(self, other: "Amounts") -> "Amounts":
        unknown = self.usd is None and other.usd is None
        return Amounts(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            judge_prompt_tokens=self.judge_prompt_tokens + other.judge_prompt_tokens,
            judge_completion_tokens=self.judge_completion_tokens + other.judge_completion_tokens,
            usd=None if unknown else (self.usd or 0.0) + (other.usd or 0.0),
            estimated=self.estimated or other.estimated,
        )

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        del found["estimated"]
        return found | {"tokens": self.tokens}


def of_answers(answers: Iterable[Answer]) -> Amounts:
    """What the answers took, without a price."""
    requests = prompt = completion = judge_prompt = judge_completion = 0
    estimated = False
    for answer in answers:
        requests += answer.attempts + answer.judge_attempts
        prompt += answer.prompt_tokens
        completion += answer.completion_tokens
        judge_prompt += answer.judge_prompt_tokens
        judge_completion += answer.judge_completion_tokens
        estimated = estimated or answer.usage_estimated
    return Amounts(
        requests=requests, prompt_tokens=prompt, completion_tokens=completion, judge_prompt_tokens=judge_prompt,
        judge_completion_tokens=judge_completion, estimated=estimated,
    )  # fmt: skip


def of_grade(answer: Answer) -> Amounts:
    """What the judge took for the answer, without a price."""
    return Amounts(
        requests=answer.judge_attempts, judge_prompt_tokens=answer.judge_prompt_tokens,
        judge_completion_tokens=answer.judge_completion_tokens, estimated=answer.usage_estimated,
    )  # fmt: skip
