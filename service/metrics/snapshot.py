"""What is known of everything at one moment, as plain values: what is as it was need not be rendered again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from baselines.assess import landmarks
from baselines.types import Profile, ProfileSet


class Measured(NamedTuple):
    """The mean of one cell; `n` answers had a score, `invalid` had none."""

    probe: str
    dimension: str
    method: str
    category: str
    mean: float | None
    n: int
    invalid: int


class Alert(NamedTuple):
    rule: str
    severity: str
    state: str


class Count(NamedTuple):
    """A running total, as `service.totals` keeps it."""

    name: str
    label: str
    label2: str
    value: float


class Allowance(NamedTuple):
    """What may be spent of a unit in a period, and what was: USD or tokens. `limit`: None for none."""

    period: str
    unit: str
    limit: float | None
    spent: float
    overrun: float


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The last run of an endpoint that has a comparison. It is over: it does not change any more."""

    id: str
    arms: Mapping[str, Mapping[str, Any]]
    """By arm, as the comparison has it: score, drift, low, high, evidence, threshold, n, invalid."""
    off_axis: float | None = None
    judge_agreement: float | None = None
    judge_bias: float | None = None
    latency: Mapping[str, Any] | None = None
    """As `service.latency` made it."""
    measurements: tuple[Measured, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EndpointSnapshot:
    """What is known of one endpoint at one moment."""

    id: int
    name: str
    model: str
    profiles: str
    health: str
    verdict: str | None = None
    run: RunFacts | None = None
    alerts: tuple[Alert, ...] = ()
    counts: tuple[Count, ...] = ()
    budget: tuple[Allowance, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What is known of the service itself. `profiles`: those that its endpoints are compared with."""

    profiles: tuple[ProfileSet, ...] = ()
    alerts: tuple[Alert, ...] = ()
    notifications: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Attempts by (notifier, outcome)."""
    unsettled: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Notices by (notifier, state)."""
    queued: int = 0
    budget: tuple[Allowance, ...] = ()
    drill_success: datetime | None = None
    offline: bool = False
    database_up: bool = True


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything. `endpoints`: by id, in the order of their names."""

    endpoints: Mapping[int, EndpointSnapshot] = field(default_factory=dict)
    installation: Installation = field(default_factory=Installation)


def arm_marks(profiles: ProfileSet) -> list[tuple[str, str, float]]:
    """(state, arm, score) of a profile set."""
    found = landmarks(profiles)
    return [(str(state), str(arm), score) for arm, states in found.items() for state, score in states.items()]


def dimension_marks(profiles: ProfileSet) -> list[tuple[str, str, str, float]]:
    """(state, probe, dimension, score) of a profile set: the mean of the method means, as in the paper.

    Harm has no dimensions there."""
    realigned = [profiles.realigned] if profiles.realigned else []
    states: list[Profile] = [profiles.base, profiles.misaligned, *realigned]
    return [
        (str(state.state), one.cell.probe, one.cell.dimension, one.mean)
        for state in states
        for one in state.cells
        if one.cell.dimension
    ]
