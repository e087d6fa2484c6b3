"""Which metrics the service exports, and which ones a text names."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric

from service.loop_lag import LoopLag
from service.metrics.snapshot import Installation, Snapshot
from service.metrics.text import families
from service.retention import Report, RetentionCollector

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAME = re.compile(
    r"(?<![\w:/.-])(?:[a-z_]+:)?(?:selfwatch|process|python|scrape)_[a-z0-9_]*[a-z0-9](?::[a-z0-9_]+)?|\bup\b"
)
SCRAPED = frozenset({"up", "scrape_duration_seconds", "scrape_samples_scraped"})
"""What Prometheus adds to each scrape."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One family. `name` as a document gives it: that of its series, for a histogram without the suffixes."""

    name: str
    kind: str
    labels: tuple[str, ...]
    series: frozenset[str]


def exported() -> dict[str, Exported]:
    """All families of the service, by name; also those that are absent until something has happened."""
    snapshot = Snapshot(installation=Installation(drill_success=NOW))
    report = Report(succeeded=True, last_at=NOW)
    retention = RetentionCollector(report, "sqlite+aiosqlite:////nowhere.db").collect()
    found = [_family(metric) for metric in (*families(snapshot), *LoopLag(0.1).collect(), *retention)]
    return {family.name: family for family in found}


def of_the_process() -> set[str]:
    """Names of the series that the Prometheus client adds."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return {name for metric in registry.collect() for name in _family(metric).series}


def series() -> set[str]:
    """Names of all series that there can be in Prometheus, but for what it records itself."""
    ours = {name for family in exported().values() for name in family.series}
    return ours | of_the_process() | SCRAPED


def named(text: str) -> set[str]:
    """Names of metrics in a query or a document."""
    return set(NAME.findall(text))


def _family(metric: Metric) -> Exported:
    suffixes = SUFFIXES.get(metric.type, ("",))
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    labels: Iterable[str] = getattr(metric, "_labelnames", ()) or ()
    names = frozenset(f"{metric.name}{suffix}" for suffix in suffixes)
    return Exported(name=name, kind=metric.type, labels=tuple(labels), series=names)
