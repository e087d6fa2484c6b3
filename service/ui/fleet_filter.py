"""Which endpoints the fleet page shows, and in which order, as its address says it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from baselines.types import Verdict
from service.storage.fleet import Listing
from service.ui.format import LOOKS
from service.ui.parts import WORST_FIRST

NONE = "none"
"""Of `verdict`: not measured yet."""
STATES: Mapping[str, str] = {"down": "not watched", "paused": "paused", "simulated": "simulated"}
SORTS: Mapping[str, str] = {
    "worst": "worst first",
    "name": "name",
    "drift": "largest drift",
    "last_run": "newest run",
    "cost": "cost this month",
}
LONGEST = 200
"""Characters of a search or a label; more is cut off."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class FilterError(ValueError):
    """An address asks for what there is not. `remedy`: what there is."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Filter:
    """`verdict`: a verdict's value, or NONE. `label`: `key=value`. What is empty excludes nothing. `page`: from 1."""

    q: str = ""
    verdict: str = ""
    label: str = ""
    state: str = ""
    sort: str = "worst"
    page: int = 1

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Filter":
        """From the query of an address. Raises FilterError for a value that there is not."""
        sort = given.get("sort") or "worst"
        return cls(
            q=" ".join(given.get("q", "")[:LONGEST].split()),
            verdict=_known("verdict", given.get("verdict", ""), (*VERDICTS, "")),
            label=given.get("label", "")[: 2 * LONGEST],
            state=_known("state", given.get("state", ""), (*STATES, "")),
            sort=_known("sort", sort, SORTS),
            page=_page(given.get("page") or "1"),
        )

    @property
    def active(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.q or self.verdict or self.label or self.state)

    def query(self) -> dict[str, str]:
        """The shortest query that says the same."""
        plain = Filter()
        return {name: str(value) for name, value in vars(self).items() if value != getattr(plain, name)}

    def shows(self, one: Listing) -> bool:
        labels = [f"{key}={value}" for key, value in one.labels.items()]
        if self.verdict and self.verdict != (one.verdict or NONE):
            return False
        if self.label and self.label not in labels:
            return False
        if self.state and not getattr(one, self.state):
            return False
        text = "\n".join((one.name, one.model, *labels)).casefold()
        return all(word in text for word in self.q.casefold().split())

    def order(self, found: Iterable[Listing], cost: Callable[[Listing], Any]) -> list[Listing]:
        """Sorted; what is equal, by name. `cost`: larger is dearer."""
        keys: Mapping[str, Callable[[Listing], Any]] = {
            "worst": urgency,
            "name": lambda one: one.name,
            "drift": lambda one: -_drift(one, missing=float("-inf")),
            "last_run": lambda one: -(one.last_run_at or LONG_AGO).timestamp(),
            "cost": lambda one: tuple(-part for part in cost(one)),
        }
        return sorted(sorted(found, key=lambda one: one.name), key=keys[self.sort])

    def turned_to(self, page: int) -> "Filter":
        return replace(self, page=page)

    def with_verdict(self, verdict: Verdict | None) -> "Filter":
        """The same, of that verdict alone; of any, if it was that one."""
        value = verdict.value if verdict else NONE
        return replace(self, verdict="" if self.verdict == value else value, page=1)

    def with_label(self, label: str) -> "Filter":
        return replace(self, label=label, page=1)

    def with_state(self, state: str) -> "Filter":
        return replace(self, state="" if self.state == state else state, page=1)


VERDICTS: Mapping[str, str] = {(one.value if one else NONE): LOOKS[one].label for one in WORST_FIRST}
"""What `verdict` may be, and its words, worst first."""


def urgency(one: Listing) -> tuple[int, float, str]:
    """As `parts.urgency`, which see."""
    rank = WORST_FIRST.index(Verdict(one.verdict) if one.verdict else None)
    if one.down:
        rank = min(rank, WORST_FIRST.index(Verdict.REALIGNED))
    return (rank, -_drift(one, missing=0.0), one.name)


def _drift(one: Listing, *, missing: float) -> float:
    return max((drift for drift in (one.self_report, one.behaviour) if drift is not None), default=missing)


def _known(name: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        there_is = ", ".join(one for one in known if one)
        raise FilterError(f"The address asks for {name}={value[:80]!r}, which there is not.", f"Choose of: {there_is}.")
    return value


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise FilterError(f"The address asks for page={text[:80]!r}.", "Pages are numbered from 1.")
    return int(text[:9])
