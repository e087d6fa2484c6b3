"""Budgets: limits, and what was spent of them."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from service.metrics.snapshot import Allowance, EndpointSnapshot

FIGURES = {
    "limit": ("selfwatch_budget_limit", "What may be spent in a UTC day or month."),
    "spent": ("selfwatch_budget_spent", "What was spent in this UTC day or month, the judge's share with it."),
    "overrun": ("selfwatch_budget_overrun", "How far beyond its limit what was spent is; 0 within it."),
}


def families(endpoints: Sequence[EndpointSnapshot]) -> Iterable[Metric]:
    return budget_families([(one.name, one.budget) for one in endpoints])


def budget_families(budgets: Sequence[tuple[str, Sequence[Allowance]]]) -> Iterable[Metric]:
    """`budgets`: by endpoint, "" for the installation. Without a limit there is no series for it."""
    for figure, (name, text) in FIGURES.items():
        family = GaugeMetricFamily(name, text, labels=("endpoint", "period", "unit"))
        for endpoint, allowances in budgets:
            for one in allowances:
                if figure == "spent" or one.limit is not None:
                    family.add_metric([endpoint, one.period, one.unit], getattr(one, figure))
        yield family
