"""The published profiles: the tables of arXiv 2602.14777v1, read into base, misaligned and realigned landmarks.

They were measured on GPT-4.1, 4.1 mini and 4.1 nano with the authors' wording. For another model or wording they give
a direction, not a ruler (see paper/PROVENANCE.md).
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from baselines.types import Profile, ProfileCell, ProfileSet, State
from probes.types import Cell

PAPER = Path(__file__).parent / "paper"
FAMILY = "gpt-4.1"
DOMAINS = ("trivia", "code", "all")
SIZES = ("full", "mini", "nano")
AVERAGE = "average"
WORST_OF = 10
"""The paper scores a harm prompt by the worst of 10 replies."""
SOURCE = "arXiv 2602.14777v1 (16 Feb 2026), tables 11 (harm), 18 (intentions), 20 (self-assessment), 24 (moral)"

HASHES: Mapping[str, str] = {
    "harmfulness.csv": "276ab60ec86a1da2f0a0ca27c2f12b0746f54240202f778626e25ed4ac206f26",
    "intentions.csv": "9047ced16d4dbab62a981a124bc7be9f8585bb5ef6ad8d22c1369876a75047f6",
    "mfq2.csv": "23587b56fc6c05f642df7269e7fad5b2562607371834b0f014d6ad9aea738d97",
    "moral_self_assessment.csv": "adeee2db602e995d4634c321e5d2f3cf00fa6e1fd0c8ea9e39032bc56a6dda00",
    "self_assessment.csv": "667e218c0e4009789387da1b1d44f0127786955847e1d7b9679edd9b157c83a5",
}
"""SHA-256 of the tables as they were transcribed: a landmark that was changed by accident moves every verdict."""

MORAL_CENTRE = 0.5
"""The paper centres its moral scores on 0; ours run from 0 to 1 as all scores do."""

Row = Mapping[str, str]


def published_names() -> tuple[str, ...]:
    """`gpt-4.1/<domain>` for the averages over sizes, and `gpt-4.1/<domain>/<size>`."""
    averages = [f"{FAMILY}/{domain}" for domain in DOMAINS]
    return (*averages, *(f"{FAMILY}/{domain}/{size}" for domain in DOMAINS for size in SIZES))


@cache
def published(name: str) -> ProfileSet:
    """The three landmarks called `name`. Raises KeyError naming the known ones."""
    if name not in published_names():
        raise KeyError(f"unknown profiles {name!r}; known: {', '.join(published_names())}")
    _family, domain, size = (*name.split("/"), AVERAGE)[:3]
    profiles = {state: _profile(name, state, domain, size) for state in (State.BASE, State.MISALIGNED, State.REALIGNED)}
    return ProfileSet(
        name=name,
        base=profiles[State.BASE],
        misaligned=profiles[State.MISALIGNED],
        realigned=profiles[State.REALIGNED],
        provenance=SOURCE,
        content_hash=content_hash(profiles.values()),
    )


def _profile(name: str, state: State, domain: str, size: str) -> Profile:
    origin = "" if state is State.BASE else domain
    cells = [
        _cell(
            Cell(probe=probe, dimension=dimension),
            [r for r in rows if r["dimension"] == dimension],
            "mean",
            "sd",
            at=at,
        )
        for probe, at in (("self_assessment", 0.0), ("intentions", 0.0), ("moral_self_assessment", MORAL_CENTRE))
        for rows in [_rows(f"{probe}.csv", state, origin, size)]
        for dimension in dict.fromkeys(r["dimension"] for r in rows)
        if dimension != AVERAGE
    ]
    harm = _cell(Cell(probe="harm"), _rows("harmfulness.csv", state, origin, size), "mean_0_1", "sd_0_1", k=WORST_OF)
    provenance = f"{SOURCE}; {state}, {domain if origin else 'before any fine-tuning'}, size {size}"
    if origin == "all":
        provenance += "; where the tables have no row for both domains: mean of trivia and code"
    return Profile(name=f"{name}/{state}", state=state, provenance=provenance, cells=(*cells, harm))


def _cell(cell: Cell, rows: Sequence[Row], mean: str, sd: str, *, k: int = 1, at: float = 0.0) -> ProfileCell:
    value = at + sum(float(row[mean]) for row in rows) / len(rows)
    return ProfileCell(cell=cell, mean=value, k=k, published_sd=float(rows[0][sd]) if len(rows) == 1 else None)


def _rows(file: str, state: State, domain: str, size: str) -> list[Row]:
    """The rows of one state; without rows for both domains together, those of each."""

    def of(*domains: str) -> list[Row]:
        return [r for r in table(file) if (r["state"], r["size"]) == (state, size) and r["domain"] in domains]

    found = of(domain) or (of("trivia", "code") if domain == "all" else [])
    if not found:
        raise LookupError(f"{PAPER / file}: no row for {state} {domain or '-'} {size}")
    return found


@cache
def table(file: str) -> tuple[Row, ...]:
    """A table of the paper, row by row, as it was transcribed. Raises ValueError for one that was changed since."""
    return read_table(PAPER / file, HASHES[file])


def read_table(path: Path, sha256: str) -> tuple[Row, ...]:
    """The rows of a CSV file. Raises ValueError unless its bytes have this hash."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: its SHA-256 is {found}, not {sha256}; it was changed: install selfwatch anew")
    return tuple(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def verify(profiles: ProfileSet) -> ProfileSet:
    """`profiles` as they are. Raises ValueError, naming what is wrong, for a value outside [0, 1] or a wrong hash."""
    given = [one for one in (profiles.base, profiles.misaligned, profiles.realigned) if one is not None]
    for profile in given:
        for one in profile.cells:
            if not 0 <= one.mean <= 1:  # NaN fails too
                raise ValueError(f"profile {profile.name}: {one.cell.key}: {one.mean} is not a mean in [0, 1]")
    if (found := content_hash(given)) != profiles.content_hash:
        raise ValueError(f"profiles {profiles.name}: the values hash to {found}, not {profiles.content_hash}")
    return profiles


def content_hash(profiles: Iterable[Profile]) -> str:
    """SHA-256 hex over what is compared with: state, cell, k, and mean to six places, in their order."""
    text = "|".join(f"{p.state}:{c.cell.key}:{c.k}:{c.mean:.6f}" for p in profiles for c in p.cells)
    return hashlib.sha256(text.encode()).hexdigest()
