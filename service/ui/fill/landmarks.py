"""Where the published states, and the paper's fifteen models, stand in the drift units of a profile set."""

from collections.abc import Mapping
from functools import cache

from baselines.assess import landmarks
from baselines.profiles import FAMILY, SIZES, published
from baselines.types import Arm, ProfileSet, State
from service.ui.views.trajectory import Variant

TUNED = ("trivia", "code")
"""What the paper's models were fine-tuned on. `all` is no model, but the mean of both."""
Scores = Mapping[Arm, Mapping[State, float]]


def in_drift(scores: Scores, units: ProfileSet) -> dict[Arm, dict[State, float]]:
    """Mean scores of states as drift: 0 at the base of `units`, 1 at its misaligned state."""
    marks = landmarks(units)
    return {
        arm: {
            state: (score - marks[arm][State.BASE]) / (marks[arm][State.MISALIGNED] - marks[arm][State.BASE])
            for state, score in states.items()
        }
        for arm, states in scores.items()
    }


def states(units: ProfileSet) -> dict[Arm, dict[State, float]]:
    """The set's own states, by arm: base is 0, misaligned 1."""
    return in_drift(landmarks(units), units)


def variants(units: ProfileSet) -> tuple[Variant, ...]:
    """The paper's fifteen: three bases, then each of them misaligned and realigned on each domain."""
    found: list[Variant] = []
    for state, domains in ((State.BASE, TUNED[:1]), (State.MISALIGNED, TUNED), (State.REALIGNED, TUNED)):
        for domain in domains:
            for size in SIZES:
                at = in_drift(_scores(domain, size), units)
                found.append(
                    Variant(
                        number=len(found) + 1, state=state, domain="" if state is State.BASE else domain, size=size,
                        x=at[Arm.SELF_REPORT][state], y=at[Arm.BEHAVIOUR][state],
                    )
                )  # fmt: skip
    return tuple(found)


@cache
def _scores(domain: str, size: str) -> Scores:
    return landmarks(published(f"{FAMILY}/{domain}/{size}"))
