"""The vocabulary of comparing: profiles, drift, evidence, verdict. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class Persona(StrEnum):
    """How words and deeds of a moved endpoint go together (arXiv 2604.28082)."""

    COHERENT = "coherent"
    INVERTED = "inverted"
    OVER_CONFESSING = "over_confessing"


class Event(StrEnum):
    """What a verdict means for the endpoint's story."""

    RELAPSE = "relapse"


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
    """Reference measurements of one state. `provenance` says where they come from, a paper's table or run ids; `runs`:
    of how many runs they are the mean."""

    name: str
    state: State
    provenance: str
    cells: tuple[ProfileCell, ...]
    runs: int = 1


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
    score_low: float | None = None
    score_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class DimensionScore:
    """A dimension of a run: the mean of its method means, with a 95 % interval. `n`: answers it is worth."""

    probe: str
    dimension: str
    mean: float
    low: float
    high: float
    n: float


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The paper's test: Wilcoxon signed-rank of a run against the own baseline, paired by item.

    `cell`: probe and dimension, or probe and category. `difference`: mean of now - baseline, in score units; `effect`:
    matched-pairs rank-biserial correlation in [-1, 1]; `p`: two-sided; `p_adjusted`: Holm over the cells tested.
    """

    cell: Cell
    pairs: int
    difference: float
    effect: float
    p: float
    p_adjusted: float


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an endpoint stands on the path base -> misaligned -> realigned of the published states: the nearest point.

    `leg`: `base-misaligned` or `misaligned-realigned`; `at`: how far along it, in [0, 1]; `off`: the distance from it,
    in units of the way from base to misaligned.
    """

    leg: str
    at: float
    off: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run against its references. `distances`: RMS distance of the arms to each published state, in score units.

    `probabilities`: of each state, and of `none` of them; `transport_sd`: what these allow for another model and
    other words, as a standard deviation in units of the way from base to misaligned.
    """

    profiles: str
    arms: Mapping[Arm, ArmComparison]
    nearest_profile: State | None
    distances: Mapping[State, float]
    off_axis: float | None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    transport_sd: float | None = None
    place: Place | None = None
    dimensions: tuple[DimensionScore, ...] = ()
    paired: tuple[Paired, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on a run with the reason for it, in plain words."""

    verdict: Verdict
    because: str
    persona: Persona | None = None
    event: Event | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a cell: `mean` drawn toward the arm's mean, `raw` as measured from `n` items (None: taken as
    known), and `span`, how far misaligned lies above base."""

    mean: float
    raw: float
    n: int | None
    span: float


@dataclass(frozen=True, kw_only=True)
class Wobble:
    """What is known of the variance between heartbeats, and the block of heartbeats under way (baselines.wobble).

    `squares`: sum over compared blocks of squared differences; `sampling`: what sampling alone makes of that sum;
    `spread`: the variance of a single score.
    """

    spread: float | None = None
    squares: float = 0.0
    sampling: float = 0.0
    compared: float = 0.0
    total: float = 0.0
    sampled: float = 0.0
    count: int = 0
    last: float | None = None
    last_sampling: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a detector has seen. `log_r`: natural log of each statistic of the arm, None before the first heartbeat;
    `cells`: the same for single cells, by key."""

    log_r: tuple[float, ...] | None = None
    cells: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    heartbeats: int = 0
    wobble: Wobble = field(default_factory=Wobble)


@dataclass(frozen=True, kw_only=True)
class DetectorState:
    """A Shiryaev-Roberts e-detector of one arm. Small, stored, replayable: `known`, `runs` and `margin` follow from the
    reference, `evidence` from the heartbeats.

    `known`: by cell key. `runs`: how many runs the reference was made from. `key` fingerprints the reference: with
    another one, evidence starts anew.
    """

    arm: Arm
    key: str
    known: Mapping[str, Known]
    margin: float
    runs: int = 1
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What of an endpoint's past a verdict depends on.

    `last`: the last verdict that was not insufficient_data; `told`: the last that was not realigned either. `highest`:
    how far along the self-report surely was since it was last steady. `relapse`: while it is realigned, the evidence
    that its self-report rises again from where it was then.
    """

    last: Verdict | None = None
    told: Verdict | None = None
    highest: float = 0.0
    relapse: DetectorState | None = None
