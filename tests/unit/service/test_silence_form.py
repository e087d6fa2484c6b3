"""The form of a silence: what is entered becomes a silence, or stays with what is wrong beside it."""

from datetime import timedelta

import pytest
from starlette.datastructures import FormData

from service.ui.pages.silence_form import FormError, entered, prefilled, silence_of
from service.ui.views.alerts import silence_path

GOOD = {"endpoint": "prod", "rule": "*Drift", "duration": "PT4H", "comment": "a fix is under way", "who": "ann"}


def errors_of(**changes: str) -> dict[str, str]:
    with pytest.raises(FormError) as caught:
        silence_of(entered(FormData(list((GOOD | changes).items()))))
    return dict(caught.value.errors)


def test_what_is_entered_becomes_a_silence() -> None:
    made = silence_of(entered(FormData(list((GOOD | {"labels": "team = support\n\ntier=1"}).items()))))
    assert made.match.model_dump(exclude_none=True) == {
        "endpoint": "prod", "rule": "*Drift", "labels": {"team": "support", "tier": "1"}
    }  # fmt: skip
    assert (made.duration, made.comment, made.who) == (timedelta(hours=4), "a fix is under way", "ann")


def test_a_time_without_a_zone_is_utc() -> None:
    made = silence_of(entered(FormData(list((GOOD | {"duration": "other", "until": "2026-12-01T09:30"}).items()))))
    assert made.until is not None
    assert made.until.isoformat() == "2026-12-01T09:30:00+00:00"


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"comment": "  "}, "comment", "Say why"),
        ({"who": ""}, "who", "Say who"),
        ({"comment": "x" * 501}, "comment", "At most 500"),
        ({"endpoint": "", "rule": ""}, "endpoint", "Say which alerts"),
        ({"labels": "support"}, "labels", "'support' is no label"),
        ({"labels": "a-b=c"}, "labels", "match pattern"),
        ({"duration": "other"}, "until", "Say until when"),
        ({"duration": "other", "until": "soon"}, "until", "valid"),
        ({"duration": "forever"}, "duration", "no ISO-8601 duration"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(changes: dict[str, str], field: str, told: str) -> None:
    found = errors_of(**changes)
    assert list(found) == [field]
    assert told in found[field]


def test_several_mistakes_are_told_at_once() -> None:
    assert set(errors_of(comment="", who="", labels="x")) == {"comment", "who", "labels"}


def test_a_link_from_an_alert_fills_the_form() -> None:
    assert silence_path("prod", "BehaviourDrift") == "/alerts?silence=prod%2FBehaviourDrift"
    for given, endpoint, rule in (
        ("prod/BehaviourDrift", "prod", "BehaviourDrift"),
        ("/WeAreOffline", "", "WeAreOffline"),
        ("BehaviourDrift", "", "BehaviourDrift"),
        ("prod", "prod", ""),
        ("", "", ""),
    ):
        form = prefilled(given)
        assert (form.endpoint, form.rule) == (endpoint, rule)
    assert prefilled("BehaviourDrift", endpoint="prod").endpoint == "prod"
