"""Who is told what: routes, mutes, and what is owed. Then any history of flips and silences."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.match import Match, Route, Subject, notifiers_of
from alerts.mute import Mute, MuteKind, Quiet, mutes_of
from alerts.tell import Owed, Why, after, owed, worded
from alerts.types import INSTALLATION, Alert, AlertState, Severity
from tests.unit.alerts.facts import AT, notice

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
SUBJECT = Subject(endpoint="support-bot", rule="BehaviourDrift", severity=Severity.CRITICAL, labels={"team": "safety"})
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(endpoint="support-bot"), True),
        (Match(endpoint="support-*"), True),
        (Match(endpoint="Support-*"), False),
        (Match(endpoint="support"), False),
        (Match(rule="*Drift"), True),
        (Match(rule="*Drift", severity="warning"), False),
        (Match(severity="critical", labels={"team": "saf*"}), True),
        (Match(labels={"team": "ops"}), False),
        (Match(labels={"stage": "*"}), True),
        (Match(labels={"stage": "?*"}), False),
        (Match(endpoint="?*", rule="WeAreOffline"), False),
    ],
)
def test_every_pattern_given_must_fit(match: Match, fits: bool) -> None:
    assert match.fits(SUBJECT) is fits


def test_an_alert_of_the_installation_has_an_empty_endpoint() -> None:
    here = replace(SUBJECT, endpoint=INSTALLATION)
    assert Match(endpoint="*").fits(here)
    assert not Match(endpoint="?*").fits(here)


def route(*notifiers: str, **match: Any) -> Route:
    return Route(match=Match(**match), notifiers=notifiers)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ((), ("chat", "mail", "pager")),
        ((route("pager", severity="critical"),), ("pager",)),
        ((route("pager", severity="warning"),), ("chat", "mail", "pager")),
        ((route("pager", severity="critical"), route("mail", rule="*Drift")), ("mail", "pager")),
        ((route("pager", severity="critical"), route(rule="*")), ("pager",)),
        ((route(rule="*"),), ()),
        ((route("gone", rule="*"),), ()),
    ],
)
def test_all_routes_that_fit_count_and_without_one_everybody_is_told(
    routes: tuple[Route, ...], expected: tuple[str, ...]
) -> None:
    assert notifiers_of(SUBJECT, routes, ("chat", "mail", "pager")) == expected


SILENCE = Quiet(match=Match(rule="*Drift"), mute=Mute(kind=MuteKind.SILENCE, by="s1", until=AT + DAY, comment="known"))


def test_mutes_are_named_with_their_end() -> None:
    found = mutes_of(SUBJECT, frozenset({"EndpointDown"}), [SILENCE], {"support-bot": {"EndpointDown"}})
    assert [(one.kind.value, one.by, one.until) for one in found] == [
        ("silence", "s1", AT + DAY), ("inhibited", "EndpointDown", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("firing", "muted"),
    [
        ({"support-bot": {"EndpointDown"}}, True),
        ({"other-bot": {"EndpointDown"}}, False),
        ({INSTALLATION: {"WeAreOffline"}}, True),
        ({"support-bot": {"SelfReportDrift"}}, False),
        ({}, False),
    ],
)
def test_what_explains_an_alert_fires_for_the_same_endpoint_or_for_us(firing: dict[str, set[str]], muted: bool) -> None:
    assert bool(mutes_of(SUBJECT, frozenset({"EndpointDown", "WeAreOffline"}), [], firing)) is muted


def test_no_alert_mutes_itself() -> None:
    assert mutes_of(SUBJECT, frozenset({SUBJECT.rule}), [], {"support-bot": {SUBJECT.rule}}) == ()


def alert(state: AlertState = FIRING, **changes: object) -> Alert:
    values = {
        "rule": "BehaviourDrift", "endpoint": "support-bot", "severity": Severity.CRITICAL, "state": state, "since": AT,
    }  # fmt: skip
    return Alert(**values | changes)  # type: ignore[arg-type]


TARGETS = ("chat", "pager")


def due(
    one: Alert, *, muted: bool = False, later: timedelta = timedelta(0), remind: timedelta | None = DAY
) -> Owed | None:
    return owed(one, TARGETS, muted=muted, now=AT + later, remind_after=remind)


def test_a_flip_is_told_to_all_targets_at_once() -> None:
    assert due(alert()) == Owed(status=FIRING, notifiers=TARGETS, why=Why.FLIP)


def test_a_muted_alert_sends_nothing_and_what_it_owes_is_sent_afterwards() -> None:
    assert due(alert(), muted=True) is None
    assert due(alert(), later=DAY) == Owed(status=FIRING, notifiers=TARGETS, why=Why.LATE)


def test_what_began_and_ended_while_muted_is_never_sent() -> None:
    assert due(alert(RESOLVED), later=DAY) is None


def test_resolved_goes_to_those_who_were_told_of_the_firing_and_waits_for_no_silence() -> None:
    told = alert(RESOLVED, told=("pager",), told_at=AT)
    assert due(told) == due(told, muted=True) == Owed(status=RESOLVED, notifiers=("pager",), why=Why.FLIP)
    assert due(told, later=DAY) == Owed(status=RESOLVED, notifiers=("pager",), why=Why.LATE)


def test_a_channel_that_is_added_hears_of_what_fires_already() -> None:
    assert due(alert(told=("chat",), told_at=AT), later=timedelta(hours=1)) == Owed(
        status=FIRING, notifiers=("pager",), why=Why.LATE
    )


@pytest.mark.parametrize(
    ("later", "remind", "expected"),
    [
        (timedelta(hours=23), DAY, None),
        (DAY, DAY, Why.REMINDER),
        (10 * DAY, None, None),
    ],
)
def test_reminders(later: timedelta, remind: timedelta | None, expected: Why | None) -> None:
    found = due(alert(told=TARGETS, told_at=AT), later=later, remind=remind)
    assert (found.why if found else None) is expected
    if found is not None:
        assert found.notifiers == TARGETS


def test_a_reminder_is_not_sent_to_a_channel_that_is_no_longer_routed_to() -> None:
    found = owed(alert(told=TARGETS, told_at=AT), ("chat",), muted=False, now=AT + DAY, remind_after=DAY)
    assert found == Owed(status=FIRING, notifiers=("chat",), why=Why.REMINDER)


def test_a_reminder_has_a_key_of_its_own_and_the_others_keep_theirs() -> None:
    message = notice(since=AT - timedelta(hours=30))
    remind = Owed(status=FIRING, notifiers=TARGETS, why=Why.REMINDER)
    again = worded(message, remind, "r" * 64, AT)
    assert again.idempotency_key == "r" * 64
    assert again.title == "STILL CRITICAL BehaviourDrift: support-bot"
    assert again.text.startswith("Reminder: it has been firing for 30 h.\n")
    late = worded(message, replace(remind, why=Why.LATE), "x", AT)
    assert late.idempotency_key == message.idempotency_key
    assert late.text.endswith(message.text)
    assert worded(message, replace(remind, why=Why.FLIP), "x", AT) == message


STEPS = st.lists(st.tuples(st.sampled_from([FIRING, RESOLVED]), st.booleans()), min_size=1, max_size=30)


@given(steps=STEPS)
def test_every_channel_hears_firing_and_resolved_in_turn_and_the_truth_in_the_end(
    steps: list[tuple[AlertState, bool]],
) -> None:
    """Whatever flips and silences come: nobody hears the same twice in a row, no firing is sent while muted, and once
    nothing is muted everybody knows how it stands."""
    one, heard = alert(AlertState.INACTIVE), []
    for number, (state, muted) in enumerate([*steps, (steps[-1][0], False)]):
        now = AT + timedelta(minutes=number)
        if state is not one.state and not (state is RESOLVED and one.state is AlertState.INACTIVE):
            one = replace(one, state=state, since=now)
        found = owed(one, TARGETS, muted=muted, now=now, remind_after=None)
        if found is not None:
            assert not muted or found.status is RESOLVED
            heard.append(found.status)
            one = after(one, found, now)
    assert heard == [FIRING, RESOLVED] * (len(heard) // 2) + [FIRING] * (len(heard) % 2)
    assert bool(one.told) is (one.state is FIRING)
