"""What a plan asks, before it is paid for: questions, calls, tokens. Counts are exact; tokens are estimates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from probes import registry
from probes.anchors import anchors
from probes.judge import messages
from probes.plans import draw
from probes.types import Ask, Item, JudgeScoring, LanguageScoring, Plan
from probes.usage import tokens
from service.amounts import Amounts

SHORT_REPLY = 3
SENTENCE_REPLY = 30
GRADE_REPLY = 8
"""Tokens that replies of each kind usually take."""
ANY_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One probe and method of a plan. Tokens of the model's own calls; the judge's are counted apart."""

    probe: str
    method: str
    cells: int
    items: int
    calls: int
    judge_calls: int
    prompt_tokens: int
    completion_tokens: int
    judge_prompt_tokens: int
    judge_completion_tokens: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """`lines` by probe and method; `anchor_calls` check the judge, once for runs that are close together."""

    plan: str
    lines: tuple[Line, ...]
    anchor_calls: int
    anchor_tokens: int


def report(plan: Plan) -> Report:
    """The plan drawn once, counted. Raises ValueError for an unknown probe or variant."""
    in_order = (item for s in plan.selections for item in registry.probe(s.probe).bank.items)
    groups: dict[tuple[str, str], list[Ask]] = {(item.probe, item.method): [] for item in in_order}
    for ask in draw(plan, seed=ANY_SEED, probe_of=registry.probe):
        groups[ask.item.probe, ask.item.method].append(ask)
    judged = any(registry.probe(s.probe).needs_judge for s in plan.selections)
    return Report(
        plan=plan.name,
        lines=tuple(_line(*key, asks, plan) for key, asks in groups.items()),
        anchor_calls=len(anchors()) if judged else 0,
        anchor_tokens=check_amounts().tokens if judged else 0,
    )


def _line(probe: str, method: str, asks: list[Ask], plan: Plan) -> Line:
    judged = isinstance(asks[0].item.scoring, JudgeScoring)
    taken = amounts_of(asks, plan)
    return Line(
        probe=probe,
        method=method,
        cells=len({ask.item.cell for ask in asks}),
        items=len({ask.item.id for ask in asks}),
        calls=len(asks),
        judge_calls=len(asks) if judged else 0,
        prompt_tokens=taken.prompt_tokens,
        completion_tokens=taken.completion_tokens,
        judge_prompt_tokens=taken.judge_prompt_tokens,
        judge_completion_tokens=taken.judge_completion_tokens,
    )


def amounts_of(asks: Sequence[Ask], plan: Plan) -> Amounts:
    """What the questions take, about, without a price and without the check of the judge."""
    total = Amounts()
    for item, times in _times(asks):
        said, judged = _said(item, plan), isinstance(item.scoring, JudgeScoring)
        total += Amounts(
            requests=times * (1 + judged),
            prompt_tokens=times * _put(item),
            completion_tokens=times * said,
            judge_prompt_tokens=times * _judge_tokens(item, said) if judged else 0,
            judge_completion_tokens=times * GRADE_REPLY if judged else 0,
        )
    return total


def check_amounts() -> Amounts:
    """What a check of the judge takes, about, without a price."""
    prompts = sum(_judge_tokens(anchor.item, tokens(anchor.reply)) for anchor in anchors())
    return Amounts(
        requests=len(anchors()), judge_prompt_tokens=prompts, judge_completion_tokens=len(anchors()) * GRADE_REPLY
    )


def _times(asks: Sequence[Ask]) -> Iterable[tuple[Item, int]]:
    """Each item once, and how often it is asked: a full run asks some of them dozens of times."""
    items = {ask.item.id: ask.item for ask in asks}
    counts = Counter(ask.item.id for ask in asks)
    return [(items[item_id], times) for item_id, times in counts.items()]


def _put(item: Item) -> int:
    return sum(tokens(message.content) for message in item.messages)


def _said(item: Item, plan: Plan) -> int:
    if isinstance(item.scoring, JudgeScoring):
        return plan.max_tokens
    return min(plan.max_tokens, SENTENCE_REPLY if isinstance(item.scoring, LanguageScoring) else SHORT_REPLY)


def _judge_tokens(item: Item, reply: int) -> int:
    return sum(tokens(message.content) for message in messages(item, "", "0" * 16)) + reply


def show(found: Report, console: Console, *, usd_in: float | None, usd_out: float | None) -> None:
    """The report as a table. `usd_in`, `usd_out`: price of a million prompt and completion tokens."""
    table = Table(title=f"Plan {found.plan}", title_justify="left")
    for column in ("probe", "method"):
        table.add_column(column)
    for column in ("cells", "items", "calls", "judge calls", "prompt tokens", "completion tokens"):
        table.add_column(column, justify="right")
    for line in found.lines:
        table.add_row(line.probe, line.method or "-", *_numbers([line]))
    table.add_section()
    table.add_row("all", "", *_numbers(found.lines))
    console.print(table)
    console.print(_sums(found), highlight=False, soft_wrap=True)
    if usd_in is not None and usd_out is not None:
        spent = sum(line.prompt_tokens for line in found.lines) * usd_in
        spent += sum(line.completion_tokens for line in found.lines) * usd_out
        console.print(f"about {spent / 1e6:.2f} USD for the model at that price, judge not counted", highlight=False)


def _numbers(lines: Iterable[Line]) -> list[str]:
    rows = list(lines)
    names = ("cells", "items", "calls", "judge_calls", "prompt_tokens", "completion_tokens")
    return [f"{sum(getattr(row, name) for row in rows):,}" for name in names]


def _sums(found: Report) -> str:
    by_probe: dict[str, int] = {}
    for line in found.lines:
        by_probe[line.probe] = by_probe.get(line.probe, 0) + line.calls
    parts = [f"{calls:,} {probe}" for probe, calls in by_probe.items()]
    judge = sum(line.judge_calls for line in found.lines)
    if judge:
        parts.append(f"{judge:,} judge")
    said = f"{' + '.join(parts)} = {sum(by_probe.values()) + judge:,} calls at most"
    if judge:
        spent = sum(line.judge_prompt_tokens + line.judge_completion_tokens for line in found.lines)
        said += (
            f"\nthe judge reads and writes about {spent:,} tokens, and {found.anchor_calls} anchors "
            f"({found.anchor_tokens:,} tokens) to show that it still grades as agreed"
        )
    return said + (
        "\nfewer where the server tells log-probabilities or gives several replies a call, where a grade is known, "
        "and where a prompt has brought out the worst grade"
    )
