"""What becomes of alerts when rules are edited, turned off and on, and removed."""

from pathlib import Path

from sqlalchemy import select

from alerts.types import Skip
from baselines.serialize import comparison_to_json
from baselines.types import Arm, Comparison, Verdict
from service.alert_policy import Policy
from service.alert_review import review
from service.storage.schema import EndpointRow, FlipRow, RunRow
from tests.support.database import add_endpoint, add_run
from tests.support.desk import HARM, Desk, desk, policy
from tests.unit.alerts.facts import arm

SEEN = Comparison(
    profiles="gpt-4.1/all", arms={one: arm(alarm=one is Arm.BEHAVIOUR, n=80, invalid=40) for one in Arm},
    nearest_profile=None, distances={}, off_axis=None,
)  # fmt: skip
"""Behaviour has moved, and a third of the answers have no score."""


def chatty(above: float) -> Policy:
    """A rule of the users' own, about the answers without a score."""
    rule = {"name": "Chatty", "when": [{"metric": "invalid_share", "above": above}], "resolve_runs": 1}
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
