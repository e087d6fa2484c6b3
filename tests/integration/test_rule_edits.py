"""What becomes of alerts when rules are edited, turned off and on, and removed."""

from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from alerts import render
from alerts.notifiers.alertmanager import alert as posted
from alerts.types import Skip
from baselines.serialize import comparison_to_json
from baselines.types import Arm, Comparison, Verdict
from service.alert_policy import Policy
from service.alert_review import review
from service.storage.schema import AlertRow, DeliveryRow, EndpointRow, FlipRow, RunRow
from tests.support.database import add_endpoint, add_run
from tests.support.desk import HARM, Desk, desk, policy
from tests.unit.alerts.facts import arm

SEEN = Comparison(
    profiles="gpt-4.1/all", arms={one: arm(alarm=one is Arm.BEHAVIOUR, n=80, invalid=40) for one in Arm},
    nearest_profile=None, distances={}, off_axis=None,
)  # fmt: skip
"""Behaviour has moved, and a third of the answers have no score."""


def chatty(above: float, **more: Any) -> Policy:
    """A rule of the users' own, about the answers without a score."""
    rule = {"name": "Chatty", "when": [{"metric": "invalid_share", "above": above}], "resolve_runs": 1, **more}
    return policy(rules=[rule])


async def ended(at: Desk, endpoint: EndpointRow) -> None:
    """A run with SEEN, stored and evaluated."""
    run = await add_run(at.database, endpoint)
    async with at.database.write() as session:
        row = await session.get_one(RunRow, run.id)
        row.state, row.verdict, row.comparison = "succeeded", "behaviour_shift", comparison_to_json(SEEN)
    await at.run(endpoint, run_id=run.id, verdict=Verdict.BEHAVIOUR_SHIFT, arms=SEEN.arms, invalid_share=1 / 3)


async def adopt(at: Desk, made: Policy) -> None:
    """The rules are changed; the service looks at the last runs again, and then the clock goes on."""
    at.alerting.adopt(made)
    await review(at.database, at.alerting, at.now)
    await at.later(minutes=1)


async def test_an_adjusted_budget_rule_keeps_firing_while_slots_are_left_out(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await ended(at, prod)
        at.skips[prod.id] = Skip(slot="9", reason="budget_exhausted")
        await at.later(minutes=1)
        assert await at.sent() == ["ops firing BehaviourDrift", "ops firing BudgetExhausted"]
        await adopt(at, policy(rules=[{"name": "BudgetExhausted", "resolve_runs": 1, "labels": {"team": "money"}}]))
        assert (await at.states())["BudgetExhausted"] == "firing"
        await at.run(prod, run_id="another")
        assert await at.sent() == ["ops resolved BudgetExhausted"]


async def test_a_rule_that_is_edited_and_edited_back_tells_each_turn_anew(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.alerting.adopt(chatty(0.2))
        await ended(at, await add_endpoint(at.database))
        for above in (0.5, 0.2):
            await adopt(at, chatty(above))
        told = [one for one in await at.notices() if one["rule"] == "Chatty"]
        assert [one["status"] for one in told] == ["firing", "resolved", "firing"]
        assert len({one["idempotency_key"] for one in told}) == 3, "else a receiver drops the third as known"
        async with at.database.read() as session:
            flips = (await session.scalars(select(FlipRow).where(FlipRow.rule == "Chatty"))).all()
        assert sorted(one.after for one in flips) == ["firing", "firing", "resolved"]
        assert {one.run_id for one in flips} == {told[0]["links"]["run"].rsplit("/", 1)[1]}
        assert await review(at.database, at.alerting, at.now) == 0


async def test_a_rule_that_is_turned_off_and_on_again_looks_at_the_last_run(tmp_path: Path) -> None:
    off = policy(rules=[{"name": "BehaviourDrift", "off": True}])
    async with desk(tmp_path) as at:
        await ended(at, await add_endpoint(at.database))
        assert await at.sent() == ["ops firing BehaviourDrift"]
        await adopt(at, off)
        assert await at.sent() == ["ops resolved BehaviourDrift"]
        await adopt(at, policy())
        assert await at.sent() == ["ops firing BehaviourDrift"]


async def test_one_that_rested_when_it_was_turned_off_too(tmp_path: Path) -> None:
    off = policy(rules=[{"name": "BehaviourDrift", "off": True}])
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, **HARM)
        for _ in range(2):
            await at.run(prod)
        assert await at.states() == {"BehaviourDrift": "resolved"}
        await adopt(at, off)
        await ended(at, prod)
        await at.sent()
        await adopt(at, policy())
        assert await at.sent() == ["ops firing BehaviourDrift"]


async def test_the_budget_rule_turned_off_and_on_counts_the_slot_that_is_left_out_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        at.skips[prod.id] = Skip(slot="9", reason="budget_exhausted")
        await at.later(minutes=1)
        await adopt(at, policy(rules=[{"name": "BudgetExhausted", "off": True}]))
        assert await at.states() == {"BudgetExhausted": "resolved"}
        await adopt(at, policy())
        assert await at.states() == {"BudgetExhausted": "firing"}


async def identities(at: Desk, rule: str) -> list[dict[str, str]]:
    """What Alertmanager knows each notice of the rule by."""
    notices = [render.from_json(one) for one in await at.notices() if one["rule"] == rule]
    return [posted(one, {}, at.now)["labels"] for one in notices]


async def test_the_alert_of_a_removed_rule_ends_under_the_labels_that_it_was_told_with(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.alerting.adopt(chatty(0.2, labels={"team": "safety"}))
        prod = await add_endpoint(at.database)
        await at.run(prod, invalid_share=0.3, labels={"site": "here"})
        await at.sent()
        await adopt(at, policy())
        assert await at.sent() == ["ops resolved Chatty"]
        firing, resolved = await identities(at, "Chatty")
        assert firing == resolved
        assert (firing["team"], firing["site"]) == ("safety", "here")
        async with at.database.read() as session:
            row = await session.get_one(AlertRow, ("prod", "Chatty"))
        assert row.labels == {"team": "safety", "site": "here"}


async def test_one_whose_severity_and_labels_changed_while_it_fired_ends_for_those_who_know_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod = await add_endpoint(at.database)
        await at.run(prod, labels={"site": "here"}, **HARM)
        await adopt(at, policy(rules=[{"name": "BehaviourDrift", "severity": "warning", "labels": {"team": "x"}}]))
        await at.run(prod, labels={"site": "there"}, **HARM)
        for _ in range(2):
            await at.run(prod, labels={"site": "there"})
        firing, resolved = await identities(at, "BehaviourDrift")
        assert firing == resolved
        assert (firing["severity"], firing["site"]) == ("critical", "here")


async def test_what_was_pending_under_a_removed_rule_is_dropped(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.alerting.adopt(chatty(0.2, **{"for": {"runs": 2}}))
        await at.run(await add_endpoint(at.database), invalid_share=0.3)
        assert await at.states() == {"Chatty": "pending"}
        await adopt(at, policy())
        assert await at.states() == {}
        assert await at.sent() == []
        assert await at.ticker.tick() == 0


async def test_a_stored_notice_that_cannot_be_read_costs_no_verdict_and_no_message(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        prod, other = await add_endpoint(at.database), await add_endpoint(at.database, "other")
        for endpoint in (prod, other):
            await at.run(endpoint, **HARM)
        async with at.database.write() as session:
            await session.execute(update(DeliveryRow).values(notice={"of": "another version"}, state="delivered"))
            await session.execute(update(AlertRow).values(notice={"of": "another version"}))
        for _ in range(2):
            await at.run(prod)
        at.alerting.adopt(policy(notifiers={"chat": {"kind": "log"}}))
        await at.later(minutes=1)
        assert await at.sent() == ["chat firing BehaviourDrift", "ops resolved BehaviourDrift"]
