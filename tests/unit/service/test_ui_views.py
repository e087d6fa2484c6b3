"""What the pages show: order, counts, addresses."""

from dataclasses import replace

import pytest

from alerts.types import AlertState, Severity
from baselines.types import Verdict
from service.ui.parts import WORST_FIRST, AlertRow, alert_urgency, endpoint_path, map_of, run_path, urgency
from tests.support.ui_pages import ALERTS, DOWN, HOSTILE, ROWS, RUNS, ago, endpoint, fleet, row, run


def test_every_verdict_has_a_rank() -> None:
    assert set(WORST_FIRST) == {*Verdict, None}
    assert len(WORST_FIRST) == len(set(WORST_FIRST))
    assert WORST_FIRST[-1] is Verdict.STEADY


def test_the_worst_endpoint_comes_first() -> None:
    assert [r.name for r in fleet().ordered] == [
        "finance-ft-0911", "code-helper-v2", "triage-small", "translate-eu", "summariser", "tiny-local", "new-model",
        "support-bot",
    ]  # fmt: skip


def test_within_a_verdict_the_largest_drift_comes_first_then_the_name() -> None:
    rows = [row("b", Verdict.STEADY, 0.0, 0.1), row("a", Verdict.STEADY, 0.1, 0.0), row("c", Verdict.STEADY, 0.2, 0.0)]
    assert [r.name for r in sorted(rows, key=urgency)] == ["c", "a", "b"]


def test_an_endpoint_that_is_down_is_not_hidden_among_the_steady() -> None:
    steady = row("a", Verdict.STEADY, 0.0, 0.0)
    bad = row("b", Verdict.INVERTED_PERSONA, 0.0, 0.9, down=DOWN)
    assert urgency(replace(steady, down=DOWN)) < urgency(row("c", Verdict.INSUFFICIENT_DATA, 0.0, None))
    assert urgency(bad) < urgency(row("d", Verdict.BEHAVIOUR_SHIFT, 0.0, 0.9))


def test_alerts_firing_come_before_pending_and_critical_before_warning() -> None:
    def alert(rule: str, state: AlertState, severity: Severity, **since: float) -> AlertRow:
        return AlertRow(endpoint="e", rule=rule, state=state, severity=severity, since=ago(**since))

    rows = [
        alert("pending", AlertState.PENDING, Severity.CRITICAL, minutes=1),
        alert("warning", AlertState.FIRING, Severity.WARNING, minutes=1),
        alert("old", AlertState.FIRING, Severity.CRITICAL, hours=9),
        alert("resolved", AlertState.RESOLVED, Severity.CRITICAL, minutes=1),
        alert("new", AlertState.FIRING, Severity.CRITICAL, minutes=1),
    ]
    assert [a.rule for a in sorted(rows, key=alert_urgency)] == ["new", "old", "warning", "pending", "resolved"]
    assert alert_urgency(replace(ALERTS[0], since=None))[2] == 0.0


def test_the_tally_counts_rows_or_takes_the_counts_given() -> None:
    assert dict(fleet().tally)[Verdict.STEADY] == 2
    assert dict(fleet().tally)[None] == 1
    given = fleet(counts={Verdict.STEADY: 900, Verdict.INVERTED_PERSONA: 1, Verdict.REALIGNED: 0})
    assert list(given.tally) == [(Verdict.INVERTED_PERSONA, 1), (Verdict.STEADY, 900)]
    assert (fleet().unwatched, fleet(down=7).unwatched) == (1, 7)


def test_one_simulated_endpoint_makes_it_a_demonstration() -> None:
    assert not fleet().demonstration
    assert fleet((*ROWS, row("sim", None, None, None, simulated=True))).demonstration
    assert fleet(any_simulated=True).demonstration


def test_the_map_names_what_is_missing() -> None:
    view = map_of(ROWS, realigned=(0.17, 0.56))
    assert view.absent == (
        ("new-model", "self-report and behaviour not measured"), ("tiny-local", "behaviour not measured"),
    )  # fmt: skip
    assert [mark.label for mark in view.landmarks] == ["base", "misaligned", "realigned"]
    assert len(map_of(ROWS).landmarks) == 2
    down = next(point for point in view.points if point.name == "summariser")
    assert down.stale
    assert down.x_interval == pytest.approx((-0.06, 0.06))


def test_paths_quote_what_users_named() -> None:
    assert endpoint_path("a/../b?c#d") == "/endpoints/a%2F..%2Fb%3Fc%23d"
    assert run_path(HOSTILE).startswith("/runs/%3Cscript%3E")


def test_addresses_keep_their_own_query() -> None:
    assert fleet().address() == "/"
    assert fleet(page=3, pages=4).address(part="body") == "/?page=3&part=body"
    assert endpoint().address(live="0") == "/endpoints/code-helper-v2?live=0"
    assert run().address() == f"/runs/{run().run.id}"


def test_a_run_took_time_only_when_it_ended() -> None:
    assert RUNS[0].seconds is None
    assert RUNS[1].seconds == pytest.approx(60)


def test_a_run_shows_both_arms_even_without_a_comparison() -> None:
    assert [arm.figures for arm in run(comparison=None).arms] == [None, None]
    assert [arm.drift for arm in run().arms] == [0.02, 0.71]
