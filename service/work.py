"""What is to be done for one run: which of its questions are open, and how they are put."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from probes import parsing, registry
from probes.types import Answer, Ask, Item, Plan, Reason, Sampling, Unscored
from service.questions import questions
from service.storage.schema import EndpointRow, RunRow

REASONING_TOKENS = 4096
"""What a model that thinks before it answers may say, unless its registration says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """`asks`: what is open. `done`: answers there are already; `unjudged`: replies that are stored without a grade."""

    run: RunRow
    endpoint: EndpointRow
    plan: Plan
    asks: Sequence[Ask]
    done: Sequence[Answer]
    unjudged: Sequence[tuple[Item, Answer]]


def work_of(run: RunRow, endpoint: EndpointRow, plan: Plan, stored: Sequence[Answer], *, judged: bool) -> Work:
    """Without a judge (`judged`), questions that need one are not asked: nobody should pay for answers that cannot
    count. What is answered, or made needless by an answer to the same item, is not asked again. Call it in a thread:
    what scoring needs is loaded, too."""
    answered = {answer.key for answer in stored}
    settled = {answer.item_id for answer in stored if answer.saved}
    asks = [
        ask
        for ask in questions(plan, seed=run.seed, focus=run.focus)
        if ask.key not in answered and ask.item.id not in settled and (judged or not needs_judge(ask.item.probe))
    ]
    if any(ask.item.scoring.kind == "language" for ask in asks):
        parsing.prepare()
    items = registry.items_by_id()
    return Work(
        run=run,
        endpoint=endpoint,
        plan=plan,
        asks=asks,
        done=[answer for answer in stored if not awaits_judge(answer)],
        unjudged=[(items[answer.item_id], answer) for answer in stored if awaits_judge(answer)],
    )


def sampling_of(work: Work, *, reasoning: bool) -> Sampling:
    """The plan's settings, where the endpoint's registration names no others. `reasoning`: it thinks first."""
    chosen, plan = work.endpoint.sampling, work.plan
    max_tokens = plan.max_tokens if chosen.get("max_tokens") is None else chosen["max_tokens"]
    if reasoning and chosen.get("max_tokens") is None:
        max_tokens = max(plan.max_tokens, REASONING_TOKENS)
    return Sampling(
        temperature=plan.temperature if chosen.get("temperature") is None else chosen["temperature"],
        max_tokens=max_tokens,
        extra=chosen.get("extra") or {},
    )


def awaits_judge(answer: Answer) -> bool:
    """Whether the reply is stored and its grade is still to come."""
    return isinstance(answer.outcome, Unscored) and answer.outcome.reason is Reason.JUDGE_PENDING


UNGRADED = Unscored(reason=Reason.JUDGE_DOWN, detail="the run ended before the judge had graded it")


def given_up(answer: Answer) -> Answer:
    """The answer of a run that is over: what awaits its grade stays without one."""
    return replace(answer, outcome=UNGRADED) if awaits_judge(answer) else answer


def needs_judge(probe: str) -> bool:
    return registry.probe(probe).needs_judge
