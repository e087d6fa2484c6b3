"""Which questions a run asks: those of its plan, or, for a closer look, more of those in doubt."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from baselines.doubt import Focus
from baselines.types import ARM_PROBES, Arm
from probes import registry
from probes.plans import draw
from probes.types import Ask, Plan

TIMES = 4
"""A closer look asks each cell in doubt so many times as often as its plan."""


def questions(plan: Plan, *, seed: int, focus: Mapping[str, Any] | None) -> tuple[Ask, ...]:
    """Drawn from the seed. Raises ValueError for an unknown probe or variant."""
    if focus is None:
        return draw(plan, seed=seed, probe_of=registry.probe)
    on = from_json(focus)
    more = tuple(
        replace(s, questions=None if s.questions is None else s.questions * TIMES)
        for s in plan.selections
        if s.probe in ARM_PROBES[on.arm]
    )
    asks = draw(replace(plan, selections=more), seed=seed, probe_of=registry.probe)
    return tuple(ask for ask in asks if on.holds(ask.item.cell))


def to_json(focus: Focus) -> dict[str, Any]:
    return {"arm": str(focus.arm), "groups": list(focus.groups)}


def from_json(data: Mapping[str, Any]) -> Focus:
    return Focus(arm=Arm(data["arm"]), groups=tuple(data["groups"]))
