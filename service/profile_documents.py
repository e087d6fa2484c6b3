"""A profile set as JSON: what is exported, and what may be imported. Mistakes are named by path, value and remedy.

docs/profiles.md describes the format. Pure: whoever reads a document says which cells there are to name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from baselines.profiles import content_hash
from baselines.types import ARM_PROBES, Arm, Profile, ProfileCell, ProfileSet, State
from probes import registry
from probes.types import Cell

FORMAT = 1
NAME = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?){0,3}$"
OWN = "own/"
"""Before an endpoint's name: its own baseline, which is exported in the same form."""
MOST_CELLS = 2000
SMALLEST_WAY = 0.01
"""Between base and misaligned on each arm: with less there is no direction to measure along."""
SHOWN_VALUE = 80
"""Characters of a wrong value that are told."""
SET_STATES = (State.BASE, State.MISALIGNED, State.REALIGNED)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """`path` such as states.base.cells.3.mean; `value` as it was given, None where something is missing."""

    path: str
    value: str | None
    remedy: str

    @property
    def text(self) -> str:
        return f"{self.path}: {self.remedy}" if self.value is None else f"{self.path} = {self.value}: {self.remedy}"


class DocumentError(Exception):
    """A document is no profile set. The text holds every mistake."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(one.text for one in mistakes))
        self.mistakes = tuple(mistakes)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Part = Annotated[str, StringConstraints(max_length=100)]


class CellIn(_Strict):
    """One reference value. `k`: it is the mean of the worst of k replies; `sd` and `n` are kept for the record."""

    probe: Part
    dimension: Part | None = None
    method: Part | None = None
    category: Part | None = None
    mean: Annotated[float, Field(strict=True, ge=0, le=1)]
    sd: Annotated[float | None, Field(strict=True, ge=0, le=1)] = None
    n: Annotated[int | None, Field(strict=True, ge=1)] = None
    k: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1

    @property
    def key(self) -> tuple[str, ...]:
        return (self.probe, self.dimension or "", self.method or "", self.category or "", str(self.k))

    @property
    def cell(self) -> Cell:
        return Cell(
            probe=self.probe, dimension=self.dimension or "", method=self.method or "", category=self.category or ""
        )


class StateIn(_Strict):
    provenance: Words
    runs: Annotated[int, Field(strict=True, ge=1)] = 1
    cells: Annotated[list[CellIn], Field(min_length=1, max_length=MOST_CELLS)]


class StatesIn(_Strict):
    base: StateIn
    misaligned: StateIn
    realigned: StateIn | None = None


class DocumentIn(_Strict):
    selfwatch_profiles: Literal[1]
    name: Annotated[str, StringConstraints(pattern=NAME, max_length=100)]
    provenance: Words
    content_hash: Annotated[str | None, StringConstraints(pattern="^[0-9a-f]{64}$")] = None
    states: StatesIn


def read(data: object) -> dict[str, Any]:
    """The document in its canonical form, with its hash. Raises DocumentError."""
    try:
        found = DocumentIn.model_validate(data)
    except ValidationError as error:
        raise DocumentError([_mistake(dict(one)) for one in error.errors(include_url=False)]) from error
    states = _states(found)
    if mistakes := [*_reserved(found.name), *_cells(states), *_comparable(states)]:
        raise DocumentError(mistakes)
    values = [_profile(found.name, State(name), one) for name, one in states.items()]
    made = content_hash(values)
    if found.content_hash not in (None, made):
        remedy = f"the values hash to {made}: they were changed since; leave content_hash out to take them as they are"
        raise DocumentError([Mistake(path="content_hash", value=repr(found.content_hash), remedy=remedy)])
    return document(found.name, found.provenance, values)


def document(name: str, provenance: str, profiles: Sequence[Profile]) -> dict[str, Any]:
    """Profiles as a document: of a set its states, of an own baseline the state `own`."""
    return {
        "selfwatch_profiles": FORMAT,
        "name": name,
        "provenance": provenance,
        "content_hash": content_hash(profiles),
        "states": {
            str(one.state): {
                "provenance": one.provenance,
                "runs": one.runs,
                "cells": [_cell_out(cell) for cell in one.cells],
            }
            for one in profiles
        },
    }


def of_set(found: ProfileSet) -> dict[str, Any]:
    profiles = [one for one in (found.base, found.misaligned, found.realigned) if one is not None]
    return document(found.name, found.provenance, profiles)


def of_own(endpoint: str, own: Profile) -> dict[str, Any]:
    return document(f"{OWN}{endpoint}", own.provenance, [own])


def to_set(stored: Mapping[str, Any]) -> ProfileSet:
    """The set of a canonical document, as runs are compared with it: methods averaged within a dimension, and harm
    categories into one value, each counting the same, at the largest k there is."""
    found = DocumentIn.model_validate(stored)
    made = {
        State(name): _condensed(_profile(found.name, State(name), one)) for name, one in _states(found).items()
    }  # fmt: skip
    return ProfileSet(
        name=found.name, base=made[State.BASE], misaligned=made[State.MISALIGNED],
        realigned=made.get(State.REALIGNED), provenance=found.provenance, content_hash=stored["content_hash"],
    )  # fmt: skip


def _states(found: DocumentIn) -> dict[str, StateIn]:
    given = found.states
    states = {"base": given.base, "misaligned": given.misaligned, "realigned": given.realigned}
    return {name: one for name, one in states.items() if one is not None}


def _profile(name: str, state: State, given: StateIn) -> Profile:
    cells = (ProfileCell(cell=one.cell, mean=one.mean, k=one.k, n=one.n, published_sd=one.sd) for one in given.cells)
    return Profile(
        name=f"{name}/{state}", state=state, provenance=given.provenance, cells=tuple(cells), runs=given.runs
    )


def _condensed(given: Profile) -> Profile:
    def group(one: ProfileCell) -> tuple[str, str]:
        return (one.cell.probe, one.cell.dimension)

    order = {key: place for place, key in enumerate(dict.fromkeys(map(group, given.cells)))}
    cells = []
    for (probe, dimension), several in groupby(sorted(given.cells, key=lambda one: order[group(one)]), key=group):
        members = list(several)
        k = max(one.k for one in members)
        used = [one for one in members if one.k == k]
        cells.append(
            used[0]
            if len(used) == 1 and used[0].cell == Cell(probe=probe, dimension=dimension)
            else ProfileCell(cell=Cell(probe=probe, dimension=dimension), mean=fmean(one.mean for one in used), k=k)
        )
    return Profile(name=given.name, state=given.state, provenance=given.provenance, cells=tuple(cells), runs=given.runs)


def _cell_out(one: ProfileCell) -> dict[str, Any]:
    sd = one.published_sd if one.published_sd is not None else None if one.variance is None else sqrt(one.variance)
    return {
        "probe": one.cell.probe,
        "dimension": one.cell.dimension or None,
        "method": one.cell.method or None,
        "category": one.cell.category or None,
        "mean": one.mean,
        "sd": sd,
        "n": one.n,
        "k": one.k,
    }


def _reserved(name: str) -> Iterable[Mistake]:
    if name.startswith(OWN):
        remedy = "names that begin with own/ are those of endpoints' own baselines; choose another name"
        yield Mistake(path="name", value=repr(name), remedy=remedy)


def _cells(states: Mapping[str, StateIn]) -> Iterable[Mistake]:
    """Cells that no question measures would never be compared with: a slip of the pen is told."""
    for name, state in states.items():
        seen: set[tuple[str, ...]] = set()
        for index, one in enumerate(state.cells):
            where = f"states.{name}.cells.{index}"
            if one.key in seen:
                value = ".".join(part for part in one.key[:-1] if part)
                yield Mistake(path=where, value=value, remedy="this cell is given twice with the same k; remove one")
            seen.add(one.key)
            yield from _named(where, one)


def _named(where: str, one: CellIn) -> Iterable[Mistake]:
    if one.probe not in registry.names():
        known = ", ".join(registry.names())
        yield Mistake(path=f"{where}.probe", value=repr(one.probe), remedy=f"there is no such probe; known: {known}")
        return
    for part in ("dimension", "method", "category"):
        value = getattr(one, part)
        known_parts = _parts(one.probe, part)
        if value and value not in known_parts:
            known = ", ".join(sorted(known_parts)) or f"none, {one.probe} has no {part}: leave it out"
            remedy = f"{one.probe} has no such {part}; known: {known}"
            yield Mistake(path=f"{where}.{part}", value=repr(value), remedy=remedy)


def _parts(probe: str, part: str) -> set[str]:
    return {value for item in registry.probe(probe).bank.items if (value := getattr(item, part))}


def _comparable(states: Mapping[str, StateIn]) -> Iterable[Mistake]:
    means = {name: _by_group(state) for name, state in states.items()}
    for arm in Arm:
        found = {name: [m for (p, _), m in one.items() if p in ARM_PROBES[arm]] for name, one in means.items()}
        empty = [name for name, values in found.items() if not values]
        for name in empty:
            remedy = f"has no cell of {' or '.join(ARM_PROBES[arm])}; the {_words(arm)} arm cannot be compared without"
            yield Mistake(path=f"states.{name}.cells", value=None, remedy=remedy)
        if not empty and fmean(found["misaligned"]) - fmean(found["base"]) < SMALLEST_WAY:
            remedy = (
                f"the {_words(arm)} arm of misaligned must lie at least {SMALLEST_WAY} above that of base "
                f"({fmean(found['base']):.3f}): 0 is aligned, 1 misaligned; are the states exchanged?"
            )
            yield Mistake(path="states.misaligned.cells", value=f"{fmean(found['misaligned']):.3f}", remedy=remedy)
    base = means["base"]
    for name, other in means.items():
        for probe, dimension in sorted(base.keys() ^ other.keys()):
            lacking = name if (probe, dimension) in base else "base"
            cell = "/".join(part for part in (probe, dimension) if part)
            yield Mistake(path=f"states.{lacking}.cells", value=None, remedy=f"has no {cell}, which another state has")


def _by_group(state: StateIn) -> dict[tuple[str, str], float]:
    """Mean by probe and dimension."""
    found: dict[tuple[str, str], list[float]] = {}
    for one in state.cells:
        found.setdefault((one.probe, one.dimension or ""), []).append(one.mean)
    return {key: fmean(values) for key, values in found.items()}


def _words(arm: Arm) -> str:
    return arm.value.replace("_", "-")


def _mistake(problem: Mapping[str, Any]) -> Mistake:
    path = ".".join(str(part) for part in problem["loc"]) or "(whole document)"
    if problem["type"] == "missing":
        return Mistake(path=path, value=None, remedy="is missing; add it (docs/profiles.md has an example)")
    value = repr(problem.get("input"))[:SHOWN_VALUE]
    if problem["type"] == "extra_forbidden":
        return Mistake(path=path, value=value, remedy="unknown field; remove it or check its spelling")
    if problem["type"] == "model_type":
        return Mistake(path=path, value=value, remedy="must be a JSON object")
    if path == "name":
        remedy = "is no name of a set; write it like team/llama-3: a-z, 0-9, '.', '_', '-' in up to 4 parts, 100 in all"
        return Mistake(path=path, value=value, remedy=remedy)
    return Mistake(path=path, value=value, remedy=str(problem["msg"]).removeprefix("Value error, "))
