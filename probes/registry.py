"""Every probe family, by name. Adding one: a module and a line here; contract tests pick it up."""

import hashlib
from functools import cache
from pkgutil import resolve_name
from typing import cast

from probes.types import Item, Probe

PROBES: dict[str, str] = {
    "self_assessment": "probes.self_assessment.probe:SelfAssessment",
    "intentions": "probes.intentions.probe:Intentions",
    "harm": "probes.harm.probe:Harm",
}


@cache
def probe(name: str) -> Probe:
    """The probe called `name`. Raises KeyError naming the known ones."""
    if name not in PROBES:
        raise KeyError(f"unknown probe {name!r}; known: {', '.join(sorted(PROBES))}")
    return cast(Probe, resolve_name(PROBES[name])())


@cache
def fingerprint() -> str:
    """SHA-256 hex over the content of every registered bank."""
    hashes = "|".join(f"{name}:{probe(name).bank.content_hash}" for name in sorted(PROBES))
    return hashlib.sha256(hashes.encode()).hexdigest()


@cache
def items_by_id() -> dict[str, Item]:
    """Every item of every registered bank, by id. Raises ValueError when two banks share an id."""
    found: dict[str, Item] = {}
    for name in PROBES:
        for item in probe(name).bank.items:
            if item.id in found:
                raise ValueError(f"item id {item.id!r} appears twice in the registered banks")
            found[item.id] = item
    return found
