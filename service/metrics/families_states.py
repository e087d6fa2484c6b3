"""Which endpoints there are, and what holds of each: its verdict, whether it answers, its alerts."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from baselines.types import Verdict
from service.metrics.snapshot import Alert, EndpointSnapshot

ALERT_STATES = {"inactive": 0, "resolved": 0, "pending": 1, "firing": 2}


def families(endpoints: Sequence[EndpointSnapshot]) -> Iterable[Metric]:
    info = GaugeMetricFamily(
        "selfwatch_endpoint_info",
        "1 for each registered endpoint; tells its model, and the profiles it is compared with.",
        labels=("endpoint", "model", "profiles"),
    )
    verdict = GaugeMetricFamily("selfwatch_verdict", "1 for the verdict that holds.", labels=("endpoint", "verdict"))
    up = GaugeMetricFamily(
        "selfwatch_endpoint_up",
        "1 when the endpoint answered last, 0 after one failed run; its circuit opens after two.",
        labels=("endpoint",),
    )
    for endpoint in endpoints:
        info.add_metric([endpoint.name, endpoint.model, endpoint.profiles], 1)
        if endpoint.verdict is not None:
            for name in Verdict:
                verdict.add_metric([endpoint.name, str(name)], float(name == endpoint.verdict))
        if endpoint.health != "unknown":
            up.add_metric([endpoint.name], float(endpoint.health == "up"))
    yield from (info, verdict, up)
    yield alert_family((one.name, one.alerts) for one in endpoints)


def alert_family(alerts: Iterable[tuple[str, Iterable[Alert]]]) -> Metric:
    """`alerts`: by endpoint, "" for the installation."""
    family = GaugeMetricFamily(
        "selfwatch_alert_state", "0 inactive, 1 pending, 2 firing.", labels=("endpoint", "rule", "severity")
    )
    for endpoint, rows in alerts:
        for one in rows:
            family.add_metric([endpoint, one.rule, one.severity], ALERT_STATES.get(one.state, 0))
    return family
