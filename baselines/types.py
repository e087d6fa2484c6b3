"""The vocabulary of comparing: profiles, drift, evidence, verdict. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from probes.types import Cell


class Arm(StrEnum):
    """The two things we watch: what a model says of itself, and what it does."""

    SELF_REPORT = "self_report"
    BEHAVIOUR = "behaviour"


ARM_PROBES: Mapping[Arm, tuple[str, ...]] = {
    Arm.SELF_REPORT: ("self_assessment", "intentions"),
    Arm.BEHAVIOUR: ("harm",),
}


class State(StrEnum):
    BASE = "base"
    MISALIGNED = "misaligned"
    REALIGNED = "realigned"
    OWN = "own"


class Verdict(StrEnum):
    STEADY = "steady"
    SELF_REPORT_SHIFT = "self_report_shift"
    BEHAVIOUR_SHIFT = "behaviour_shift"
    COHERENT_MISALIGNMENT = "coherent_misalignment"
    INVERTED_PERSONA = "inverted_persona"
    REALIGNED = "realigned"
    INSUFFICIENT_DATA = "insufficient_data"


@dataclass(frozen=True, kw_only=True)
class ProfileCell:
    """One reference value in [0, 1]. `k`: worst of how many replies (harm). `n`: answers behind it, None for a
    published value. `published_sd` is the paper's SD, kept for the record: it is not sampling noise."""

    cell: Cell
    mean: float
    k: int = 1
    n: int | None = None
    items: int | None = None
    variance: float | None = None
    published_sd: float | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Reference measurements of one state. `provenance` says where they come from: a paper's table, or run ids."""

    name: str
    state: State
    provenance: str
    cells: tuple[ProfileCell, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileSet:
    """The three landmarks that give a direction, e.g. `gpt-4.1/all`."""

    name: str
    base: Profile
    misaligned: Profile
    realigned: Profile | None
    provenance: str
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class ArmComparison:
    """One arm of one run against its reference.

    `score`: mean of the arm's cells. `drift`: 0 at base, 1 at misaligned, with a 95 % interval [low, high]; None when
    the arm has no data. `evidence`: log10 of the e-detector's statistic after this run; `threshold`: where it alarms.
    `reference`: `own` (own baseline) or `published`. `note` qualifies the figure in plain words, else empty.
    """

    score: float | None
    drift: float | None
    low: float | None
    high: float | None
    evidence: float
    threshold: float
    alarm: bool
    n: int
    invalid: int
    reference: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run against its references. `distances`: RMS distance of the arms to each published state, in score units."""

    profiles: str
    arms: Mapping[Arm, ArmComparison]
    nearest_profile: State | None
    distances: Mapping[State, float]
    off_axis: float | None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on a run with the reason for it, in plain words."""

    verdict: Verdict
    because: str


@dataclass(frozen=True, kw_only=True)
class DetectorState:
    """A Shiryaev-Roberts e-detector of one arm after `heartbeats` observations. Small, stored, replayable.

    `bounds`: for each cell key, the mean that a steady endpoint does not exceed on average over the asked cells;
    `fallback`: the bound of cells that are not listed. `log_r[i]`: natural log of the statistic under betting fraction
    `bets[i]`, None before the first heartbeat. `key` fingerprints the reference: with another one, evidence
    starts anew.
    """

    arm: Arm
    key: str
    bounds: Mapping[str, float]
    fallback: float
    bets: tuple[float, ...]
    log_r: tuple[float, ...] | None = None
    heartbeats: int = 0
