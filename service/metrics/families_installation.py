"""What is one for the whole installation: landmarks, notifications, queue, drills, the database, our own connection."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from service.metrics.families_budgets import budget_families
from service.metrics.families_measured import CENTRED
from service.metrics.families_states import alert_family
from service.metrics.snapshot import Installation, arm_marks, dimension_marks

UNSETTLED = {
    "pending": ("selfwatch_notifications_pending", "Notices that wait for delivery, or for another attempt."),
    "dead": ("selfwatch_notifications_dead", "Notices given up; POST /api/v1/deliveries/ID/resend sends one again."),
}


def families(known: Installation) -> Iterable[Metric]:
    yield from _landmarks(known)
    yield alert_family([("", known.alerts)])
    yield from _notifications(known)
    yield from budget_families([("", known.budget)])
    if known.drill_success is not None:  # absent until the first drill has succeeded
        yield _one(
            "selfwatch_drill_last_success_timestamp_seconds",
            "When a fire drill last reached every notifier.",
            known.drill_success.timestamp(),
        )
    yield _one("selfwatch_queue_depth", "Runs that wait for a worker.", known.queued)
    yield _one(
        "selfwatch_database_up", "0 while the database cannot be used; it is tried again.", float(known.database_up)
    )
    yield _one(
        "selfwatch_offline", "1 while nobody can be reached: no endpoint is blamed meanwhile.", float(known.offline)
    )
    yield _one("selfwatch_config_last_reload_successful", "1 while the configuration read last holds.", 1)


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _landmarks(known: Installation) -> Iterable[Metric]:
    arms = GaugeMetricFamily(
        "selfwatch_profile_score", "Scores of the published profiles.", labels=("profiles", "state", "arm")
    )
    dimensions = GaugeMetricFamily(
        "selfwatch_profile_dimension_score",
        "Scores of the published profiles by dimension: the mean of the method means.",
        labels=("profiles", "state", "probe", "dimension"),
    )
    for profiles in known.profiles:
        for state, arm, score in arm_marks(profiles):
            arms.add_metric([profiles.name, state, arm], score)
        for state, probe, dimension, score in dimension_marks(profiles):
            dimensions.add_metric([profiles.name, state, probe, dimension], score - CENTRED.get(probe, 0.0))
    yield from (arms, dimensions)


def _notifications(known: Installation) -> Iterable[Metric]:
    sent = CounterMetricFamily(
        "selfwatch_notifications",
        "Attempts by outcome: delivered, retried, dead, repeated, repeat_failed.",
        labels=("notifier", "outcome"),
    )
    for (notifier, outcome), value in known.notifications.items():
        sent.add_metric([notifier, outcome], value)
    yield sent
    notifiers = {notifier for notifier, _ in (*known.notifications, *known.unsettled)}
    for state, (name, text) in UNSETTLED.items():
        family = GaugeMetricFamily(name, text, labels=("notifier",))
        for notifier in sorted(notifiers):
            family.add_metric([notifier], known.unsettled.get((notifier, state), 0))
        yield family
