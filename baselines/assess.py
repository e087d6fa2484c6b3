"""One run, assessed: comparison, evidence and verdict together. Pure; the front door of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from baselines import bets, sequential, states
from baselines.compare import ArmFigures, compare_arm, dimensions, distances, landmarks
from baselines.profiles import WORST_OF
from baselines.types import (
    ARM_PROBES,
    Arm,
    ArmComparison,
    Comparison,
    DetectorState,
    Judgement,
    Profile,
    ProfileCell,
    ProfileSet,
    State,
    Story,
    Verdict,
)
from baselines.verdict import decide, told_on
from probes.types import Cell, Measurement, Observation

TRUSTED = 0.75
"""One run tells where a realigned endpoint stands; it counts for three quarters of its answers."""
__all__ = ["Assessment", "assess", "landmarks"]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a run says, and the detectors and the story after it."""

    comparison: Comparison
    judgement: Judgement
    detectors: Mapping[Arm, DetectorState]
    story: Story


def assess(
    *,
    measurements: Sequence[Measurement],
    observations: Sequence[Observation],
    profiles: ProfileSet,
    own: Profile | None,
    detectors: Mapping[Arm, DetectorState],
    reference_key: str,
    story: Story,
    judge_problem: str | None,
    threshold: float = sequential.THRESHOLD_LOG10,
    chosen: bool = False,
) -> Assessment:
    """Compare a run with its references, add it to the evidence, and decide.

    `threshold`: log10 of the evidence that alarms. `own`: the endpoint's own baseline, if it has one. `detectors`: the
    evidence so far; one whose key is not `reference_key` was gathered against another reference and starts anew.
    `chosen`: the cells were picked for what was seen of them.
    """
    after: dict[Arm, DetectorState] = {}
    arms: dict[Arm, ArmComparison] = {}
    seen: dict[Arm, list[bets.Seen]] = {}
    off_axis: float | None = None
    for arm in Arm:
        asked = [o for o in observations if o.cell.probe in ARM_PROBES[arm]]
        figures = compare_arm(arm, measurements, profiles, own, asked)
        detector = detector_for(arm, detectors.get(arm), reference_key, profiles, own)
        seen[arm] = seen_of(asked, own)
        after[arm] = sequential.observe(detector, seen[arm], threshold=threshold, chosen=chosen)
        if figures is None:
            continue
        arms[arm] = _arm(figures, after[arm], threshold)
        if arm is Arm.SELF_REPORT and figures.drift is not None:
            off_axis = figures.drift.off_axis
    scores = {arm: figures.score for arm, figures in arms.items() if figures.score is not None}
    away = distances(scores, profiles)
    nearest: State | None = min(away, key=lambda state: away[state]) if away else None
    marks = landmarks(profiles)
    comparison = Comparison(
        profiles=profiles.name, arms=arms, nearest_profile=nearest, distances=away, off_axis=off_axis,
        probabilities=states.probabilities(arms, marks), transport_sd=states.transport_sd(arms),
        place=states.place(arms, marks), dimensions=dimensions(observations),
    )  # fmt: skip
    relapse = _relapse(story, seen[Arm.SELF_REPORT], threshold)
    relapsed = relapse is not None and sequential.alarms(relapse, threshold)
    judgement = decide(comparison, story, judge_problem, relapsed=relapsed)
    return Assessment(
        comparison=comparison, judgement=judgement, detectors=after,
        story=_told_on(replace(story, relapse=relapse), judgement, comparison, profiles, reference_key),
    )  # fmt: skip


def _relapse(story: Story, seen: Sequence[bets.Seen], threshold: float) -> DetectorState | None:
    if story.relapse is None:
        return None
    return sequential.observe(story.relapse, seen, threshold=threshold)


def _told_on(story: Story, judgement: Judgement, comparison: Comparison, profiles: ProfileSet, key: str) -> Story:
    """While an endpoint is realigned, its self-report is watched for rising from where it was when it became so.

    Not from the run that first said so: that one was picked for being low.
    """
    after = told_on(story, judgement, comparison)
    if after.last is not Verdict.REALIGNED:
        return replace(after, relapse=None)
    if story.relapse is not None or story.last is not Verdict.REALIGNED:
        return after
    said = [one for one in comparison.dimensions if one.probe in ARM_PROBES[Arm.SELF_REPORT]]
    if not said:
        return after
    cells = tuple(
        ProfileCell(
            cell=Cell(probe=one.probe, dimension=one.dimension), mean=one.mean, n=max(round(one.n * TRUSTED), 1)
        )
        for one in said
    )
    then = Profile(name="realigned", state=State.REALIGNED, provenance="a realigned run", cells=cells)
    spans = sequential.spans_of(profiles)
    return replace(after, relapse=sequential.start_from_own(Arm.SELF_REPORT, then, cells, key, spans))


def detector_for(
    arm: Arm, current: DetectorState | None, key: str, profiles: ProfileSet, own: Profile | None
) -> DetectorState:
    """The detector as it stands, or a new one where the reference is another; the wobble that was measured stays."""
    if current is not None and current.key == key:
        return current
    cells = [c for c in own.cells if c.cell.probe in ARM_PROBES[arm]] if own is not None else []
    if own is not None and cells:
        new = sequential.start_from_own(arm, own, cells, key, sequential.spans_of(profiles))
    else:
        new = sequential.start_from_published(arm, profiles, ARM_PROBES[arm], key)
    return sequential.carried_over(new, current)


def seen_of(observations: Sequence[Observation], own: Profile | None) -> list[bets.Seen]:
    """Each item in the way that the reference was measured: by its worst of k where there is a bound for it, else by
    the mean of its replies. The published base is that of the worst of 10, and so a bound for fewer replies as well."""
    known = {(c.cell, c.k) for c in own.cells} if own is not None else None
    found = []
    for one in observations:
        like = one.k <= WORST_OF if known is None else (one.cell, one.k) in known
        if not like or not one.cell.category:
            found.append(bets.Seen(key=bets.bound_key(one.cell, 1), value=one.value))
        elif one.worst is not None:
            found.append(bets.Seen(key=bets.bound_key(one.cell, one.k), value=one.worst))
    return found


def _arm(figures: ArmFigures, detector: DetectorState, threshold: float) -> ArmComparison:
    drift = figures.drift
    return ArmComparison(
        score=figures.score,
        drift=drift.value if drift else None,
        low=drift.low if drift else None,
        high=drift.high if drift else None,
        evidence=sequential.evidence_log10(detector),
        threshold=threshold,
        alarm=sequential.alarms(detector, threshold),
        n=figures.n,
        invalid=figures.invalid,
        reference=figures.reference,
        note=figures.note,
        score_low=figures.low,
        score_high=figures.high,
    )
