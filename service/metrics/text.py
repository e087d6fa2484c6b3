"""Families to the text of the Prometheus exposition format, endpoint by endpoint: one that is as it was is not rendered
again. Pure, and safe in a thread."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.metrics import (
    families_budgets,
    families_installation,
    families_measured,
    families_slots,
    families_states,
    families_totals,
)
from service.metrics.snapshot import EndpointSnapshot, Snapshot

Piece = dict[bytes, bytes]
"""The lines of some series, by the two lines that introduce their family."""
Families = Callable[[Sequence[EndpointSnapshot]], Iterable[Metric]]

FAMILY = re.compile(rb"^# HELP ", re.MULTILINE)
"""Where the text of a family begins: no label can hold a line break as it is."""
OF_ENDPOINTS: tuple[Families, ...] = (
    families_states.families,
    families_measured.families,
    families_totals.families,
    families_slots.families,
    families_budgets.families,
)


def families(snapshot: Snapshot) -> list[Metric]:
    """All that there are; a family that tells of endpoints and of the installation comes twice."""
    endpoints = list(snapshot.endpoints.values())
    found = [metric for of in OF_ENDPOINTS for metric in of(endpoints)]
    return [*found, *families_installation.families(snapshot.installation)]


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A snapshot and its text. `pieces`: by endpoint id."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    pieces: Mapping[int, Piece] = field(default_factory=dict)
    text: bytes = b""


def render(snapshot: Snapshot, before: Rendered) -> Rendered:
    """The text of a snapshot. Endpoints that are equal in the one `before` keep what was rendered for them."""
    old = before.snapshot.endpoints
    pieces = {
        key: before.pieces[key] if key in before.pieces and old.get(key) == one else _endpoint_piece(one)
        for key, one in snapshot.endpoints.items()
    }
    installation = _piece(families_installation.families(snapshot.installation))
    return Rendered(snapshot=snapshot, pieces=pieces, text=_merged([*pieces.values(), installation]))


def _endpoint_piece(endpoint: EndpointSnapshot) -> Piece:
    found = _piece(metric for of in OF_ENDPOINTS for metric in of([endpoint]))
    return {head: lines for head, lines in found.items() if lines}


@cache
def _heads() -> Piece:
    return _piece(families(Snapshot()))


def _merged(pieces: Sequence[Piece]) -> bytes:
    """One text. Each family is introduced once, and also where it has no series."""
    parts: list[bytes] = []
    for head in _heads() | pieces[-1]:
        parts.append(head)
        parts += [piece[head] for piece in pieces if head in piece]
    return b"".join(parts)


def _piece(metrics: Iterable[Metric]) -> Piece:
    found: dict[bytes, bytes] = {}
    for block in FAMILY.split(generate_latest(_Given(list(metrics))))[1:]:
        help_text, type_text, lines = block.split(b"\n", 2)
        head = b"# HELP " + help_text + b"\n" + type_text + b"\n"
        found[head] = found.get(head, b"") + lines
    return found


class _Given(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
