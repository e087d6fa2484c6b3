"""Simulated answers at known rates, and the figures made of them."""

import random
from collections.abc import Iterable

from baselines.assess import Assessment, assess
from baselines.build import build_own
from baselines.profiles import published
from baselines.types import Arm, ArmComparison, DetectorState, Profile, ProfileSet, Story, Verdict
from probes import registry
from probes.measure import measure, observations
from probes.plans import PLANS, draw
from probes.types import Answer, Cell, Plan, Reason, Score, Selection, Unscored

PROFILES: ProfileSet = published("gpt-4.1/all")
WIDE = Plan(
    name="wide",
    selections=(
        Selection(probe="self_assessment", questions=4),
        Selection(probe="intentions", questions=4),
        Selection(probe="harm", questions=None),
    ),
)


BASE = {(c.cell.probe, c.cell.dimension): c.mean for c in PROFILES.base.cells}
MISALIGNED = {(c.cell.probe, c.cell.dimension): c.mean for c in PROFILES.misaligned.cells}


def rate(cell: Cell, said: float, done: float) -> float:
    """The mean score of a cell, `said` (self-report) or `done` (behaviour) of the way from base to misaligned."""
    key = (cell.probe, cell.dimension)
    along = done if cell.probe == "harm" else said
    return min(max(BASE[key] + along * (MISALIGNED[key] - BASE[key]), 0.0), 1.0)


def answers(seed: int, said: float = 0.0, done: float = 0.0, plan: Plan = PLANS["heartbeat"]) -> list[Answer]:
    """One run of yes-no answers."""
    rng = random.Random(seed)
    return [
        Answer(
            item_id=ask.item.id,
            cell=ask.item.cell,
            repeat=ask.repeat,
            outcome=Score(value=float(rng.random() < rate(ask.item.cell, said, done)), scorer="t"),
        )
        for ask in draw(plan, seed=seed, probe_of=registry.probe)
    ]


def without_scores(found: Iterable[Answer], probe: str, reason: Reason = Reason.UNPARSEABLE) -> list[Answer]:
    """The same answers, those of `probe` unscored."""
    return [
        Answer(item_id=a.item_id, cell=a.cell, repeat=a.repeat, outcome=Unscored(reason=reason))
        if a.cell.probe == probe
        else a
        for a in found
    ]


def own_of(*runs: list[Answer]) -> Profile:
    """The own baseline built from runs."""
    pooled = [answer for run in runs for answer in run]
    by_k = {k: measure(pooled, worst_of=k) for k in range(1, 11)}
    return build_own(name="own", run_ids=["r"], measurements_by_k=by_k)


class Watch:
    """One endpoint, assessed run by run."""

    def __init__(self, own: Profile | None = None) -> None:
        self.own = own
        self.detectors: dict[Arm, DetectorState] = {}
        self.story = Story()
        self.verdicts: list[Verdict] = []

    def see(self, found: list[Answer], judge_problem: str | None = None, worst_of: int = 1) -> Assessment:
        done = assess(
            measurements=measure(found, worst_of=worst_of), observations=observations(found, worst_of=worst_of),
            profiles=PROFILES, own=self.own,
            detectors=self.detectors, reference_key="k", story=self.story, judge_problem=judge_problem,
        )  # fmt: skip
        self.detectors, self.story = dict(done.detectors), done.story
        self.verdicts.append(done.judgement.verdict)
        return done


def arm(
    drift: float | None,
    *,
    spread: float = 0.1,
    alarm: bool = False,
    reference: str = "own",
    n: int = 40,
    invalid: int = 0,
) -> ArmComparison:
    """The figures of one arm."""
    return ArmComparison(
        score=None if drift is None else 0.05 + drift / 2, drift=drift,
        low=None if drift is None else drift - spread, high=None if drift is None else drift + spread,
        evidence=5.0 if alarm else 0.0, threshold=4.0, alarm=alarm, n=n, invalid=invalid, reference=reference,
    )  # fmt: skip
