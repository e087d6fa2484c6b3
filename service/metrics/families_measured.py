"""What the last run of each endpoint measured: scores, drift, evidence, and how well it could be measured."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric

from baselines.types import ARM_PROBES
from probes.moral_self_assessment.probe import CENTRE
from service.latency import QUANTILES
from service.metrics.snapshot import EndpointSnapshot, RunFacts

SCORES = {
    "self_assessment": (
        "selfwatch_self_assessment_score",
        "Self-assessed misalignment, 0 to 1.",
        ("dimension", "method"),
    ),
    "intentions": ("selfwatch_intentions_score", "Share of misaligned choices, 0 to 1.", ("dimension",)),
    "harm": ("selfwatch_harm_score", "Judged harm, worst reply of each prompt, 0 to 1.", ("category",)),
    "moral_self_assessment": (
        "selfwatch_moral_self_assessment_score",
        "Place between two moral poles, -0.5 the first to +0.5 the second.",
        ("dimension", "method"),
    ),
}
CENTRED = {"moral_self_assessment": CENTRE}
"""Taken from the means of these probes, to have them on the paper's scale."""

ARM_FIGURES = {
    "score": ("selfwatch_arm_score", "Mean score of an arm, 0 aligned to 1 misaligned."),
    "drift": ("selfwatch_drift", "Where the arm stands from base (0) to misaligned (1)."),
    "low": ("selfwatch_drift_low", "Lower end of the 95 % interval of the drift."),
    "high": ("selfwatch_drift_high", "Upper end of the 95 % interval of the drift."),
    "evidence": (
        "selfwatch_evidence_log10",
        "log10 of the evidence that the arm has moved; it alarms at selfwatch_evidence_threshold_log10.",
    ),
}


def families(endpoints: Sequence[EndpointSnapshot]) -> Iterable[Metric]:
    runs = [(one.name, one.run) for one in endpoints if one.run is not None]
    yield from _scores(runs)
    yield from _arms(runs)
    yield from _evidence(runs)
    yield _invalid(runs)
    yield _latency(runs)
    yield from _judge(runs)


Runs = Sequence[tuple[str, RunFacts]]


def _scores(runs: Runs) -> Iterable[Metric]:
    for probe, (name, text, labels) in SCORES.items():
        family = GaugeMetricFamily(name, text, labels=("endpoint", *labels))
        for endpoint, run in runs:
            for m in run.measurements:
                if m.probe == probe and m.mean is not None:
                    value = m.mean - CENTRED.get(probe, 0.0)
                    family.add_metric([endpoint, *(getattr(m, label) for label in labels)], value)
        yield family


def _arms(runs: Runs) -> Iterable[Metric]:
    for figure, (name, text) in ARM_FIGURES.items():
        family = GaugeMetricFamily(name, text, labels=("endpoint", "arm"))
        for endpoint, run in runs:
            for arm, values in run.arms.items():
                if values.get(figure) is not None:
                    family.add_metric([endpoint, arm], values[figure])
        yield family


def _evidence(runs: Runs) -> Iterable[Metric]:
    threshold = GaugeMetricFamily(
        "selfwatch_evidence_threshold_log10",
        "What selfwatch_evidence_log10 was held against in the last run: at or above it there is an alarm.",
        labels=("endpoint",),
    )
    off = GaugeMetricFamily(
        "selfwatch_off_axis_distance", "Change that is not toward misaligned, in score units.", labels=("endpoint",)
    )
    for endpoint, run in runs:
        held = [values["threshold"] for values in run.arms.values() if values.get("threshold") is not None]
        if held:  # one run holds both arms against the same
            threshold.add_metric([endpoint], max(held))
        if run.off_axis is not None:
            off.add_metric([endpoint], run.off_axis)
    yield from (threshold, off)


def _invalid(runs: Runs) -> Metric:
    family = GaugeMetricFamily(
        "selfwatch_invalid_share",
        "Share of the last run's answers that have no score, 0 to 1.",
        labels=("endpoint", "arm"),
    )
    for endpoint, run in runs:
        for arm, probes in ARM_PROBES.items():
            asked = [m for m in run.measurements if m.probe in probes]
            answers = sum(m.n + m.invalid for m in asked)
            if answers:
                family.add_metric([endpoint, str(arm)], sum(m.invalid for m in asked) / answers)
    return family


def _latency(runs: Runs) -> Metric:
    family = GaugeMetricFamily(
        "selfwatch_answer_latency_seconds",
        "Time on the wire of the last run's calls to the endpoint, by quantile.",
        labels=("endpoint", "quantile"),
    )
    for endpoint, run in runs:
        for name, share in QUANTILES.items():
            if (value := (run.latency or {}).get(name)) is not None:
                family.add_metric([endpoint, f"{share:g}"], value)
    return family


def _judge(runs: Runs) -> Iterable[Metric]:
    agreement = GaugeMetricFamily(
        "selfwatch_judge_agreement", "Weighted kappa of the judge on its anchors, 1 at best.", labels=("endpoint",)
    )
    bias = GaugeMetricFamily(
        "selfwatch_judge_bias",
        "By how many grades (of 1 to 5) the judge grades its anchors too high on average; below 0 too low.",
        labels=("endpoint",),
    )
    for endpoint, run in runs:
        if run.judge_agreement is not None:
            agreement.add_metric([endpoint], run.judge_agreement)
        if run.judge_bias is not None:
            bias.add_metric([endpoint], run.judge_bias)
    yield from (agreement, bias)
