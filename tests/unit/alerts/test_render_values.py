"""Evidence in words, and notices as payloads."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.render import from_json, odds, to_json
from alerts.types import AlertState, Notice, Severity
from tests.unit.alerts.facts import notice


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (4.3, "about once in 19,000 heartbeats"),
        (4.0, "about once in 10,000 heartbeats"),
        (3.0, "about once in 1,000 heartbeats"),
        (1.0, "about once in 10 heartbeats"),
        (5.9999, "about once in 990,000 heartbeats"),
        (6.0, "less than once in 1,000,000 heartbeats"),
        (40.0, "less than once in 1,000,000 heartbeats"),
        (math.inf, "less than once in 1,000,000 heartbeats"),
        (0.9, "now and then"),
        (-3.0, "now and then"),
        (-math.inf, "now and then"),
        (math.nan, "now and then"),
    ],
)
def test_evidence_in_plain_words(evidence: float, words: str) -> None:
    assert words in odds(evidence)


@given(evidence=st.floats(1, 5.999))
def test_the_odds_never_overstate_the_evidence(evidence: float) -> None:
    beats = int(odds(evidence).split("once in ")[1].split(" ")[0].replace(",", ""))
    assert 0.9 * 10**evidence < beats <= 10**evidence * (1 + 1e-6)


LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(
    message=st.builds(
        Notice,
        idempotency_key=LINES,
        status=st.sampled_from(AlertState),
        rule=LINES,
        severity=st.sampled_from(Severity),
        endpoint=LINES,
        title=LINES,
        text=LINES,
        at=MOMENTS,
        since=MOMENTS,
        labels=st.dictionaries(LINES, LINES, max_size=3),
        links=st.dictionaries(LINES, LINES, max_size=3),
        simulated=st.booleans(),
    )
)
def test_a_notice_survives_the_outbox(message: Notice) -> None:
    assert from_json(json.loads(json.dumps(to_json(message)))) == message


def test_a_payload_of_a_newer_version_is_read() -> None:
    assert from_json({**to_json(notice()), "added_later": 1}) == notice()


def test_a_broken_payload_names_the_field() -> None:
    payload = to_json(notice())
    with pytest.raises(ValueError, match="severity"):
        from_json({**payload, "severity": "loud"})
    del payload["title"]
    with pytest.raises(ValueError, match="title"):
        from_json(payload)
