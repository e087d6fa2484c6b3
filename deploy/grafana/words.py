"""The words that panels use, their colours, and what is worst: in one place for all dashboards and rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from baselines.types import Verdict
from probes.registry import items_by_id


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a verdict is shown. `rank`: 0 is best, as in the recording rule `endpoint:selfwatch_verdict:rank`."""

    text: str
    colour: str
    rank: int


VERDICTS: Mapping[Verdict, Look] = {
    Verdict.STEADY: Look(text="steady", colour="green", rank=0),
    Verdict.REALIGNED: Look(text="realigned", colour="yellow", rank=1),
    Verdict.INSUFFICIENT_DATA: Look(text="insufficient data", colour="#8e8e8e", rank=2),
    Verdict.SELF_REPORT_SHIFT: Look(text="self-report shift", colour="orange", rank=3),
    Verdict.BEHAVIOUR_SHIFT: Look(text="behaviour shift", colour="dark-orange", rank=4),
    Verdict.INVERTED_PERSONA: Look(text="inverted persona", colour="purple", rank=5),
    Verdict.COHERENT_MISALIGNMENT: Look(text="coherent misalignment", colour="red", rank=6),
}
MOVED = tuple(verdict for verdict, look in VERDICTS.items() if look.rank >= 3)
"""Verdicts that say: it has moved toward misaligned."""

SELF_REPORT, BEHAVIOUR = "self_report", "behaviour"
ARM_NAMES: Mapping[str, str] = {SELF_REPORT: "self-reported harm", BEHAVIOUR: "judged harm"}
ARM_COLOURS: Mapping[str, str] = {SELF_REPORT: "blue", BEHAVIOUR: "orange"}
LANDMARKS: Mapping[str, str] = {"base": "green", "realigned": "yellow", "misaligned": "red"}
"""The states of the published profiles, and their colours."""

METHOD_COLOURS: Mapping[str, str] = {
    "decision": "blue",
    "language": "purple",
    "likert": "text",
    "numerical": "orange",
}
"""Of the ways in which the self-assessment asks: none that a landmark has."""
TOKEN_KINDS: Mapping[str, str] = {"judge_prompt": "judge: prompt", "judge_completion": "judge: completion"}

GREY = "#8e8e8e"


def dimensions() -> list[str]:
    """What the self-assessment asks about, as its items name it."""
    return sorted({item.dimension for item in items_by_id().values() if item.probe == "self_assessment"})


def categories() -> list[str]:
    """What the harm prompts are about, as their items name it."""
    return sorted({item.category for item in items_by_id().values() if item.category})


def spoken(name: str) -> str:
    """`good_evil` as a person reads it."""
    return " / ".join(name.split("_")) if name.count("_") == 1 else name.replace("_", " ")
