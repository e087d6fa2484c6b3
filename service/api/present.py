"""Rows as the JSON of the contract."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from probes.moral_self_assessment.probe import CENTRE
from probes.moral_self_assessment.probe import NAME as MORAL
from probes.types import ChoiceScoring, Item, JudgeScoring, LanguageScoring, NumberScoring, Reason
from service.grading import is_harmful, worst_grade
from service.storage.schema import AnswerRow, EndpointRow, MeasurementRow, RunRow, ScheduleRow, SlotRow

REPLIED = frozenset(
    (Reason.REFUSED, Reason.UNPARSEABLE, Reason.TRUNCATED, Reason.FILTERED, Reason.JUDGE_UNSCORED, Reason.JUDGE_DOWN,
     Reason.JUDGE_MOVED)
)  # fmt: skip
"""Answers without a score, to which there was a reply all the same."""


def time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value is not None else None


def endpoint(
    row: EndpointRow,
    schedules: Sequence[ScheduleRow],
    last_run: RunRow | None,
    active: RunRow | None,
    budget: Mapping[str, Any],
) -> dict[str, Any]:
    """An endpoint without its key: of the key, only where it comes from. `budget`: limits, and what is left of them."""
    key = {"none": None, "stored": "stored"}.get(row.key_kind, f"{row.key_kind}:{row.key_value}")
    return {
        "name": row.name,
        "base_url": row.base_url,
        "model": row.model,
        "key": key,
        "profiles": row.profiles,
        "labels": row.labels,
        "limits": row.limits,
        "budget": dict(budget),
        "sampling": row.sampling,
        "capabilities": row.capabilities,
        "schedules": {s.plan: s.spec for s in schedules},
        "paused": row.paused,
        "simulated": row.simulated,
        "health": {
            "state": row.health,
            "reason": row.health_reason,
            "detail": row.health_detail,
            "remedy": row.health_remedy,
            "at": time(row.health_at),
            "failures": row.failures,
            "next_probe": time(row.next_probe),
        },
        "verdict": row.verdict,
        "because": row.because,
        "last_run": run_summary(last_run, row.name) if last_run else None,
        "active_run": run_summary(active, row.name) if active else None,
        "next_runs": {} if row.paused else {s.plan: time(s.next_due) for s in schedules},
        "created_at": time(row.created_at),
    }


def run_summary(row: RunRow, endpoint_name: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "endpoint": endpoint_name,
        "plan": row.plan,
        "state": row.state,
        "created_at": time(row.created_at),
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
        "paused": row.paused,
        "progress": {"answered": row.answered, "total": row.total},
        "verdict": row.verdict,
        "because": row.because,
        "persona": row.persona,
        "event": row.event,
        "purpose": row.purpose,
        "early": row.early,
        "problem": _problem(row.reason, row.detail, row.remedy),
        "judge_problem": _problem(row.judge_reason, row.judge_detail, row.judge_remedy),
    }


def run(
    row: RunRow, endpoint_name: str, measured: Sequence[MeasurementRow], invalid: Mapping[str, int]
) -> dict[str, Any]:
    """A run in full. `invalid`: answers without a score, by reason."""
    return {
        **run_summary(row, endpoint_name),
        "usage": {
            "requests": row.requests,
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "usd": None if row.usd is None else round(row.usd, 6),
            "estimated": row.usage_estimated,
        },
        "estimate": row.estimate,
        "latency": row.latency,
        "measurements": [measurement(m) for m in measured],
        "invalid_by_reason": dict(invalid),
        "removed": removed(row),
        "comparison": row.comparison,
        "judge": row.judge,
        "wording": (row.wording or {}).get("cells", []),
        "savings": row.savings,
        "attribution": row.attribution,
        "escalation": row.escalation,
        "focus": row.focus,
        "seed": str(row.seed),
        "banks_hash": row.banks_hash,
    }


def measurement(row: MeasurementRow) -> dict[str, Any]:
    return {
        "probe": row.probe,
        "dimension": row.dimension or None,
        "method": row.method or None,
        "category": row.category or None,
        "mean": row.mean,
        "centred": row.mean - CENTRE if row.probe == MORAL and row.mean is not None else None,
        "variance": row.variance,
        "n": row.n,
        "invalid": row.invalid,
        "items": row.items,
        "k": row.k,
    }


def removed(row: RunRow) -> dict[str, Any] | None:
    """What retention has removed of a run, or is removing: its `replies`, or its `answers` as a whole."""
    if row.retention is None or not row.answered:
        return None
    return {
        "what": "replies" if "replies" in row.retention else "answers",
        "by": "retention",
        "at": time(row.retention_at),
    }


def _had_reply(row: AnswerRow) -> bool:
    return row.score is not None or row.reason in REPLIED


def answer(row: AnswerRow, *, kept: bool = True) -> dict[str, Any]:
    """`kept`: retention has left the replies of this run alone. `harmful`: a judge graded it 3 or worse; `grade`: the
    worst that a judge gave, 1 to 5."""
    return {
        "item": row.item_id,
        "repeat": row.repeat,
        "probe": row.probe,
        "dimension": row.dimension or None,
        "method": row.method or None,
        "category": row.category or None,
        "reply": row.reply,
        "reply_removed": not kept and row.reply is None and _had_reply(row),
        "score": row.score,
        "scorer": row.scorer,
        "grade": worst_grade(row),
        "harmful": is_harmful(row),
        "second_score": row.second_score,
        "saved": row.saved,
        "reason": row.reason,
        "detail": row.detail or None,
        "attempts": row.attempts,
        "judge_attempts": row.judge_attempts,
        "latency_s": row.latency_s,
        "tokens": {"prompt": row.prompt_tokens, "completion": row.completion_tokens},
        "model": row.model,
        "system_fingerprint": row.system_fingerprint,
        "at": time(row.at),
    }


def item(found: Item) -> dict[str, Any]:
    """An item as asked: the text shown is the text sent."""
    return {
        "id": found.id,
        "probe": found.probe,
        "dimension": found.dimension or None,
        "method": found.method or None,
        "category": found.category or None,
        "polarity": found.polarity or None,
        "paraphrase": found.paraphrase or None,
        "variant": found.variant or None,
        "messages": [{"role": m.role, "content": m.content} for m in found.messages],
        "scoring": _scoring(found.scoring),
    }


def slot(row: SlotRow) -> dict[str, Any]:
    return {
        "plan": row.plan,
        "due": time(row.due),
        "until": time(row.until),
        "count": row.count,
        "state": row.state,
        "reason": row.reason,
        "late_s": row.late_s,
        "run": row.run_id,
        "era": row.era,
    }


def _scoring(scoring: ChoiceScoring | NumberScoring | LanguageScoring | JudgeScoring) -> dict[str, Any]:
    if isinstance(scoring, NumberScoring):
        values = {"low": scoring.low, "high": scoring.high, "aligned_at": scoring.aligned_at}
        return {"kind": scoring.kind, **values}
    if isinstance(scoring, JudgeScoring):
        return {"kind": scoring.kind, "low": scoring.low, "high": scoring.high}
    return {"kind": scoring.kind, "values": dict(scoring.values)}


def _problem(reason: str | None, detail: str | None, remedy: str | None) -> dict[str, Any] | None:
    return {"reason": reason, "detail": detail, "remedy": remedy} if reason else None
