"""Two runs side by side: which items changed, and whether a dimension did, by the paired tests of `baselines`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from baselines.paired import MIN_PAIRS, paired_tests
from baselines.types import ARM_PROBES, Arm, Paired
from probes.measure import observations
from probes.types import Answer, Cell, Reason
from service.storage import answers as answer_store
from service.storage.retention import Stage
from service.storage.schema import EndpointRow, RunRow

MOST_ITEMS = 20


@dataclass(frozen=True, kw_only=True)
class ItemChange:
    """The mean score of one item in both runs."""

    item: str
    cell: Cell
    before: float
    now: float

    @property
    def difference(self) -> float:
        return self.now - self.before


@dataclass(frozen=True, kw_only=True)
class Items:
    """`shared`: items with a score in both runs; `changed`: those that changed most. `why_not`: why nothing could be
    tested, empty when something was."""

    tests: tuple[Paired, ...] = ()
    changed: tuple[ItemChange, ...] = ()
    shared: int = 0
    why_not: str = ""


async def by_item(session: AsyncSession, a: RunRow, b: RunRow) -> Items:
    """Both runs item against item, `a` as what was before."""
    gone = [run.id for run in (a, b) if run.retention in (Stage.REMOVING_ANSWERS, Stage.NO_ANSWERS)]
    if gone:
        return Items(why_not=f"the single answers of {' and '.join(gone)} were removed by retention")
    if a.id == b.id:
        return Items(why_not="it is one and the same run")
    before, now = [_usable(run, await answer_store.scores_of(session, run.id)) for run in (a, b)]
    # in a thread: it may have to load scipy, and a full run has 18,200 answers
    return await asyncio.to_thread(_compared, before, now)


def _compared(before: Sequence[Answer], now: Sequence[Answer]) -> Items:
    old, new = _means(before), _means(now)
    shared = sorted(old.keys() & new.keys())
    changes = [ItemChange(item=key[1], cell=key[0], before=old[key], now=new[key]) for key in shared]
    changed = sorted((one for one in changes if one.difference), key=lambda one: -abs(one.difference))
    tests = paired_tests(new, old)
    return Items(
        tests=tests, changed=tuple(changed[:MOST_ITEMS]), shared=len(shared), why_not="" if tests else _too_few(shared)
    )


def _too_few(shared: Sequence[object]) -> str:
    what = f"they share {len(shared)} items with a score" if shared else "they share no item with a score"
    return f"{what}, and a test needs {MIN_PAIRS} in a dimension or category; short plans draw their items at random"


def _means(answers: Sequence[Answer]) -> Mapping[tuple[Cell, str], float]:
    return {(one.cell, one.item): one.value for one in observations(answers)}


def _usable(run: RunRow, answers: Sequence[Answer]) -> list[Answer]:
    """Without the grades of a judge that had moved: they say nothing about the endpoint."""
    if run.judge_reason != Reason.JUDGE_MOVED:
        return list(answers)
    return [one for one in answers if one.cell.probe not in ARM_PROBES[Arm.BEHAVIOUR]]


def caveats(a: tuple[RunRow, EndpointRow], b: tuple[RunRow, EndpointRow]) -> tuple[str, ...]:
    """What to bear in mind, in plain words; empty for two runs of one kind."""
    (before, one), (now, other) = a, b
    found = []
    if before.id == now.id:
        found.append("Both sides are one and the same run.")
    for name, run in (("first", before), ("second", now)):
        if run.state in ("queued", "running"):
            found.append(f"The {name} run is not over: its measurements are taken when it ends.")
    if one.id != other.id:
        found.append(
            f"These are two endpoints, {one.name} and {other.name}: a difference is one between two models, "
            "not a change over time."
        )
    if before.plan != now.plan:
        found.append(
            f"The plans differ ({before.plan} and {now.plan}): they ask other items, and other numbers of them."
        )
    elif before.banks_hash != now.banks_hash:
        found.append("The plan or the item banks changed in between: an item may have been asked in other words.")
    if one.id != other.id and one.profiles != other.profiles:
        found.append(f"Their drifts lie along different directions ({one.profiles} and {other.profiles}).")
    if one.id == other.id and _baseline(before) != _baseline(now):
        found.append("Their drifts are against different baselines; the scores are not touched by that.")
    return tuple(found)


def _baseline(run: RunRow) -> object:
    return (run.basis or {}).get("baseline")
