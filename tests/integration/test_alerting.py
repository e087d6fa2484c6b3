"""What becomes of alerts between a verdict and a channel: routes, silences, windows, explanations, the dead man."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from alerts.types import Offline, Skip
from baselines.types import Verdict
from service.alert_list import listed
from service.alert_policy import Policy
from service.alert_review import review
from service.storage.schema import CounterRow, EndpointRow, FlipRow, ScheduleRow
from tests.support.database import add_endpoint
from tests.support.desk import DOWN, HARM, desk, policy, silence
from tests.support.live import listening, live
from tests.unit.alerts.facts import both, facts


async def test_a_flip_is_told_and_later_resolved_to_the_same_channel_with_links(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        assert await at.sent() == ["ops firing BehaviourDrift"]
        await at.run(prod)
        await at.run(prod)
        assert await at.sent() == ["ops resolved BehaviourDrift"]
        firing, resolved = await at.notices()
        assert firing["links"] == {
            "endpoint": "http://here/endpoints/prod", "run": "http://here/runs/run-1",
            "runbook": "http://here/runbooks/behaviour-drift",
        }  # fmt: skip
        assert firing["idempotency_key"] != resolved["idempotency_key"]
        async with at.database.read() as session:
            flips = (await session.scalars(select(FlipRow).order_by(FlipRow.at, FlipRow.run_id))).all()
        assert [(flip.after, flip.run_id) for flip in flips] == [("firing", "run-1"), ("resolved", "run-3")]
        assert {firing["idempotency_key"], resolved["idempotency_key"]} == {flip.id for flip in flips}


async def test_routes_by_severity_and_label(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "notifiers": {name: {"kind": "log"} for name in ("pager", "chat", "safety")},
        "routes": [
            {"match": {"severity": "critical"}, "notifiers": ["pager"]},
            {"match": {"labels": {"team": "safety"}}, "notifiers": ["safety"]},
            {"match": {"rule": "InvalidAnswers"}, "notifiers": []},
        ],
        "rules": [{"name": "SelfReportDrift", "labels": {"team": "safety"}}],
    }
    async with desk(tmp_path, **settings) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, verdict=Verdict.COHERENT_MISALIGNMENT, arms=both(self_report=True, behaviour=True))
        assert await at.sent() == [
            "pager firing BehaviourDrift", "pager firing CoherentMisalignment", "safety firing SelfReportDrift",
        ]  # fmt: skip
        for _ in range(2):
            await at.run(prod, invalid_share=0.9)
        assert "InvalidAnswers" in await at.states()
        assert [one for one in await at.sent() if "Invalid" in one] == []
        await at.run(prod, **DOWN)
        await at.run(prod, **DOWN)
        assert [one for one in await at.sent() if "Down" in one] == [
            "chat firing EndpointDown", "pager firing EndpointDown", "safety firing EndpointDown",
        ]  # fmt: skip


async def test_a_silence_keeps_the_state_sends_nothing_and_what_still_fires_is_sent_at_its_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod, other = await add_endpoint(at.database), await add_endpoint(at.database, "other")
        await silence(at, at.now + timedelta(hours=1), endpoint="prod", rule="*Drift")
        await at.run(prod, **HARM)
        await at.run(other, **HARM)
        assert await at.sent() == ["ops firing BehaviourDrift"]
        assert await at.states() == {"BehaviourDrift": "firing"}
        await at.later(minutes=59)
        assert await at.sent() == []
        await at.later(minutes=1)
        assert await at.sent() == ["ops firing BehaviourDrift"]
        late = (await at.notices())[-1]
        assert late["endpoint"] == "prod"
        assert late["text"].startswith("Sent late: until now it was muted")
        assert "run run-1" in late["text"]
        await at.later(minutes=1)
        assert await at.sent() == []


async def test_what_came_and_went_in_a_silence_is_never_sent_and_what_was_told_before_ends_at_once(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        prod, other = await add_endpoint(at.database), await add_endpoint(at.database, "other")
        await at.run(prod, **HARM)
        await at.sent()
        await silence(at, at.now + timedelta(hours=1), rule="BehaviourDrift")
        await at.run(other, **HARM)
        for endpoint in (prod, other):
            await at.run(endpoint)
            await at.run(endpoint)
        assert await at.states() == {"BehaviourDrift": "resolved"}
        assert await at.sent() == ["ops resolved BehaviourDrift"], "else Alertmanager is told for ever"
        ended = (await at.notices())[-1]
        assert (ended["endpoint"], "Sent late" in ended["text"]) == ("prod", False)
        await at.later(hours=1)
        assert await at.sent() == []


async def test_a_maintenance_window_is_a_silence_by_the_clock(tmp_path: Path) -> None:
    window = {
        "name": "noon", "schedule": "30 13 * * *", "duration": "PT1H", "timezone": "Europe/Berlin",
        "match": {"severity": "*"},
    }  # fmt: skip
    async with desk(tmp_path, maintenance=[window]) as at:
        prod = await add_endpoint(at.database)
        at.now = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)
        await at.run(prod, **HARM)
        assert await at.sent() == []
        await at.later(minutes=49)
        assert await at.sent() == []
        await at.later(minutes=1)
        assert await at.sent() == ["ops firing BehaviourDrift"]


async def test_an_endpoint_that_is_down_explains_its_drift_and_no_other(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod, other = await add_endpoint(at.database), await add_endpoint(at.database, "other")
        await at.run(prod, **DOWN)
        await at.run(prod, **DOWN | HARM)
        await at.run(other, **HARM)
        assert await at.sent() == ["ops firing BehaviourDrift", "ops firing EndpointDown"]
        assert await at.states() == {"EndpointDown": "firing", "BehaviourDrift": "firing"}
        await at.later(hours=1)
        assert await at.sent() == []


async def test_what_the_first_run_after_an_outage_says_is_told_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        for _ in range(2):
            await at.run(prod, **DOWN)
        assert await at.sent() == ["ops firing EndpointDown"]
        await at.run(prod, verdict=Verdict.COHERENT_MISALIGNMENT, arms=both(self_report=True, behaviour=True))
        assert (await at.states())["EndpointDown"] == "firing", "one run with answers does not end it yet"
        assert await at.sent() == [
            "ops firing BehaviourDrift", "ops firing CoherentMisalignment", "ops firing SelfReportDrift",
        ]  # fmt: skip
        async with at.database.read() as session:
            assert [one.row.rule for one in await listed(session, at.alerting, at.now) if one.mutes] == []


async def test_an_endpoint_whose_outages_flap_hides_no_drift_while_it_answers(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        for changes in (DOWN, DOWN, {}, {}) * 2 + (DOWN, DOWN):
            await at.run(prod, **changes)
        await at.sent()
        await silence(at, at.now + timedelta(hours=1), rule="BehaviourDrift")
        await at.run(prod, **HARM)
        assert await at.sent() == []
        await at.later(hours=1)
        assert await at.states() == {"EndpointDown": "firing", "BehaviourDrift": "firing"}
        assert await at.sent() == ["ops firing BehaviourDrift"], "by the clock too"
        await at.run(prod, **DOWN | HARM)
        async with at.database.read() as session:
            muted = [one.row.rule for one in await listed(session, at.alerting, at.now) if one.mutes]
        assert muted == ["BehaviourDrift"], "down again, it explains again"


async def test_while_we_are_offline_no_endpoint_is_blamed(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        at.offline = Offline(since=at.now, detail="no route to any of 3 hosts")
        await at.later(seconds=5)
        assert await at.sent() == ["ops firing WeAreOffline"]
        (notice,) = await at.notices()
        assert notice["endpoint"] == ""
        assert notice["title"] == "CRITICAL WeAreOffline: this installation"
        assert "no route to any of 3 hosts" in notice["text"]
        assert "Endpoint" not in notice["text"]
        await at.run(prod, **DOWN)
        await at.run(prod, **DOWN)
        assert await at.states() == {"EndpointDown": "firing"}
        assert await at.states("") == {"WeAreOffline": "firing"}
        assert await at.sent() == []
        at.offline = None
        await at.later(seconds=5)
        assert await at.sent() == ["ops firing EndpointDown", "ops resolved WeAreOffline"]


async def test_the_dead_man_fires_though_no_run_happens_also_over_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        async with at.database.write() as session:
            session.add(ScheduleRow(endpoint_id=prod.id, plan="heartbeat", spec="PT15M", next_due=at.now, since=at.now))
        await at.later(minutes=30)
        assert await at.states() == {}
        await at.later(minutes=1)
        assert await at.states() == {"RunOverdue": "pending"}
        again = at.again()
        await again.later(minutes=9)
        assert await again.sent() == []
        await again.later(minutes=1)
        assert await again.sent() == ["ops firing RunOverdue"]
        text = (await again.notices())[0]["text"]
        assert "Plan heartbeat (PT15M): no run has succeeded since 2026-03-01 12:00 UTC" in text
        async with again.database.write() as session:
            session.add(
                CounterRow(
                    endpoint_id=prod.id, name="last_success", label="heartbeat", label2="", value=again.now.timestamp()
                )
            )
        await again.later(seconds=5)
        assert await again.sent() == ["ops resolved RunOverdue"]


async def test_an_endpoint_that_is_paused_is_not_overdue(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        async with at.database.write() as session:
            session.add(ScheduleRow(endpoint_id=prod.id, plan="heartbeat", spec="PT15M", next_due=at.now, since=at.now))
        await at.later(hours=1)
        await at.later(hours=1)
        assert await at.sent() == ["ops firing RunOverdue"]
        async with at.database.write() as session:
            await session.execute(update(EndpointRow).values(paused=True))
        await at.later(seconds=5)
        assert await at.sent() == ["ops resolved RunOverdue"]


async def test_slots_left_out_for_want_of_budget_are_told_and_end_with_a_run(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        at.skips[prod.id] = Skip(slot="9", reason="budget_exhausted", detail="90 of 90 tokens are used today")
        await at.later(seconds=5)
        assert await at.sent() == ["ops firing BudgetExhausted"]
        assert "90 of 90 tokens" in (await at.notices())[0]["text"]
        at.skips.clear()
        await at.later(seconds=5)
        assert await at.sent() == []
        await at.run(prod)
        assert await at.sent() == ["ops resolved BudgetExhausted"]


async def test_slots_left_out_because_it_is_down_count_and_the_message_says_why(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        async with at.database.write() as session:
            why = {"health_reason": "unreachable", "health_detail": "nobody listens", "health_remedy": "start it"}
            await session.execute(update(EndpointRow).values(health="down", **why))
        await at.run(prod, **DOWN)
        assert await at.states() == {"EndpointDown": "pending"}
        at.skips[prod.id] = Skip(slot="9", reason="endpoint_down")
        await at.later(seconds=5)
        assert await at.sent() == ["ops firing EndpointDown"]
        text = (await at.notices())[0]["text"]
        assert "Reason: unreachable (nobody listens)." in text
        assert "What to do: start it" in text


async def test_reminders_while_it_fires_also_over_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, remind_after="PT4H") as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        await at.sent()
        await at.later(hours=3.9)
        assert await at.sent() == []
        again = at.again()
        await again.later(hours=0.1)
        assert await again.sent() == ["ops firing BehaviourDrift"]
        await again.later(hours=4)
        assert await again.sent() == ["ops firing BehaviourDrift"]
        first, second, third = await again.notices()
        assert len({one["idempotency_key"] for one in (first, second, third)}) == 3
        assert third["title"].startswith("STILL CRITICAL")
        assert third["text"].startswith("Reminder: it has been firing for 8 h.")
        assert first["since"] == second["since"] == third["since"]


async def test_an_alert_that_flaps_is_told_three_times_and_then_stays_until_it_is_quiet(tmp_path: Path) -> None:
    async with desk(tmp_path, rules=[{"name": "BehaviourDrift", "resolve_runs": 1}]) as at:
        prod = await add_endpoint(at.database)
        for _ in range(8):
            await at.run(prod, **HARM)
            at.now += timedelta(minutes=15)
            await at.run(prod)
            at.now += timedelta(minutes=15)
        assert await at.sent() == sorted(["ops firing BehaviourDrift"] * 3 + ["ops resolved BehaviourDrift"] * 2)
        for _ in range(3):
            await at.run(prod)
        assert await at.sent() == ["ops resolved BehaviourDrift"]


async def test_a_removed_rule_closes_its_alert_and_one_that_is_turned_off_too(tmp_path: Path) -> None:
    mine = {"name": "Chatty", "when": [{"metric": "invalid_share", "above": 0.2}]}
    async with desk(tmp_path, rules=[mine]) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, invalid_share=0.3, **HARM)
        assert await at.sent() == ["ops firing BehaviourDrift", "ops firing Chatty"]
        again = at.again(policy=policy(rules=[{"name": "BehaviourDrift", "off": True}]))
        await again.later(seconds=5)
        assert await again.sent() == ["ops resolved BehaviourDrift", "ops resolved Chatty"]
        assert "removed from the configuration or turned off" in (await again.notices())[-1]["text"]
        await again.later(seconds=5)
        assert await again.sent() == []


async def test_an_edited_rule_resolves_nothing_by_the_edit(tmp_path: Path) -> None:
    def chatty(above: float) -> Policy:
        return policy(rules=[{"name": "Chatty", "when": [{"metric": "invalid_share", "above": above}]}])

    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        again = at.again(policy=chatty(0.2))
        await again.run(prod, invalid_share=0.3)
        await again.run(prod, invalid_share=0.1)
        assert await again.sent() == ["ops firing Chatty"]
        edited = again.again(policy=chatty(0.4))
        await edited.later(seconds=5)
        await edited.run(prod, invalid_share=0.3)
        assert await edited.states() == {"Chatty": "firing"}
        await edited.run(prod, invalid_share=0.3)
        assert await edited.sent() == ["ops resolved Chatty"]


async def test_a_notifier_that_is_added_hears_of_what_fires_and_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        await at.sent()
        again = at.again(policy=policy(notifiers={"chat": {"kind": "log"}}))
        await again.later(seconds=5)
        assert await again.sent() == ["chat firing BehaviourDrift"]
        await again.run(prod)
        await again.run(prod)
        assert await again.sent() == ["chat resolved BehaviourDrift"]


async def test_an_endpoint_that_is_deleted_takes_its_alerts_along(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        async with at.database.write() as session:
            await session.delete(await session.get_one(EndpointRow, prod.id))
        assert await at.states() == {}
        await at.later(seconds=5)


async def test_the_clock_writes_nothing_while_nothing_changes(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        assert await at.ticker.tick() == 0
        at.offline = Offline(since=at.now)
        assert await at.ticker.tick() == 1
        assert await at.ticker.tick() == 0


# From here on over real HTTP.


async def test_silences_over_http(tmp_path: Path) -> None:
    async with live(tmp_path) as service:
        prod = await service.register(labels={"team": "safety"})
        assert prod["name"] == "prod"
        body = {
            "match": {"endpoint": "prod", "labels": {"team": "*"}}, "duration": "PT2H", "comment": " roll-out ",
            "who": "kim",
        }  # fmt: skip
        made = await service.http.post("/api/v1/silences", json=body)
        assert made.status_code == 201, made.text
        found = made.json()
        assert found["state"] == "active"
        assert found["comment"] == "roll-out"
        async with service.services.database.write() as session:
            row = await session.scalar(select(EndpointRow))
            assert row is not None
            run = facts(endpoint="prod", at=service.services.clock(), labels=row.labels, **HARM)
            await service.services.alerting.evaluate(session, row, run)
        (alert,) = (await service.get("/api/v1/alerts"))["alerts"]
        assert alert["state"] == "firing"
        assert alert["labels"] == {"team": "safety"}
        assert alert["told"] == []
        assert alert["muted_by"] == [
            {"kind": "silence", "by": found["id"], "until": found["until"], "comment": "roll-out"}
        ]
        page = (await service.http.get("/")).text
        assert "silenced, ends in" in page
        assert "False alarms: at most one" in page
        assert (await service.get("/api/v1/silences"))["silences"] == [found]
        assert (await service.http.delete(f"/api/v1/silences/{found['id']}")).status_code == 204
        assert (await service.get("/api/v1/silences"))["silences"] == []
        (ended,) = (await service.get("/api/v1/silences?ended=true"))["silences"]
        assert ended["state"] == "ended"
        async with asyncio.timeout(10):  # it wakes the clock
            while not (alert := (await service.get("/api/v1/alerts"))["alerts"][0])["told"]:
                await asyncio.sleep(0.05)
        assert (alert["told"], alert["muted_by"]) == (["log"], [])
        assert (await service.http.delete("/api/v1/silences/none")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "until: 2020-01-01T00:00:00+00:00 has passed"),
        ({"until": "2999-01-01T00:00:00Z"}, "is over 366 days away; turn the rule off instead"),
        ({"until": "2030-01-01T00:00:00"}, "until: Input should have timezone info"),
        ({"until": None}, "give one of until (2026-03-01T12:00:00Z) and duration (PT2H)"),
        ({"duration": "PT1H"}, "give one of until"),
        ({"match": {}}, "match: matches nothing in particular; give endpoint, rule, severity or labels"),
        ({"match": {"host": "x"}}, "match.host: unknown field"),
        ({"comment": " "}, "comment: String should have at least 1 character"),
        ({"who": None}, "who: Input should be a valid string"),
    ],
)
async def test_a_silence_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    body = {"match": {"rule": "*"}, "until": tomorrow, "comment": "c", "who": "kim"} | changes
    async with live(tmp_path) as service:
        reply = await service.http.post("/api/v1/silences", json={k: v for k, v in body.items() if v != "drop"})
        assert reply.status_code == 422
        assert told in reply.json()["detail"]
        assert (await service.get("/api/v1/silences?ended=true"))["silences"] == []


async def test_a_silence_may_begin_later(tmp_path: Path) -> None:
    begins = datetime.now(UTC) + timedelta(days=1)
    body = {
        "match": {"rule": "*"}, "starts": begins.isoformat(), "duration": "PT1H", "comment": "c", "who": "kim",
    }  # fmt: skip
    async with live(tmp_path) as service:
        found = (await service.http.post("/api/v1/silences", json=body)).json()
        assert found["state"] == "pending"
        assert datetime.fromisoformat(found["until"]) == begins + timedelta(hours=1)
        early = body | {"starts": (begins + timedelta(days=2)).isoformat(), "until": begins.isoformat()}
        early.pop("duration")
        reply = await service.http.post("/api/v1/silences", json=early)
        assert "is not after starts" in reply.json()["detail"]


async def test_windows_rules_and_the_budget_of_false_alarms_are_shown(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "maintenance": [
            {
                "name": "always",
                "schedule": "*/5 * * * *",
                "duration": "PT1H",
                "match": {"endpoint": "*"},
                "comment": "c",
            }
        ],
        "rules": [
            {
                "name": "Mine",
                "when": [{"metric": "invalid_share", "above": 0.5}],
                "runbook": "https://wiki.example/mine",
            },
            {"name": "EndpointDown", "severity": "critical", "for": {"runs": 4}},
            {"name": "Relapse", "off": True},
        ],
    }
    async with live(tmp_path, **settings) as service:
        await service.register(schedules={"heartbeat": "PT15M"})
        (window,) = (await service.get("/api/v1/silences"))["maintenance"]
        assert window["open_until"] is not None
        assert window["next"] is not None
        rules = {one["name"]: one for one in (await service.get("/api/v1/rules"))["rules"]}
        assert "Relapse" not in rules
        assert rules["Mine"]["runbook"] == "https://wiki.example/mine"
        assert (rules["EndpointDown"]["severity"], rules["EndpointDown"]["for"]["runs"]) == ("critical", 4)
        assert rules["ModelChanged"]["runbook"].endswith("/runbooks/model-changed")
        shown = (await service.get("/api/v1/alerts"))["false_alarms"]
        fleet = await service.get("/api/v1/false-alarms")
        assert shown["promise"] == fleet["promise"]
        assert shown["expected_per_quarter"] == fleet["expected_per_quarter"] > 0
        for rule in rules.values():
            if rule["shipped"]:
                page = await service.http.get(rule["runbook"].split("8321", 1)[-1])
                assert page.status_code == 200
                assert rule["name"] in page.text
        assert (await service.http.get("/runbooks/custom-rule")).status_code == 200


async def test_a_rule_that_is_new_looks_at_the_last_run_when_the_service_starts(tmp_path: Path) -> None:
    from service.simulator import create

    async with listening(create()) as models:
        settings: dict[str, Any] = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(tmp_path, **settings) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/base")
            run = await service.run()
            assert run["state"] == "succeeded"
        mine = {"severity": "info", "summary": "It answers; we like that."}
        rules = [{"name": "Every", "when": [{"metric": "invalid_share", "below": 0.5}], **mine}]
        async with live(tmp_path, rules=rules, **settings) as service:
            found = {one["rule"]: one for one in (await service.get("/api/v1/alerts"))["alerts"]}
            assert (found["Every"]["state"], found["Every"]["run"]) == ("firing", run["id"])
            assert found["Every"]["told"] == ["log"]
            assert found["Every"]["summary"].startswith("It answers; we like that. invalid_share 0")
            assert found["Every"]["summary"] in (await service.http.get("/endpoints/prod")).text
            alerting = service.services.alerting
            assert await review(service.services.database, alerting, datetime.now(UTC)) == 0
