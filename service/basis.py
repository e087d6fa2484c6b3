"""What a verdict is drawn from beside the answers, as it is stored with the run: enough to draw it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from baselines.assess import Assessment, assess, detector_for
from baselines.paired import paired_tests
from baselines.serialize import evidence_from_json, evidence_to_json, story_from_json, story_to_json
from baselines.types import ARM_PROBES, Arm, DetectorState, Profile, ProfileSet, Story
from probes.measure import measure, observations
from probes.types import Answer, Cell, Measurement, Observation, Problem, Reason

Measured = TypeVar("Measured", Measurement, Observation)
STATISTICS = "2"
"""Version of the statistics. Evidence gathered under another one starts anew, and a replay says so."""
PAIRED_ITEMS = 60
"""A run of fewer items has no cell with pairs enough to test."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """Everything but answers, profiles and own baseline. `detectors`: as they were before the run."""

    threshold: float
    reference_key: str
    baseline_id: int | None
    worst_of: int
    judge_problem: Problem | None
    chosen: bool
    story: Story
    detectors: Mapping[Arm, DetectorState]


def draw(
    basis: Basis,
    answers: Sequence[Answer],
    profiles: ProfileSet,
    own: Profile | None,
    items: Mapping[tuple[Cell, str], float],
) -> Assessment:
    """The assessment of a run: the same basis and answers always give the same one. `items`: means of the baseline's
    items, for the paired tests."""
    asked = observations(answers, worst_of=basis.worst_of)
    found = assess(
        measurements=_usable(measure(answers, worst_of=basis.worst_of), basis.judge_problem),
        observations=_usable(asked, basis.judge_problem),
        profiles=profiles,
        own=own,
        detectors=basis.detectors,
        reference_key=basis.reference_key,
        story=basis.story,
        judge_problem=plain(basis.judge_problem),
        threshold=basis.threshold,
        chosen=basis.chosen,
    )
    if not items or len(asked) < PAIRED_ITEMS:
        return found
    now = {(o.cell, o.item): o.value for o in _usable(asked, basis.judge_problem)}
    paired = paired_tests(now, items)
    return replace(found, comparison=replace(found.comparison, paired=paired))


def to_json(basis: Basis) -> dict[str, Any]:
    """Of the detectors only the evidence: what they hold it against follows from the references."""
    return {
        "statistics": STATISTICS,
        "threshold": basis.threshold,
        "reference_key": basis.reference_key,
        "baseline": basis.baseline_id,
        "worst_of": basis.worst_of,
        "chosen": basis.chosen,
        "judge_problem": _problem_to_json(basis.judge_problem),
        "story": story_to_json(basis.story),
        "detectors": {
            str(arm): {"key": state.key, "evidence": evidence_to_json(state.evidence)}
            for arm, state in basis.detectors.items()
        },
    }


def from_json(data: Mapping[str, Any], profiles: ProfileSet, own: Profile | None) -> Basis:
    """Raises ValueError for the basis of other statistics than these."""
    if data.get("statistics") != STATISTICS:
        raise ValueError(
            f"the verdict was drawn by version {data.get('statistics')} of the statistics, this is {STATISTICS}; "
            "replay it with the release that drew it"
        )
    key = str(data["reference_key"])
    detectors = {}
    for name, stored in data["detectors"].items():
        arm = Arm(name)
        blank = replace(detector_for(arm, None, key, profiles, own), key=stored["key"])
        detectors[arm] = replace(blank, evidence=evidence_from_json(stored["evidence"]))
    problem = data["judge_problem"]
    return Basis(
        threshold=float(data["threshold"]), reference_key=key, baseline_id=data["baseline"],
        worst_of=int(data["worst_of"]), chosen=bool(data["chosen"]), detectors=detectors,
        story=story_from_json(data["story"]),
        judge_problem=Problem(reason=Reason(problem["reason"]), detail=problem["detail"], remedy=problem["remedy"])
        if problem
        else None,
    )  # fmt: skip


def plain(problem: Problem | None) -> str | None:
    return f"{problem.reason}: {problem.detail}; {problem.remedy}" if problem else None


def _problem_to_json(problem: Problem | None) -> dict[str, str] | None:
    if problem is None:
        return None
    return {"reason": str(problem.reason), "detail": problem.detail, "remedy": problem.remedy}


def _usable(seen: Sequence[Measured], judge_problem: Problem | None) -> list[Measured]:
    """Without the grades of a judge that has moved: they say nothing about the endpoint."""
    if judge_problem is None or judge_problem.reason is not Reason.JUDGE_MOVED:
        return list(seen)
    return [one for one in seen if one.cell.probe not in ARM_PROBES[Arm.BEHAVIOUR]]
