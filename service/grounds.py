"""What a run is judged by, read from the database: references, evidence so far, threshold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import Profile, ProfileSet
from probes import registry
from probes.types import Cell, Plan, Problem
from service import own_baseline, profile_library
from service.basis import PAIRED_ITEMS, Basis
from service.false_alarms import FalseAlarms
from service.storage import results
from service.storage.schema import BaselineRow, EndpointRow, RunRow


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """`items`: the mean scores of the baseline's items, for the paired tests."""

    basis: Basis
    profiles: ProfileSet
    baseline: BaselineRow | None
    own: Profile | None
    items: Mapping[tuple[Cell, str], float]

    def without_judge(self, problem: Problem | None) -> "Grounds":
        """The same, once it is known what was the matter with the judge."""
        return replace(self, basis=replace(self.basis, judge_problem=problem))


async def read(
    session: AsyncSession, run: RunRow, endpoint: EndpointRow, plan: Plan | None, false_alarms: FalseAlarms
) -> Grounds:
    baseline = await own_baseline.current(session, endpoint.id)
    profiles = await profile_library.resolve(session, endpoint.profiles)
    basis = Basis(
        threshold=await false_alarms.threshold_log10(session),
        reference_key=own_baseline.reference_key(baseline, profiles),
        baseline_id=baseline.id if baseline else None,
        worst_of=worst_of(plan),
        judge_problem=None,
        chosen=run.focus is not None,
        story=await results.story(session, endpoint),
        detectors=await results.detectors(session, endpoint.id),
    )
    return Grounds(
        basis=basis, profiles=profiles, baseline=baseline, own=own_baseline.profile(baseline),
        items=await own_baseline.items(session, baseline) if run.total >= PAIRED_ITEMS else {},
    )  # fmt: skip


def worst_of(plan: Plan | None) -> int:
    """How many replies a judged prompt gets under this plan."""
    judged = [s.replies for s in plan.selections if registry.probe(s.probe).needs_judge] if plan else []
    return max(judged, default=1)
