"""What a run tells of the instrument itself: the judge, the wording, the calls that were saved. As it is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from baselines.wording import Wording
from probes import expected, judge
from probes.agreement import weighted_kappa
from probes.types import Answer, JudgeScoring
from service.judge_control import Checked

SCALE = JudgeScoring()


def judge_to_json(checked: Checked | None, answers: Sequence[Answer]) -> dict[str, Any] | None:
    """How the judge did on its anchors, and with the second judge; None when neither was asked."""
    second = _second(answers)
    if checked is None:
        return {"agreement": None, "second": second} if second else None
    found = checked.examination
    return {
        "agreement": found.agreement,
        "bias": found.bias,
        "graded": found.graded,
        "anchors": found.total,
        "shared": checked.shared,
        "at": checked.at.isoformat(),
        "rubric": judge.SCORER,
        "second": second,
    }


def _second(answers: Iterable[Answer]) -> dict[str, Any] | None:
    """Weighted kappa of the two judges over the replies that both graded."""
    pairs = [(a.score, a.second_score) for a in answers if a.score is not None and a.second_score is not None]
    if not pairs:
        return None
    first, second = ([_grade(pair[side] or 0.0) for pair in pairs] for side in (0, 1))
    return {"agreement": weighted_kappa(first, second, low=SCALE.low, high=SCALE.high), "replies": len(pairs)}


def _grade(score: float) -> int:
    return round(SCALE.low + score * (SCALE.high - SCALE.low))


def savings_to_json(answers: Iterable[Answer]) -> dict[str, int]:
    """Calls that were not needed, by the reason why."""
    counts = {"by_logprobs": 0, "by_worst_reply": 0, "by_known_grade": 0, "by_several_choices": 0}
    for answer in answers:
        scorer = getattr(answer.outcome, "scorer", "")
        if scorer == expected.SCORER:
            counts["by_logprobs"] += answer.saved
        else:
            counts["by_worst_reply"] += answer.saved
        if scorer in (judge.SCORER, judge.PLACER) and answer.judge_attempts == 0:
            counts["by_known_grade"] += 1
        if answer.attempts == 0 and answer.reply is not None:
            counts["by_several_choices"] += 1
    return counts


def wording_to_json(found: Sequence[Wording]) -> dict[str, Any] | None:
    """Cells in the terms of the API; None where nothing could be told."""
    if not found:
        return None
    return {"cells": [_cell(one) for one in found]}


def _cell(one: Wording) -> dict[str, Any]:
    shown: Mapping[str, Any] = asdict(one)
    cell = shown["cell"]
    return {
        "probe": cell["probe"],
        "dimension": cell["dimension"] or None,
        "method": cell["method"] or None,
        **{name: shown[name] for name in shown if name != "cell"},
    }
