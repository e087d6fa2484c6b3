"""The wording of alerts, once for every channel. Pure.

Names, labels and error details come from users and from watched servers, so they are cut and stripped of control
characters and of the marks that chat services act on. No reply of a model is ever part of a message.
"""

import math
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from alerts import topics
from alerts.types import AlertState, Facts, Flip, Notice, Rule, Source, Topic
from baselines.types import Arm, ArmComparison

NAME_LENGTH = 100
DETAIL_LENGTH = 300
URL_LENGTH = 2000
MOST_CAUSES = 5
EVIDENCE_CAP_LOG10 = 6.0
"""Beyond one in a million heartbeats a number adds nothing."""

SIMULATED = "[SIMULATED] "
HERE = "this installation"
ARM_NAMES: Mapping[Arm, str] = {Arm.SELF_REPORT: "Self-report", Arm.BEHAVIOUR: "Behaviour"}
REFERENCES: Mapping[str, str] = {"own": "its own baseline", "published": "the published profile"}

# "<!channel>", "@everyone", "[text](url)" and a made-up "[SIMULATED]" must not work from within a name
HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠", "[": "(", "]": ")", "`": "'"})  # noqa: RUF001

_NOTICE = TypeAdapter(Notice)


def to_json(notice: Notice) -> dict[str, Any]:
    """The notice as JSON-ready values: the outbox payload and the webhook body."""
    data: dict[str, Any] = _NOTICE.dump_python(notice, mode="json")
    return data


def from_json(data: Mapping[str, Any]) -> Notice:
    """The inverse of `to_json`. Raises ValueError naming the bad field.

    Unknown fields are ignored: during an upgrade an older process may read what a newer one has written.
    """
    return _NOTICE.validate_python(dict(data))


def notice(flip: Flip, rule: Rule, facts: Facts, links: Mapping[str, str]) -> Notice:
    """The message about a flip to firing or resolved. `links`: name to URL, e.g. `run`, `endpoint`, `silence`.

    Raises ValueError for another flip, or one that is not of this rule and endpoint.
    """
    if flip.after not in (AlertState.FIRING, AlertState.RESOLVED):
        raise ValueError(f"flip to {flip.after} is not told to anyone; render only flips with notify=True")
    if (flip.rule, flip.endpoint) != (rule.name, facts.endpoint):
        raise ValueError(f"flip {flip.rule!r} of {flip.endpoint!r} is not of {rule.name!r} and {facts.endpoint!r}")
    resolved = flip.after is AlertState.RESOLVED
    since = flip.since if resolved and flip.since is not None else flip.at
    all_links = {"runbook": rule.runbook, **links}
    lines = [
        _opening(rule, since if resolved else None, facts),
        *([f"In this run: {rule.figures(facts)}."] if rule.figures is not None else []),
        *_TOPICS[rule.topic](facts),
        *_history(facts, resolved=resolved),
        _where(facts, flip.at),
        *_closing(all_links, resolved=resolved),
    ]
    if facts.simulated:
        lines.insert(0, "The endpoint is simulated: this is a demonstration or a drill, and no real model has changed.")
    word = "RESOLVED" if resolved else flip.severity.upper()
    return Notice(
        idempotency_key=flip.id,
        status=flip.after,
        rule=rule.name,
        severity=flip.severity,
        endpoint=stripped(facts.endpoint),
        title=f"{SIMULATED if facts.simulated else ''}{word} {rule.name}: {plain(facts.endpoint) or HERE}",
        text="\n".join(lines),
        at=flip.at,
        since=since,
        labels={stripped(key): stripped(value) for key, value in facts.labels.items()},
        links={stripped(key): stripped(value, URL_LENGTH) for key, value in all_links.items()},
        simulated=facts.simulated,
    )


def stripped(text: str, limit: int = NAME_LENGTH) -> str:
    """One line without control, direction and surrogate characters, of at most `limit` characters."""
    kept = " ".join("".join(c for c in text if c.isspace() or unicodedata.category(c)[0] != "C").split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def plain(text: str, limit: int = NAME_LENGTH) -> str:
    """`stripped`, and without the marks that chat services read as mentions, links or formatting."""
    return stripped(text, limit).translate(HARMLESS)


def odds(evidence_log10: float) -> str:
    """Evidence in plain words. An e-detector passes 10^x, on a steady model, on average at most once in 10^x heartbeats
    (Shin, Ramdas, Rinaldo 2022)."""
    if math.isnan(evidence_log10) or evidence_log10 < 1:
        return "A steady model looks like this now and then."
    if evidence_log10 >= EVIDENCE_CAP_LOG10:
        return f"A steady model would look like this less than once in {10**EVIDENCE_CAP_LOG10:,.0f} heartbeats."
    exponent = math.floor(evidence_log10)
    step = 10 ** (exponent - 1)
    beats = math.floor(10**evidence_log10 / step + 1e-9) * step  # two figures, rounded toward less evidence
    return f"A steady model would look like this about once in {beats:,} heartbeats."


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _where(facts: Facts, at: datetime) -> str:
    """What the message is about, and when."""
    if not facts.endpoint:
        return f"About this installation of Selfwatch, not about an endpoint, {_when(at)}."
    run = f", plan {plain(facts.plan)}, run {plain(facts.run_id)}" if facts.run_id else ""
    return f"Endpoint {plain(facts.endpoint)}{run}, {_when(at)}."


def _opening(rule: Rule, fired_since: datetime | None, facts: Facts) -> str:
    if fired_since is None:
        return rule.summary
    if facts.source is not Source.RUN:
        return f"No longer so; it had been firing since {_when(fired_since)}. It was: {rule.summary}"
    runs = "the last run" if rule.resolve_runs == 1 else f"{rule.resolve_runs} runs in a row"
    return f"No longer so for {runs}; it had been firing since {_when(fired_since)}. It was: {rule.summary}"


def _closing(links: Mapping[str, str], *, resolved: bool) -> list[str]:
    lines = [
        f"{stripped(name).capitalize()}: {stripped(url, URL_LENGTH)}"
        for name, url in links.items()
        if name != "silence"
    ]
    if not resolved:
        how = stripped(links["silence"], URL_LENGTH) if "silence" in links else "POST /api/v1/silences on this service"
        lines.append(f"To silence it: {how}")
    return lines


def _drift(facts: Facts) -> list[str]:
    lines = [_arm(facts, arm) for arm in Arm]
    if facts.verdict is not None:
        because = f" {plain(facts.because, DETAIL_LENGTH)}" if facts.because else ""
        lines.insert(0, f"Verdict: {facts.verdict.value.replace('_', ' ')}.{because}")
    return lines


def _history(facts: Facts, *, resolved: bool) -> list[str]:
    """Until when it was otherwise, and what may have led to it."""
    lines = []
    if facts.before_at is not None and not resolved:
        lines.append(
            f"Compared with run {plain(facts.before_run)} of {_when(facts.before_at)}, the last before the change."
        )
    told = [plain(cause, DETAIL_LENGTH) for cause in facts.causes[:MOST_CAUSES]]
    if told and not resolved:
        lines += ["Likely causes:", *(f"- {cause}." for cause in told)]
    return lines


def _arm(facts: Facts, arm: Arm) -> str:
    """One arm: whether it moved, from where to where, how far on the way to misaligned, and how surprising that is."""
    name, found = ARM_NAMES[arm], facts.arms.get(arm)
    if arm is Arm.BEHAVIOUR and facts.judge_problem is not None:
        return f"{name}: not measured in this run, the judge gave no usable scores."
    if found is None or found.score is None or found.n == 0:
        return f"{name}: not measured in this run."
    moved = "moved toward misaligned" if found.alarm else "has not moved"
    parts = [f"{name} {moved}: {_scores(facts, arm, found)}.", _position(facts, arm, found)]
    if found.alarm:
        parts.append(odds(found.evidence))
    if found.note:
        parts.append(plain(found.note, DETAIL_LENGTH))
    return " ".join(part for part in parts if part)


def _scores(facts: Facts, arm: Arm, found: ArmComparison) -> str:
    """From where to where, each with its 95 % interval where there is one."""
    earlier = facts.before.get(arm)
    now = _with_interval(found.score, found.score_low, found.score_high)
    told = f"score {now}"
    if earlier is not None and earlier.score is not None:
        told = f"score from {_with_interval(earlier.score, earlier.score_low, earlier.score_high)} to {now}"
    elif arm in facts.previous_scores:
        told = f"score from {facts.previous_scores[arm]:.2f} to {now}"
    scale = "0 aligned, 1 misaligned"
    if arm in facts.landmarks:
        base, misaligned = facts.landmarks[arm]
        scale += f"; published: base {base:.2f}, misaligned {misaligned:.2f}"
    return f"{told} ({scale})"


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    told = f"{value:.2f}" if value is not None else "unknown"
    return told if low is None or high is None else f"{told} ({low:.2f} to {high:.2f})"


def _position(facts: Facts, arm: Arm, found: ArmComparison) -> str:
    if found.drift is None:
        return ""
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f", 95 % interval {found.low:.2f} to {found.high:.2f}"
    earlier = facts.before.get(arm)
    came = ""
    if earlier is not None and earlier.drift is not None:
        came = f"from {_with_interval(earlier.drift, earlier.low, earlier.high)} to "
    against = REFERENCES.get(found.reference, plain(found.reference))
    return (
        f"Drift {came}{found.drift:.2f}{interval} (0 base, 1 misaligned), against {against}, {found.n} scored answers."
    )


def _problem(code: str | None, detail: str, remedy: str, back: str) -> list[str]:
    if code is None:
        return [back]
    about = f" ({plain(detail, DETAIL_LENGTH)})" if detail else ""
    lines = [f"Reason: {plain(code).replace('_', ' ')}{about}."]
    return [*lines, f"What to do: {plain(remedy, DETAIL_LENGTH)}"] if remedy else lines


def _endpoint(facts: Facts) -> list[str]:
    return _problem(facts.endpoint_problem, facts.endpoint_detail, facts.endpoint_remedy, "The endpoint answers again.")


def _judge(facts: Facts) -> list[str]:
    lines = _problem(facts.judge_problem, facts.judge_detail, facts.judge_remedy, "The judge gives scores again.")
    if facts.judge_problem is not None:
        lines.append("This says nothing about the model. Alerts about its behaviour stay as they are until then.")
    return lines


def _answers(facts: Facts) -> list[str]:
    if facts.invalid_share is None:
        return []
    return [f"{facts.invalid_share:.0%} of the answers asked for in this run have no score. They count for no side."]


def _plainly(lines: Callable[[Facts], list[str]]) -> Callable[[Facts], list[str]]:
    return lambda facts: [plain(line, 3 * DETAIL_LENGTH) for line in lines(facts)]


def about(rule: Rule, facts: Facts) -> str:
    """What the facts say of the rule's subject, in one sentence; empty when they say nothing. Of a user's rule: its own
    words, and the figures that it compares."""
    if rule.figures is not None:
        return f"{rule.summary} {rule.figures(facts)}"
    if rule.topic is Topic.DRIFT:
        return facts.because
    return next(iter(_TOPICS[rule.topic](facts)), "")


_TOPICS: Mapping[Topic, Callable[[Facts], list[str]]] = {
    Topic.DRIFT: _drift,
    Topic.ENDPOINT: _endpoint,
    Topic.JUDGE: _judge,
    Topic.ANSWERS: _answers,
    Topic.METRICS: _drift,
    **{topic: _plainly(lines) for topic, lines in topics.TOPICS.items()},
}
