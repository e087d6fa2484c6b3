"""What a check and a quote found, in words for the form of an endpoint."""

from collections.abc import Mapping, Sequence
from typing import Any

from baselines.power import Shift
from probes.types import Problem
from service.prices import Prices
from service.quote import ArmPower, Quote
from service.ui import format as fmt
from service.ui.views.endpoint_form import CheckView, QuoteView

ABILITIES = {
    "logprobs": "Log-probabilities",
    "several_choices": "Several replies a call",
    "seed": "Takes a seed",
    "system_role": "System messages",
}
NO_SCHEDULE = "No schedule: nothing is asked until you start a run, so nothing is spent by itself."


def check_view(found: Mapping[str, Any] | Problem, quotes: Sequence[QuoteView], quote_note: str = "") -> CheckView:
    note = quote_note or ("" if quotes else NO_SCHEDULE)
    if isinstance(found, Problem):
        return CheckView(
            reason=fmt.reason(str(found.reason)), detail=found.detail, remedy=found.remedy, quotes=quotes,
            quote_note=note,
        )  # fmt: skip
    facts = [
        ("Latency", f"{found['latency_s'] * 1000:,.0f} ms"),
        ("Model reported", str(found["model"] or "none")),
        *((words, "yes" if found[name] else "no") for name, words in ABILITIES.items()),
    ]
    if found["reasoning"]:
        facts.append(("Reasons first", "yes: give it enough tokens a reply"))
    if found["rejected_settings"]:
        facts.append(("Rejects", ", ".join(found["rejected_settings"])))
    return CheckView(facts=facts, sample=found["sample"], quotes=quotes, quote_note=note)


def quote_views(quotes: Sequence[Quote], prices: Prices, model: str) -> list[QuoteView]:
    return [
        QuoteView(
            plan=one.plan, runs_per_month=one.runs_per_month, calls_per_month=one.calls_per_month,
            tokens_per_month=one.tokens_per_month, usd_per_month=one.usd_per_month(prices, model),
            finds={fmt.ARM_LABELS[arm]: _finds(power) for arm, power in one.arms.items()},
        )
        for one in quotes
    ]  # fmt: skip


def _finds(power: ArmPower) -> str:
    found = [
        words
        for words in (_shift(power.within_1_day, "a day"), _shift(power.within_7_days, "7 days"))
        if words is not None
    ]
    return "; ".join(found) or "no shift within 7 days"


def _shift(found: Shift | None, time: str) -> str | None:
    return f"a drift of {found.drift:.2f} within {time}" if found else None
