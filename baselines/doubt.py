"""What to ask next, when evidence is neither weak enough to wait nor strong enough to say so. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from baselines.bets import bound_key
from baselines.types import ARM_PROBES, Arm, ArmComparison, DetectorState
from probes.types import Cell, Measurement

WEAK = 0.4
"""Evidence at this share of its threshold (both as logarithms) is worth a second look."""


class Step(StrEnum):
    FOLLOW_UP = "follow_up"
    CONFIRM = "confirm"


@dataclass(frozen=True, kw_only=True)
class Focus:
    """An arm, and the dimensions or categories of it that are in doubt."""

    arm: Arm
    groups: tuple[str, ...]

    def holds(self, cell: Cell) -> bool:
        return cell.probe in ARM_PROBES[self.arm] and group_of(cell) in self.groups


def group_of(cell: Cell) -> str:
    return cell.category or cell.dimension


def next_step(arms: Mapping[Arm, ArmComparison]) -> tuple[Step, Arm] | None:
    """A full run where an arm alarms, more answers where its evidence is weak; for the arm with the most evidence."""
    if not arms:
        return None
    arm = max(arms, key=lambda one: arms[one].evidence)
    found = arms[arm]
    if found.alarm:
        return Step.CONFIRM, arm
    return (Step.FOLLOW_UP, arm) if found.evidence >= WEAK * found.threshold else None


def doubtful(arm: Arm, measurements: Sequence[Measurement], detector: DetectorState) -> Focus:
    """The half of the arm's dimensions or categories that stand highest above what is known of them."""
    excess: dict[str, float] = {}
    for one in measurements:
        if one.cell.probe in ARM_PROBES[arm] and one.mean is not None:
            known = detector.known.get(bound_key(one.cell, one.k)) or detector.known.get(
                Cell(probe=one.cell.probe, dimension=one.cell.dimension).key
            )
            above = (one.mean - (known.mean if known else 0.0)) * sqrt(one.items)
            excess[group_of(one.cell)] = excess.get(group_of(one.cell), 0.0) + above
    highest = sorted(excess, key=lambda group: (-excess[group], group))
    return Focus(arm=arm, groups=tuple(sorted(highest[: max(1, len(highest) // 2)])))
