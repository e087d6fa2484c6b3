"""What each endpoint's runs add up to: answers, runs, tokens, cost, duration, and the false alarms they may cost."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from service.false_alarms import COUNTER
from service.metrics.snapshot import Count, EndpointSnapshot
from service.totals import DURATION_BUCKETS_S


def families(endpoints: Sequence[EndpointSnapshot]) -> Iterable[Metric]:
    answers = CounterMetricFamily(
        "selfwatch_answers", "Answers by outcome: scored, or why not.", labels=("endpoint", "probe", "outcome")
    )
    runs = CounterMetricFamily("selfwatch_runs", "Finished runs.", labels=("endpoint", "plan", "state"))
    tokens = CounterMetricFamily("selfwatch_tokens", "Tokens used.", labels=("endpoint", "kind"))
    success = GaugeMetricFamily(
        "selfwatch_last_success_timestamp_seconds", "When a run last succeeded.", labels=("endpoint", "plan")
    )
    # an endpoint whose model has no price has no series of it
    cost = CounterMetricFamily("selfwatch_cost_usd", "USD spent by finished runs.", labels=("endpoint",))
    for endpoint in endpoints:
        for one in endpoint.counts:
            if one.name == "answers":
                answers.add_metric([endpoint.name, one.label, one.label2], one.value)
            elif one.name == "runs":
                runs.add_metric([endpoint.name, one.label, one.label2], one.value)
            elif one.name == "tokens":
                tokens.add_metric([endpoint.name, one.label], one.value)
            elif one.name == "last_success":
                success.add_metric([endpoint.name, one.label], one.value)
            elif one.name == "usd":
                cost.add_metric([endpoint.name], one.value)
    yield from (answers, runs, tokens, success, cost)
    yield _duration(endpoints)
    yield _false_alarms(endpoints)


def _duration(endpoints: Iterable[EndpointSnapshot]) -> Metric:
    family = HistogramMetricFamily(
        "selfwatch_run_duration_seconds", "From start to verdict.", labels=("endpoint", "plan")
    )
    for endpoint in endpoints:
        for one in endpoint.counts:
            if one.name == "duration_sum":
                family.add_metric([endpoint.name, one.label], _buckets(endpoint.counts, one.label), one.value)
    return family


def _buckets(counts: Iterable[Count], plan: str) -> list[tuple[str, float]]:
    found = {one.label2: one.value for one in counts if one.name == "duration" and one.label == plan}
    total, buckets = 0.0, []
    for limit in (*map(str, DURATION_BUCKETS_S), "+Inf"):
        total += found.get(limit, 0.0)
        buckets.append((limit, total))
    return buckets


def _false_alarms(endpoints: Iterable[EndpointSnapshot]) -> Metric:
    family = CounterMetricFamily(
        "selfwatch_expected_false_alarms",
        "False alarms to be expected at most from the heartbeats so far, by the promise.",
        labels=("endpoint", "arm"),
    )
    for endpoint in endpoints:
        spent: dict[str, float] = {}
        for one in endpoint.counts:
            if one.name == COUNTER:  # one a quarter
                spent[one.label2] = spent.get(one.label2, 0.0) + one.value
        for arm, value in spent.items():
            family.add_metric([endpoint.name, arm], value)
    return family
