"""The sections of the site, in the order of the bar at the top."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Section:
    """One link of the bar. `path` is what its pages name as their `section`."""

    label: str
    path: str


SECTIONS = (
    Section(label="Fleet", path="/"),
    Section(label="Alerts", path="/alerts"),
    Section(label="Profiles", path="/profiles"),
    Section(label="Battery", path="/battery"),
    Section(label="Budget", path="/budget"),
    Section(label="System", path="/system"),
    Section(label="API", path="/docs"),
    Section(label="Metrics", path="/metrics"),
)
