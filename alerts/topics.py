"""What a message tells beside the rule's sentence, for what is not about the two arms. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from alerts.operations import OFF_AXIS_LIMIT
from alerts.types import Facts, Topic

Lines = Callable[[Facts], list[str]]


def model(facts: Facts) -> list[str]:
    lines = []
    if facts.served is not None:
        lines += _came("model", facts.served.models, facts.served.models_before)
        lines += _came("system fingerprint", facts.served.fingerprints, facts.served.fingerprints_before)
    if facts.off_axis is not None and facts.off_axis > OFF_AXIS_LIMIT:
        lines.append(
            f"Its answers have moved by {facts.off_axis:.2f} in a direction that is not toward misaligned: changed, "
            "but not in that way."
        )
    return lines


def _came(what: str, now: frozenset[str], before: frozenset[str]) -> list[str]:
    if not before or not now - before:
        return []
    return [f"The server names the {what} {_names(now)}; before it was {_names(before)}."]


def _names(names: frozenset[str]) -> str:
    shown = [name[:80] for name in sorted(names)[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def schedule(facts: Facts) -> list[str]:
    return [
        f"Plan {one.plan} ({one.spec}): no run has succeeded since {when(one.since)}; a second one was due by "
        f"{when(one.expected)}."
        for one in facts.overdue or ()
    ]


def budget(facts: Facts) -> list[str]:
    if facts.budget_problem is not None:
        return [f"{facts.budget_problem[:300]}; {facts.budget_remedy[:300]}".strip("; ") + "."]
    if facts.skip is not None:
        return [f"The run that was due was not begun: {facts.skip.detail or facts.skip.reason.replace('_', ' ')}."]
    return []


def installation(facts: Facts) -> list[str]:
    lines = []
    if facts.offline is not None:
        why = f" ({facts.offline.detail[:300]})" if facts.offline.detail else ""
        lines.append(f"Nothing can be reached since {when(facts.offline.since)}{why}. Alerts of endpoints are muted.")
    if facts.drills is not None:
        lines += [f"Drill: {text[:300]}." for text in (facts.drills.failed, facts.drills.overdue) if text]
    return lines


def when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


TOPICS: Mapping[Topic, Lines] = {
    Topic.MODEL: model,
    Topic.SCHEDULE: schedule,
    Topic.BUDGET: budget,
    Topic.INSTALLATION: installation,
}
