"""What the pages about profile sets show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from service.profile_report import Row
from service.ui.views.base import Page


def profiles_path(name: str) -> str:
    return f"/profiles/{quote(name)}"


@dataclass(frozen=True, kw_only=True)
class SetRow:
    """A set, or an own baseline, in the list. `means`: by state, of all its cells."""

    name: str
    origin: str
    provenance: str
    used_by: Sequence[str] = ()
    made_at: datetime | None = None
    means: Mapping[str, float] = field(default_factory=dict)
    stale: str = ""

    @property
    def path(self) -> str:
        return profiles_path(self.name)


@dataclass(frozen=True, kw_only=True)
class ProfilesPart(Page):
    """One of the pages about profile sets. Nothing on them changes by itself."""

    section = "/profiles"
    styles = ("css/sections.css",)
    still = True
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class ProfilesPage(ProfilesPart):
    """All sets. `typed` and `errors`: an import that was refused, nothing of it lost."""

    template = "profiles"
    scripts = ("js/read_file.js",)
    path = "/profiles"
    sets: tuple[SetRow, ...] = ()
    baselines: tuple[SetRow, ...] = ()
    typed: str = ""
    errors: tuple[str, ...] = ()
    done: str = ""

    @property
    def title(self) -> str:
        return "Profiles"

    @property
    def names(self) -> Sequence[str]:
        return [one.name for one in (*self.sets, *self.baselines)]


@dataclass(frozen=True, kw_only=True)
class SetView:
    """One set in full, as it is exported."""

    name: str
    provenance: str
    content_hash: str
    states: Mapping[str, str]
    """State to its own provenance."""
    rows: tuple[Row, ...]
    cells: int

    @property
    def path(self) -> str:
        return profiles_path(self.name)


@dataclass(frozen=True, kw_only=True)
class ProfilePage(ProfilesPart):
    template = "profile"
    found: SetView
    origin: str
    used_by: Sequence[str] = ()
    names: Sequence[str] = ()
    problem: str = ""

    @property
    def title(self) -> str:
        return self.found.name

    @property
    def location(self) -> str:
        return self.found.path


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A dimension of two sets. `means`: (state, left, right)."""

    probe: str
    dimension: str
    means: tuple[tuple[str, float | None, float | None], ...]
    left: Mapping[str, float | None]
    right: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class ComparisonPage(ProfilesPart):
    """Two sets side by side."""

    template = "profile_comparison"
    path = "/profiles"
    left: SetView
    right: SetView
    rows: tuple[Difference, ...]
    names: Sequence[str] = ()

    @property
    def title(self) -> str:
        return f"{self.left.name} and {self.right.name}"

    @property
    def states(self) -> Sequence[str]:
        return list(dict.fromkeys((*self.left.states, *self.right.states)))

    def own_query(self) -> dict[str, str]:
        return {"left": self.left.name, "right": self.right.name}


def differences(left: SetView, right: SetView) -> tuple[Difference, ...]:
    """Every dimension that either has, in the order of the left one."""
    states = list(dict.fromkeys((*left.states, *right.states)))
    by_key = [{(row.probe, row.dimension): row.means for row in one.rows} for one in (left, right)]
    return tuple(
        Difference(
            probe=probe, dimension=dimension, left=a, right=b,
            means=tuple((state, a.get(state), b.get(state)) for state in states),
        )
        for probe, dimension in dict.fromkeys((*by_key[0], *by_key[1]))
        for a, b in [(by_key[0].get((probe, dimension), {}), by_key[1].get((probe, dimension), {}))]
    )  # fmt: skip
