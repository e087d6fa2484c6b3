"""Which alerts are meant: patterns over endpoint, rule, severity and labels. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from alerts.types import Severity


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What of an alert can be matched. `endpoint` is empty for one about the installation; `labels`: the endpoint's and
    the rule's, of which the rule's win."""

    endpoint: str
    rule: str
    severity: Severity
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Match:
    """Every pattern given must fit: `*` stands for any text, `?` for one character. None: any, one without it too."""

    endpoint: str | None = None
    rule: str | None = None
    severity: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def fits(self, subject: Subject) -> bool:
        # one after the other: a page asks this for each alert and each silence
        return (
            (self.endpoint is None or fnmatchcase(subject.endpoint, self.endpoint))
            and (self.rule is None or fnmatchcase(subject.rule, self.rule))
            and (self.severity is None or fnmatchcase(subject.severity.value, self.severity))
            and all(fnmatchcase(subject.labels.get(name, ""), pattern) for name, pattern in self.labels.items())
        )


@dataclass(frozen=True, kw_only=True)
class Route:
    """Alerts that fit go to these notifiers; to none, if there are none."""

    match: Match
    notifiers: tuple[str, ...]


def notifiers_of(subject: Subject, routes: tuple[Route, ...], every: tuple[str, ...]) -> tuple[str, ...]:
    """The notifiers of all routes that fit. An alert that no route fits goes to `every` one: none is lost by a gap."""
    fitting = [route for route in routes if route.match.fits(subject)]
    if not fitting:
        return every
    wanted = {name for route in fitting for name in route.notifiers}
    return tuple(name for name in every if name in wanted)
