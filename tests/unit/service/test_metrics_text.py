"""The text that is scraped: made of pieces, an endpoint each, and the same as if it were made at once."""

from collections import Counter
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from baselines.profiles import published
from service.metrics.snapshot import (
    Alert,
    Allowance,
    Count,
    EndpointSnapshot,
    Installation,
    Measured,
    RunFacts,
    Snapshot,
)
from service.metrics.text import Rendered, families, render

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
ARM = {"score": 0.1, "drift": 0.2, "low": 0.1, "high": 0.3, "evidence": 1.5, "threshold": 4.0, "n": 30, "invalid": 10}
RUN = RunFacts(
    id="r1",
    arms={"self_report": ARM, "behaviour": {**ARM, "drift": None, "low": None, "high": None}},
    off_axis=0.05, judge_agreement=0.9, judge_bias=-0.25, latency={"p50_s": 0.5, "p95_s": 1.25, "calls": 40},
    measurements=(
        Measured("self_assessment", "harmless_harmful", "decision", "", 0.5, 20, 10),
        Measured("intentions", "power", "choice", "", None, 0, 10),
        Measured("harm", "", "", "crime", 0.75, 9, 1),
        Measured("moral_self_assessment", "care", "scale", "", 0.75, 4, 0),
    ),
)  # fmt: skip
ENDPOINT = EndpointSnapshot(
    id=1, name="prod", model="vendor/model", profiles="gpt-4.1/all", health="up", verdict="steady", run=RUN,
    alerts=(Alert("BehaviourDrift", "warning", "firing"),),
    counts=(
        Count("answers", "harm", "scored", 9), Count("duration", "heartbeat", "30", 2),
        Count("duration", "heartbeat", "60", 1), Count("duration_sum", "heartbeat", "", 95.5),
        Count("slots", "heartbeat", "skipped/paused", 3), Count("usd", "", "", 0.25),
    ),
    budget=(Allowance("day", "usd", 5.0, 0.5, 0.0), Allowance("month", "usd", None, 0.75, 0.0)),
)  # fmt: skip
INSTALLATION = Installation(
    profiles=(published("gpt-4.1/all"),), alerts=(Alert("WeAreOffline", "critical", "pending"),), queued=2,
    notifications={("hook", "delivered"): 3}, unsettled={("hook", "dead"): 1}, offline=True,
)  # fmt: skip
HOSTILE = 'evil" # HELP x y\n# HELP selfwatch_drift gone\n# TYPE a\\b\u2028é'


def snapshot(*endpoints: EndpointSnapshot, installation: Installation = INSTALLATION) -> Snapshot:
    return Snapshot(endpoints={one.id: one for one in endpoints}, installation=installation)


def samples(text: bytes) -> Samples:
    """Every sample; none may be there twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def test_every_figure_of_an_endpoint_is_told_under_its_name() -> None:
    found = samples(render(snapshot(ENDPOINT), Rendered()).text)
    of = {"endpoint": "prod"}
    assert value(found, "selfwatch_endpoint_info", model="vendor/model", profiles="gpt-4.1/all", **of) == 1
    assert value(found, "selfwatch_evidence_threshold_log10", **of) == 4.0
    assert value(found, "selfwatch_evidence_log10", arm="self_report", **of) == 1.5
    assert value(found, "selfwatch_drift", arm="behaviour", **of) is None
    assert value(found, "selfwatch_invalid_share", arm="self_report", **of) == 0.5
    assert value(found, "selfwatch_invalid_share", arm="behaviour", **of) == 0.1
    assert value(found, "selfwatch_answer_latency_seconds", quantile="0.5", **of) == 0.5
    assert value(found, "selfwatch_answer_latency_seconds", quantile="0.95", **of) == 1.25
    assert value(found, "selfwatch_judge_bias", **of) == -0.25
    assert value(found, "selfwatch_judge_agreement", **of) == 0.9
    moral = {"dimension": "care", "method": "scale"}
    assert value(found, "selfwatch_moral_self_assessment_score", **moral, **of) == 0.25
    assert value(found, "selfwatch_harm_score", category="crime", **of) == 0.75
    assert value(found, "selfwatch_verdict", verdict="steady", **of) == 1
    assert value(found, "selfwatch_verdict", verdict="realigned", **of) == 0
    assert value(found, "selfwatch_run_duration_seconds_bucket", plan="heartbeat", le="30", **of) == 2
    assert value(found, "selfwatch_run_duration_seconds_bucket", plan="heartbeat", le="+Inf", **of) == 3
    assert value(found, "selfwatch_slots_total", plan="heartbeat", state="skipped", reason="paused", **of) == 3
    assert value(found, "selfwatch_cost_usd_total", **of) == 0.25
    assert value(found, "selfwatch_budget_limit", period="day", unit="usd", **of) == 5
    assert value(found, "selfwatch_budget_limit", period="month", unit="usd", **of) is None


def test_what_was_never_measured_has_no_series() -> None:
    bare = EndpointSnapshot(id=2, name="new", model="m", profiles="gpt-4.1/all", health="unknown")
    found = samples(render(snapshot(bare), Rendered()).text)
    about = {name for name, labels in found if ("endpoint", "new") in labels}
    assert about == {"selfwatch_endpoint_info"}


def test_the_landmarks_of_each_dimension_are_the_means_of_the_published_profiles() -> None:
    found = samples(render(snapshot(), Rendered()).text)
    known = published("gpt-4.1/all")
    told = {key: at for key, at in found.items() if key[0] == "selfwatch_profile_dimension_score"}
    for profile in (known.base, known.misaligned, known.realigned):
        assert profile is not None
        for one in profile.cells:
            labels = {"probe": one.cell.probe, "dimension": one.cell.dimension}
            got = value(
                found, "selfwatch_profile_dimension_score", profiles="gpt-4.1/all", state=str(profile.state), **labels
            )
            if one.cell.probe == "harm":
                assert got is None
            else:
                centre = 0.5 if one.cell.probe == "moral_self_assessment" else 0.0
                assert got is not None
                assert abs(got - (one.mean - centre)) < 1e-12
    assert len(told) == 3 * sum(bool(one.cell.dimension) for one in known.base.cells)


def test_an_endpoint_that_is_as_it_was_keeps_its_piece_and_the_text_is_as_if_made_anew() -> None:
    other = replace(ENDPOINT, id=2, name="staging")
    before = render(snapshot(ENDPOINT, other), Rendered())
    changed = replace(other, verdict="behaviour_shift", run=replace(RUN, id="r2", off_axis=0.5))
    after = render(snapshot(replace(ENDPOINT), changed), before)
    assert after.pieces[1] is before.pieces[1]
    assert after.pieces[2] is not before.pieces[2]
    assert after.text == render(snapshot(ENDPOINT, changed), Rendered()).text
    assert value(samples(after.text), "selfwatch_off_axis_distance", endpoint="staging") == 0.5


def test_an_endpoint_that_takes_the_id_of_one_that_went_is_rendered_anew() -> None:
    before = render(snapshot(ENDPOINT), Rendered())
    after = render(snapshot(replace(ENDPOINT, name="another")), before)
    assert b'endpoint="prod"' not in after.text
    assert after.text == render(snapshot(replace(ENDPOINT, name="another")), Rendered()).text


def test_each_family_is_introduced_once_though_endpoints_and_installation_share_some() -> None:
    text = render(snapshot(ENDPOINT, replace(ENDPOINT, id=2, name="staging")), Rendered()).text
    introduced = Counter(line.split()[2] for line in text.decode().splitlines() if line.startswith("# HELP"))
    assert set(introduced.values()) == {1}
    found = samples(text)
    assert value(found, "selfwatch_alert_state", endpoint="", rule="WeAreOffline", severity="critical") == 1
    assert value(found, "selfwatch_alert_state", endpoint="prod", rule="BehaviourDrift", severity="warning") == 2
    assert value(found, "selfwatch_notifications_dead", notifier="hook") == 1
    assert value(found, "selfwatch_notifications_pending", notifier="hook") == 0
    assert value(found, "selfwatch_offline") == 1
    assert value(found, "selfwatch_queue_depth") == 2


def test_without_any_endpoint_every_family_is_introduced_all_the_same() -> None:
    text = render(Snapshot(), Rendered()).text.decode()
    for metric in families(Snapshot()):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        assert f"# HELP {name} " in text


def test_text_of_a_user_breaks_nothing() -> None:
    hostile = replace(ENDPOINT, model=HOSTILE)
    once = samples(render(snapshot(hostile, replace(ENDPOINT, id=2, name="staging")), Rendered()).text)
    assert value(once, "selfwatch_endpoint_info", endpoint="prod", model=HOSTILE, profiles="gpt-4.1/all") == 1
    assert value(once, "selfwatch_drift", endpoint="staging", arm="self_report") == 0.2
