"""Budgets as Prometheus families."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.limits import PERIODS, UNITS
from service.storage.schema import CounterRow

FAMILIES = {
    "limit": ("selfwatch_budget_limit", "What may be spent in a UTC day or month."),
    "spent": ("selfwatch_budget_spent", "What was spent in this UTC day or month, the judge's share with it."),
    "overrun": ("selfwatch_budget_overrun", "How far beyond its limit what was spent is; 0 within it."),
}
LABELS = ("endpoint", "period", "unit")


def budget_families(standings: Mapping[str, Mapping[str, Any]]) -> Iterable[Metric]:
    """`standings`: by endpoint, "" for the whole installation. Without a limit there is no series for it."""
    for figure, (name, text) in FAMILIES.items():
        family = GaugeMetricFamily(name, text, labels=LABELS)
        for endpoint, standing in standings.items():
            for period in PERIODS:
                for unit in UNITS:
                    figures = standing[period][unit]
                    if figure == "spent" or figures["limit"] is not None:
                        family.add_metric([endpoint, period, unit], figures[figure])
        yield family


def cost_family(counters: Mapping[str, Iterable[CounterRow]]) -> Metric:
    """What finished runs have cost for ever, by endpoint; an endpoint whose model has no price has no series."""
    family = CounterMetricFamily("selfwatch_cost_usd", "USD spent by finished runs.", labels=("endpoint",))
    for endpoint, rows in counters.items():
        for row in rows:
            if row.name == "usd":
                family.add_metric([endpoint], row.value)
    return family
