"""What became of the slots of each endpoint's schedules."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.metrics.snapshot import EndpointSnapshot


def families(endpoints: Sequence[EndpointSnapshot]) -> Iterable[Metric]:
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
    for endpoint in endpoints:
        for one in endpoint.counts:
            if one.name == "slots":
                state, _, reason = one.label2.partition("/")
                slots.add_metric([endpoint.name, one.label, state, reason], one.value)
            elif one.name == "slot_lateness":
                late.add_metric([endpoint.name, one.label], one.value)
    yield from (slots, late)
