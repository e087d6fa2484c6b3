"""What a run may cost, by the text and by what was measured."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from probes import registry
from probes.plans import PLANS, draw
from probes.types import Answer, Ask, Plan, Reason, Score, Selection, Unscored
from service import plan_report
from service.amounts import Amounts
from service.estimates import Estimator, Rate, estimate, rates
from service.prices import Prices
from service.settings import Price
from service.storage import answers as answer_store
from service.storage import runs as run_store
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from tests.support.database import NOW, add_endpoint, add_run, open_database

INTENTIONS = Plan(name="some", selections=(Selection(probe="intentions", questions=2),))
FLAT = Rate(requests=1, prompt_tokens=100, completion_tokens=10, judge_prompt_tokens=0, judge_completion_tokens=0)


def asks_of(plan: Plan) -> tuple[Ask, ...]:
    return draw(plan, seed=1, probe_of=registry.probe)


async def answered(database: Database, endpoint: EndpointRow, slot: str, answers: list[Answer], state: str) -> None:
    """A finished run, a minute younger than the one before."""
    async with database.read() as session:
        before = await session.scalar(select(func.count()).select_from(RunRow))
    at = NOW + timedelta(minutes=before or 0)
    await add_run(database, endpoint, slot, at)
    async with database.write() as session:
        run = await run_store.claim(session, at)
    assert run is not None
    async with database.write() as session:
        await answer_store.store_answers(session, run, answers, NOW)
    async with database.write() as session:
        row = await session.get_one(RunRow, run.id)
        row.state, row.finished_at, row.lease = state, NOW, None


def answer(ask: Ask, **changes: Any) -> Answer:
    made: dict[str, Any] = {"outcome": Score(value=0.0, scorer="x"), "latency_s": 0.1}
    made |= {"prompt_tokens": 50, "completion_tokens": 2} | changes
    return Answer(item_id=ask.item.id, cell=ask.item.cell, repeat=ask.repeat, **made)


def test_by_the_text_it_is_what_the_plan_report_says() -> None:
    for plan in PLANS.values():
        found = estimate(asks_of(plan), plan, {})
        lines = plan_report.report(plan).lines
        assert found.basis == "plan"
        assert found.amounts.requests == sum(line.calls + line.judge_calls for line in lines)
        assert found.amounts.judge_prompt_tokens == pytest.approx(
            sum(line.judge_prompt_tokens for line in lines), rel=0.05
        )


def test_what_was_measured_goes_before_the_text() -> None:
    asks = asks_of(INTENTIONS)
    found = estimate(asks, INTENTIONS, {("intentions", asks[0].item.method): FLAT})
    assert (found.basis, found.amounts.prompt_tokens, found.amounts.tokens) == ("measured", 12 * 100, 12 * 110)


def test_a_kind_that_was_not_measured_is_read_from_the_text() -> None:
    asks = asks_of(PLANS["heartbeat"])
    found = estimate(asks, PLANS["heartbeat"], {("intentions", ""): FLAT})
    assert found.basis in ("mixed", "plan")
    assert estimate(asks[:20], PLANS["heartbeat"], {}).amounts.tokens < found.amounts.tokens


def test_nothing_left_to_ask_costs_nothing() -> None:
    assert estimate([], INTENTIONS, {}).amounts == Amounts()


async def test_rates_are_means_over_the_last_finished_runs(tmp_path: Path) -> None:
    asks = asks_of(INTENTIONS)
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await answered(database, endpoint, "old", [answer(a, prompt_tokens=9_000) for a in asks], "succeeded")
        for slot in ("a", "b", "c"):
            await answered(database, endpoint, slot, [answer(a) for a in asks], "partial")
        await answered(database, endpoint, "failed", [answer(a, prompt_tokens=7_000) for a in asks], "failed")
        async with database.read() as session:
            found = await rates(session, endpoint.id)
        (rate,) = found.values()
        assert (rate.requests, rate.prompt_tokens, rate.completion_tokens) == (1, 50, 2)


async def test_a_saved_asking_makes_the_others_cheaper_and_a_failed_call_does_not(tmp_path: Path) -> None:
    asks = asks_of(INTENTIONS)
    down = Unscored(reason=Reason.UNREACHABLE)
    answers = [answer(a, saved=1) for a in asks[:6]]
    answers += [answer(a, outcome=down, latency_s=None, prompt_tokens=0, completion_tokens=0) for a in asks[6:]]
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await answered(database, endpoint, "a", answers, "partial")
        async with database.read() as session:
            (rate,) = (await rates(session, endpoint.id)).values()
        assert (rate.requests, rate.prompt_tokens) == (0.5, 25)


async def test_a_handful_of_answers_is_no_measurement(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        await answered(database, endpoint, "a", [answer(a) for a in asks_of(INTENTIONS)[:4]], "partial")
        async with database.read() as session:
            assert await rates(session, endpoint.id) == {}


async def test_the_check_of_the_judge_is_added_where_the_judge_is_needed(tmp_path: Path) -> None:
    prices = Prices({"m": Price(prompt=1, completion=1), "j": Price(prompt=2, completion=2)}, ["j"])
    check = Amounts(requests=40, judge_prompt_tokens=1_000_000)
    heartbeat = PLANS["heartbeat"]
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        with_check = Estimator(database=database, prices=prices, judged=True, check=lambda: check)
        shared = Estimator(database=database, prices=prices, judged=True)
        none = Estimator(database=database, prices=prices, judged=False, check=lambda: check)
        full, part, unjudged = [(await one.of(endpoint, heartbeat)).amounts for one in (with_check, shared, none)]
        assert full.requests == part.requests + 40
        assert (full.usd or 0) - (part.usd or 0) == pytest.approx(2.0)
        assert unjudged.judge_prompt_tokens == 0
        assert unjudged.requests == 30, "what needs a judge is not asked without one"
        plain = (await with_check.of(endpoint, INTENTIONS)).amounts
        assert plain.judge_prompt_tokens == 0


async def test_a_longer_reply_that_was_registered_is_expected(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        endpoint = await add_endpoint(database)
        estimator = Estimator(database=database, prices=Prices({}), judged=True)
        usual = (await estimator.of(endpoint, PLANS["heartbeat"])).amounts
        endpoint.sampling = {"max_tokens": 1_000}
        longer = (await estimator.of(endpoint, PLANS["heartbeat"])).amounts
        assert longer.completion_tokens - usual.completion_tokens == 16 * (1_000 - 256)
        assert longer.usd is None
