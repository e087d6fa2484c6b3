"""Why an alert sends nothing at the moment: silences, maintenance windows, and alerts that explain it. Pure.

A muted alert keeps its state. If it fires when the last of its mutes ends, that is sent then (`alerts.tell`).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.match import Match, Subject
from alerts.types import INSTALLATION, Alert, AlertState


class MuteKind(StrEnum):
    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    INHIBITED = "inhibited"


@dataclass(frozen=True, kw_only=True)
class Mute:
    """`by`: a silence's id, a window's name, or the rule that explains the alert. `until` is None where it ends with
    that rule's alert."""

    kind: MuteKind
    by: str
    until: datetime | None = None
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """A silence or window that holds now, and what it covers."""

    match: Match
    mute: Mute


Firing = Mapping[str, AbstractSet[str]]
"""Endpoint (INSTALLATION for the installation) to the rules that explain others there."""


def explains(alert: Alert) -> bool:
    """Whether it accounts for others: it fires, and what was seen last did not speak for its end.

    An endpoint that answers again stays "down" until it has done so `resolve_runs` times (more when it flaps). What its
    answers say meanwhile is no consequence of the outage.
    """
    return alert.state is AlertState.FIRING and alert.streak == 0


def mutes_of(subject: Subject, muted_by: AbstractSet[str], quiet: Sequence[Quiet], firing: Firing) -> tuple[Mute, ...]:
    """All that mutes the alert now; empty when nothing does."""
    found = [one.mute for one in quiet if one.match.fits(subject)]
    for where in dict.fromkeys((subject.endpoint, INSTALLATION)):
        explained = (muted_by & firing.get(where, frozenset())) - {subject.rule}
        found += [Mute(kind=MuteKind.INHIBITED, by=rule) for rule in sorted(explained)]
    return tuple(found)
