"""The metrics of slots and of our own connectivity."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.storage.schema import CounterRow


def families(endpoints: Iterable[tuple[str, Sequence[CounterRow]]]) -> Iterable[Metric]:
    """From the counters of each endpoint."""
    slots = CounterMetricFamily(
        "selfwatch_slots",
        "Due slots by what became of them: ran, late, or skipped and why.",
        labels=("endpoint", "plan", "state", "reason"),
    )
    late = GaugeMetricFamily(
        "selfwatch_slot_lateness_seconds",
        "How long after its slot the newest scheduled run started.",
        labels=("endpoint", "plan"),
    )
    for name, rows in endpoints:
        for row in rows:
            if row.name == "slots":
                state, _, reason = row.label2.partition("/")
                slots.add_metric([name, row.label, state, reason], row.value)
            elif row.name == "slot_lateness":
                late.add_metric([name, row.label], row.value)
    yield from (slots, late)


def offline(since: object) -> Metric:
    family = GaugeMetricFamily("selfwatch_offline", "1 while nobody can be reached: no endpoint is blamed meanwhile.")
    family.add_metric([], float(since is not None))
    return family
