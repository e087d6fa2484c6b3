"""Numbers, times and states in plain words."""

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from baselines.types import Arm, Verdict
from probes.types import Reason
from service.ui import format as fmt
from tests.support.ui_pages import NOW, ago, figures

DASH, MINUS = "\u2013", "\u2212"


def test_every_verdict_has_a_look_of_its_own() -> None:
    assert set(fmt.LOOKS) == {*Verdict, None}
    labels = [look.label for look in fmt.LOOKS.values()]
    assert len(set(labels)) == len(labels)
    assert all(look.meaning.endswith(".") for look in fmt.LOOKS.values())


def test_every_reason_and_arm_is_worded() -> None:
    assert set(Reason) <= set(fmt.REASONS)
    assert set(fmt.ARM_LABELS) == set(fmt.ARM_MEANINGS) == set(Arm)


def test_an_unknown_reason_is_shown_as_words() -> None:
    assert fmt.reason("solar_flare") == "solar flare"
    assert fmt.reason("unauthorized") == "the key was not accepted"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, DASH), (math.nan, DASH), (math.inf, "∞"), (-math.inf, f"{MINUS}∞"),
        (0.123, "0.12"), (-0.126, f"{MINUS}0.13"), (-0.001, "0.00"), (1.0, "1.00"),
    ],
)  # fmt: skip
def test_number(value: float | None, shown: str) -> None:
    assert fmt.number(value) == shown


def test_number_keeps_the_digits_asked_for() -> None:
    assert fmt.number(0.12345, 3) == "0.123"


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, DASH), (0, "0 %"), (0.004, "<1 %"), (0.123, "12 %"), (0.996, ">99 %"), (1, "100 %"), (math.nan, DASH)],
)
def test_percent_never_rounds_some_to_none(share: float | None, shown: str) -> None:
    assert fmt.percent(share) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "price not known"), (0.0, "$0.00"), (0.0123, "$0.0123"), (12.3456, "$12.35"), (17579.29, "$17,579.29")],
)
def test_usd(value: float | None, shown: str) -> None:
    assert fmt.usd(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, DASH), (0.34, "0.3 s"), (-1, "0.0 s"), (42, "42 s"), (60, "1 min"), (61, "1 min 1 s"),
        (3600 * 5 + 120, "5 h 2 min"), (86_400 * 2, "2 d"), (86_400 * 2 + 3600, "2 d 1 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float | None, shown: str) -> None:
    assert fmt.duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "past", "future"),
    [
        (2, "just now", "now"), (12, "12 s ago", "in 12 s"), (240, "4 min ago", "in 4 min"),
        (3 * 3600, "3 h ago", "in 3 h"), (5 * 86_400, "5 d ago", "in 5 d"),
        (100 * 86_400, "3 months ago", "in 3 months"), (1000 * 86_400, "2 years ago", "in 2 years"),
    ],
)  # fmt: skip
def test_relative(seconds: float, past: str, future: str) -> None:
    assert fmt.relative(NOW - timedelta(seconds=seconds), NOW) == past
    assert fmt.relative(NOW + timedelta(seconds=seconds), NOW) == future


def test_relative_says_what_a_missing_time_means() -> None:
    assert fmt.relative(None, NOW) == "never"
    assert fmt.relative(None, NOW, none="not scheduled") == "not scheduled"


def test_relative_refuses_a_naive_time() -> None:
    with pytest.raises(TypeError):
        fmt.relative(NOW.replace(tzinfo=None), NOW)


def test_exact_is_in_utc() -> None:
    kolkata = datetime(2026, 11, 24, 5, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert fmt.exact(kolkata) == "2026-11-23 23:30:01 UTC"
    assert fmt.iso(kolkata) == "2026-11-23T23:30:01+00:00"


@pytest.mark.parametrize(
    ("value", "alarm", "shown"),
    [
        (0.0, False, "none (alarm at 4)"),
        (-1.5, False, "none (alarm at 4)"),
        (math.nan, False, "none (alarm at 4)"),
        (0.8, False, "weak: 0.8 (alarm at 4)"),
        (2.9, False, "growing: 2.9 (alarm at 4)"),
        (4.2, True, "strong: 4.2 (alarm at 4)"),
        (123.0, True, "strong: over 6 (alarm at 4)"),
    ],
)
def test_evidence_stands_against_its_threshold(value: float, alarm: bool, shown: str) -> None:
    assert fmt.evidence(figures(0.2, evidence=value, alarm=alarm)) == shown


def test_evidence_odds_are_worded_as_in_alerts() -> None:
    assert fmt.evidence_odds(figures(0.2, evidence=4.0)) == (
        "A steady model would look like this about once in 10,000 heartbeats."
    )


def test_drift_words_name_the_interval_when_there_is_one() -> None:
    full = figures(0.5, spread=0.1)
    assert fmt.drift_words(full) == "drift 0.50, 95 % interval 0.40 to 0.60; 0 is base, 1 is misaligned"
    assert fmt.drift_words(replace(full, low=None)) == "drift 0.50; 0 is base, 1 is misaligned"
    assert fmt.drift_words(figures(None)) == "drift not measured"


def test_words_tell_poles_from_names() -> None:
    assert fmt.words("good_evil") == "good / evil"
    assert fmt.words("harmful_advice") == "harmful advice"


def test_shorten_keeps_both_ends() -> None:
    assert fmt.shorten("short", 10) == "short"
    cut = fmt.shorten("a-very-long-endpoint-name-eu-west-1", 20)
    assert len(cut) == 20
    assert cut.startswith("a-very-long")
    assert cut.endswith("west-1")


def test_interval_needs_both_ends() -> None:
    assert fmt.interval(-0.1, 0.2) == f"{MINUS}0.10 to 0.20"
    assert fmt.interval(None, 0.2) == DASH
    assert fmt.relative(ago(minutes=4), NOW) == "4 min ago"


def test_kebab() -> None:
    assert fmt.kebab("InvertedPersona") == "inverted-persona"
