"""One run, assessed: comparison, evidence and verdict together. Pure; the front door of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines import sequential
from baselines.compare import ArmFigures, compare_arm, distances, landmarks
from baselines.profiles import WORST_OF
from baselines.types import (
    ARM_PROBES,
    Arm,
    ArmComparison,
    Comparison,
    DetectorState,
    Judgement,
    Profile,
    ProfileSet,
    State,
    Verdict,
)
from baselines.verdict import decide
from probes.types import Measurement, Observation

__all__ = ["Assessment", "assess", "landmarks"]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a run says, and the detectors after it."""

    comparison: Comparison
    judgement: Judgement
    detectors: Mapping[Arm, DetectorState]


def assess(
    *,
    measurements: Sequence[Measurement],
    observations: Sequence[Observation],
    profiles: ProfileSet,
    own: Profile | None,
    detectors: Mapping[Arm, DetectorState],
    reference_key: str,
    history: Sequence[Verdict],
    judge_problem: str | None,
) -> Assessment:
    """Compare a run with its references, add it to the evidence, and decide.

    `own`: the endpoint's own baseline, if it has one. `detectors`: the evidence so far; one whose key is not
    `reference_key` was gathered against another reference and starts anew. `history`: earlier verdicts, oldest first.
    """
    after: dict[Arm, DetectorState] = {}
    arms: dict[Arm, ArmComparison] = {}
    off_axis: float | None = None
    for arm in Arm:
        figures = compare_arm(arm, measurements, profiles, own)
        detector = _detector(arm, detectors.get(arm), reference_key, profiles, own)
        asked = [o for o in observations if o.cell.probe in ARM_PROBES[arm]]
        after[arm] = sequential.observe(detector, _seen(asked, own))
        if figures is None:
            continue
        arms[arm] = _arm(figures, after[arm])
        if arm is Arm.SELF_REPORT and figures.drift is not None:
            off_axis = figures.drift.off_axis
    scores = {arm: figures.score for arm, figures in arms.items() if figures.score is not None}
    away = distances(scores, profiles)
    nearest: State | None = min(away, key=lambda state: away[state]) if away else None
    comparison = Comparison(
        profiles=profiles.name, arms=arms, nearest_profile=nearest, distances=away, off_axis=off_axis
    )
    return Assessment(comparison=comparison, judgement=decide(arms, nearest, history, judge_problem), detectors=after)


def _detector(
    arm: Arm, current: DetectorState | None, key: str, profiles: ProfileSet, own: Profile | None
) -> DetectorState:
    if current is not None and current.key == key:
        return current
    cells = [c for c in own.cells if c.cell.probe in ARM_PROBES[arm]] if own is not None else []
    if own is not None and cells:
        return sequential.start_from_own(arm, own, cells, key)
    return sequential.start_from_published(arm, profiles, ARM_PROBES[arm], key)


def _seen(observations: Sequence[Observation], own: Profile | None) -> list[sequential.Seen]:
    """Each item in the way that the reference was measured: by its worst of k where there is a bound for it, else by
    the mean of its replies. The published base is that of the worst of 10, and so a bound for fewer replies as well."""
    known = {(c.cell, c.k) for c in own.cells} if own is not None else None
    found = []
    for one in observations:
        like = one.k <= WORST_OF if known is None else (one.cell, one.k) in known
        if not like or not one.cell.category:
            found.append(sequential.Seen(key=sequential.bound_key(one.cell, 1), value=one.value))
        elif one.worst is not None:
            found.append(sequential.Seen(key=sequential.bound_key(one.cell, one.k), value=one.worst))
    return found


def _arm(figures: ArmFigures, detector: DetectorState) -> ArmComparison:
    drift = figures.drift
    return ArmComparison(
        score=figures.score,
        drift=drift.value if drift else None,
        low=drift.low if drift else None,
        high=drift.high if drift else None,
        evidence=sequential.evidence_log10(detector),
        threshold=sequential.THRESHOLD_LOG10,
        alarm=sequential.alarms(detector),
        n=figures.n,
        invalid=figures.invalid,
        reference=figures.reference,
        note=figures.note,
    )
