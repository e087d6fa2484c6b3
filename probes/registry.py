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
    "moral_self_assessment": "probes.moral_self_assessment.probe:MoralSelfAssessment",
}
SHIPPED = frozenset(PROBES)
_installed: dict[str, Probe] = {}


def install(found: Probe) -> None:
    """Make a probe of the user's own known under its name, or replace it. Raises ValueError for a shipped name, and for
    an item id that another bank has."""
    if found.name in SHIPPED:
        raise ValueError(f"probe {found.name!r} is shipped; give yours another name")
    others = {item.id for name in names() if name != found.name for item in probe(name).bank.items}
    if taken := others & {item.id for item in found.bank.items}:
        raise ValueError(f"item id {min(taken)!r} of probe {found.name!r} is that of another bank")
    _installed[found.name] = found
    _forget()


def uninstall(name: str) -> None:
    """Forget a probe that was installed."""
    _installed.pop(name, None)
    _forget()


def _forget() -> None:
    fingerprint.cache_clear()
    items_by_id.cache_clear()


def names() -> tuple[str, ...]:
    """Of all probes, the shipped ones first."""
    return (*PROBES, *_installed)


def probe(name: str) -> Probe:
    """The probe called `name`. Raises KeyError naming the known ones."""
    if name in _installed:
        return _installed[name]
    if name not in PROBES:
        raise KeyError(f"unknown probe {name!r}; known: {', '.join(sorted(names()))}")
    return _shipped(name)


@cache
def _shipped(name: str) -> Probe:
    return cast(Probe, resolve_name(PROBES[name])())


@cache
def fingerprint() -> str:
    """SHA-256 hex over the content of every shipped bank: what evidence about an endpoint rests on."""
    hashes = "|".join(f"{name}:{probe(name).bank.content_hash}" for name in sorted(PROBES))
    return hashlib.sha256(hashes.encode()).hexdigest()


@cache
def items_by_id() -> dict[str, Item]:
    """Every item of every bank, by id. Raises ValueError when two banks share an id."""
    found: dict[str, Item] = {}
    for name in names():
        for item in probe(name).bank.items:
            if item.id in found:
                raise ValueError(f"item id {item.id!r} appears twice in the registered banks")
            found[item.id] = item
    return found
