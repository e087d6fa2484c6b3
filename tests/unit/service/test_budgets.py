"""The ledger: midnight, month's end, reservations, calls under way, resumed runs. A real table, a clock of ours."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from probes import registry
from probes.anchors import Examination
from probes.plans import draw
from probes.types import Answer, Ask, CallError, Message, Plan, Problem, Reason, Reply, Sampling, Score, Selection
from service import plan_report
from service.amounts import Amounts
from service.budgets import Ledger, Meter
from service.estimates import Estimator
from service.judge_control import Checked
from service.prices import Prices
from service.settings import Price
from service.storage import spending
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from tests.support.clock import Clock
from tests.support.database import add_endpoint, add_run, open_database

EVENING = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
PLAN = Plan(name="some", selections=(Selection(probe="intentions", questions=4),))
ASKS = draw(PLAN, seed=1, probe_of=registry.probe)
EXPECTED = plan_report.amounts_of(ASKS, PLAN).tokens
PRICES = Prices({"m": Price(prompt=1.0, completion=0.0), "j": Price(prompt=2.0, completion=0.0)}, ["j"])
HELLO = (Message(role="user", content="hello"),)


class Model:
    """Tells so many tokens a call; fails when told to."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.failing = False

    async def ask(self, messages: Sequence[Message], *, sampling: Sampling, deadline_s: float) -> Reply:
        if self.failing:
            raise CallError(Problem(reason=Reason.SERVER_ERROR, detail="boom", remedy="wait"))
        return Reply(text="A", latency_s=0.0, prompt_tokens=self.tokens, completion_tokens=0)

    async def aclose(self) -> None:
        return None


class Bench:
    """A ledger over a database, and endpoints with limits."""

    def __init__(self, database: Database, clock: Clock, total: dict[str, Any]) -> None:
        self.database = database
        self.clock = clock
        self.total = total
        self.ledger = self.restarted()

    def restarted(self) -> Ledger:
        estimates = Estimator(database=self.database, prices=PRICES, judged=True)
        return Ledger(
            database=self.database, prices=PRICES, estimates=estimates, total=self.total, clock=self.clock
        )  # fmt: skip

    async def endpoint(self, name: str = "prod", **limits: float) -> EndpointRow:
        row = await add_endpoint(self.database, name)
        row.limits = limits
        return row

    async def run(self, endpoint: EndpointRow, slot: str = "s") -> RunRow:
        return await add_run(self.database, endpoint, slot, self.clock())

    async def spent(self, endpoint: EndpointRow, tokens: int, slot: str = "before") -> None:
        """As stored by a run that has ended."""
        run = await self.run(endpoint, slot)
        async with self.database.write() as session:
            await spending.add(session, run, Amounts(prompt_tokens=tokens, usd=tokens / 1e6), self.clock())


@asynccontextmanager
async def bench(folder: Path, at: datetime = EVENING, **total: float) -> AsyncIterator[Bench]:
    async with open_database(folder) as database:
        yield Bench(database, Clock(at), total)


async def call(meter: Meter, model: Model) -> None:
    meter.check()
    await meter.around(model).ask(HELLO, sampling=Sampling(), deadline_s=1)


async def refused(meter: Meter, endpoint: EndpointRow, asks: Sequence[Ask] = ASKS) -> Problem | None:
    try:
        await meter.admit(endpoint, PLAN, asks)
    except CallError as error:
        return error.problem
    return None


async def test_a_run_that_fits_is_admitted_and_one_token_less_refuses_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        run = await b.run(endpoint)
        with b.ledger.open(run) as meter:
            assert await refused(meter, endpoint) is None
        endpoint.limits = {"tokens_per_day": EXPECTED - 1}
        with b.ledger.open(run) as meter:
            problem = await refused(meter, endpoint)
            assert problem is not None
            assert problem.reason is Reason.BUDGET_EXHAUSTED
            assert f"it may take {EXPECTED:,} tokens" in problem.detail


async def test_refusal_tells_the_same_and_sets_nothing_aside(tmp_path: Path) -> None:
    """What the scheduler asks before it queues a run."""
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=2 * EXPECTED)
        assert await b.ledger.refusal(endpoint, PLAN) is None
        assert await b.ledger.refusal(endpoint, PLAN) is None
        assert b.ledger.standing(endpoint)["day"]["tokens"]["reserved"] == 0
        await b.spent(endpoint, 2 * EXPECTED)
        problem = await b.ledger.refusal(endpoint, PLAN)
        assert problem is not None
        assert "0 of the" in problem.detail


async def test_two_that_begin_at_once_share_the_remainder(tmp_path: Path) -> None:
    async with bench(tmp_path, tokens_per_day=2 * EXPECTED - 1) as b:
        one, two = await b.endpoint("one"), await b.endpoint("two")
        with b.ledger.open(await b.run(one)) as first, b.ledger.open(await b.run(two)) as second:
            assert await refused(first, one) is None
            problem = await refused(second, two)
            assert problem is not None
            assert f"({EXPECTED:,} more are set aside for runs under way)" in problem.detail
            assert b.ledger.total()["day"]["tokens"]["reserved"] == EXPECTED
        assert b.ledger.total()["day"]["tokens"]["reserved"] == 0
        with b.ledger.open(await b.run(two, "later")) as third:
            assert await refused(third, two) is None


async def test_what_is_set_aside_shrinks_by_what_is_spent(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=10 * EXPECTED)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            await call(meter, Model(100))
            tokens = b.ledger.standing(endpoint)["day"]["tokens"]
            assert (tokens["spent"], tokens["reserved"]) == (100, EXPECTED - 100)
            assert tokens["left"] == 10 * EXPECTED - EXPECTED
            await call(meter, Model(2 * EXPECTED))
            assert b.ledger.standing(endpoint)["day"]["tokens"]["reserved"] == 0


async def test_a_run_that_is_tried_again_does_not_count_against_itself(tmp_path: Path) -> None:
    """The database may have been away when it was first admitted."""
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        with b.ledger.open(await b.run(endpoint)) as meter:
            assert await refused(meter, endpoint) is None
            assert await refused(meter, endpoint) is None


async def test_calls_stop_when_the_limit_is_reached(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED + 50)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            await call(meter, Model(EXPECTED + 49))
            await call(meter, Model(1))
            with pytest.raises(CallError, match=r"tokens of limits\.tokens_per_day are used today") as caught:
                await call(meter, Model(1))
            assert caught.value.sent is False
            assert not caught.value.retryable


async def test_calls_under_way_count_as_if_they_were_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            a_call = EXPECTED // 4
            await call(meter, Model(a_call))
            for _ in range(3):  # out, and not back
                meter.check()
            with pytest.raises(CallError, match="with what is under way"):
                meter.check()
            assert b.ledger.standing(endpoint)["day"]["tokens"]["spent"] == a_call


async def test_a_call_that_fails_is_under_way_no_longer_and_costs_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        model = Model(EXPECTED // 3)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            await call(meter, model)
            model.failing = True
            for _ in range(20):
                with pytest.raises(CallError, match="boom"):
                    await call(meter, model)
            model.failing = False
            await call(meter, model)
            assert meter.spent.tokens == 2 * (EXPECTED // 3)


async def test_without_a_limit_nothing_is_refused_and_all_is_counted(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint()
        with b.ledger.open(await b.run(endpoint)) as meter:
            assert await refused(meter, endpoint) is None
            for _ in range(3):
                await call(meter, Model(10**9))
        tokens = b.ledger.standing(endpoint)["day"]["tokens"]
        assert tokens == {"limit": None, "spent": 3 * 10**9, "reserved": 0, "left": None, "overrun": 0}


async def test_the_judges_share_counts_and_a_shared_check_does_not(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(usd_per_day=1.0)
        item = ASKS[0].item
        graded = Answer(
            item_id=item.id, cell=item.cell, repeat=0, outcome=Score(value=0.0, scorer="judge"), prompt_tokens=999,
            judge_attempts=1, judge_prompt_tokens=100_000,
        )  # fmt: skip
        found = Examination(agreement=1.0, bias=0.0, graded=40, total=40, attempts=40, prompt_tokens=50_000)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            meter.add_judged(graded)
            check = Checked(examination=found, problem=None, at=b.clock())
            meter.add_check(check)
            meter.add_check(replace(check, shared=True))
            day = b.ledger.standing(endpoint)["day"]
            assert (day["tokens"]["spent"], day["usd"]["spent"]) == (150_000, 0.3)
            priced = meter.priced([], [graded])
            assert (priced.requests, priced.prompt_tokens, priced.usd) == (1, 0, 0.2)


async def test_at_midnight_the_day_begins_anew_and_at_months_end_the_month(tmp_path: Path) -> None:
    async with bench(tmp_path, datetime(2026, 11, 29, 23, 0, tzinfo=UTC)) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED, tokens_per_month=3 * EXPECTED)
        await b.spent(endpoint, EXPECTED)
        assert await b.ledger.refusal(endpoint, PLAN) is not None
        b.clock.passes(hours=1)  # 30 November
        assert await b.ledger.refusal(endpoint, PLAN) is None
        await b.spent(endpoint, EXPECTED + 1, "next")
        problem = await b.ledger.refusal(endpoint, PLAN)
        assert problem is not None
        standing = b.ledger.standing(endpoint)
        assert (standing["day"]["tokens"]["spent"], standing["month"]["tokens"]["spent"]) == (
            EXPECTED + 1, 2 * EXPECTED + 1,
        )  # fmt: skip
        assert standing["day"]["tokens"]["overrun"] == 1
        b.clock.passes(hours=24)  # 1 December
        assert await b.ledger.refusal(endpoint, PLAN) is None
        assert b.ledger.standing(endpoint)["month"]["tokens"]["spent"] == 0


async def test_a_run_over_midnight_spends_on_the_new_day(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        with b.ledger.open(await b.run(endpoint)) as meter:
            await meter.admit(endpoint, PLAN, ASKS)
            await call(meter, Model(EXPECTED))
            with pytest.raises(CallError):
                meter.check()
            b.clock.passes(hours=1)
            assert b.ledger.seconds_to_reset() == 24 * 3600
            await call(meter, Model(7))
            standing = b.ledger.standing(endpoint)
            assert standing["day"]["tokens"]["spent"] == standing["month"]["tokens"]["spent"] == 7


async def test_a_clock_that_is_set_back_finds_what_was_spent_then(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        await b.spent(endpoint, EXPECTED)
        assert await b.ledger.refusal(endpoint, PLAN) is not None
        b.clock.passes(days=1)
        assert await b.ledger.refusal(endpoint, PLAN) is None
        b.clock.passes(days=-1)
        assert await b.ledger.refusal(endpoint, PLAN) is not None


async def test_after_a_restart_the_table_tells_what_was_spent(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        await b.spent(endpoint, 5)
        again = b.restarted()
        assert again.standing(endpoint)["day"]["tokens"]["spent"] == 0, "not read yet"
        await again.load()
        assert again.standing(endpoint)["day"]["tokens"]["spent"] == 5
        assert again.total()["month"]["tokens"]["spent"] == 5


async def test_while_runs_are_under_way_the_table_is_not_read_over_what_is_known(tmp_path: Path) -> None:
    """An answer counts from the moment it is back; the table has it only after its commit."""
    async with bench(tmp_path) as b:
        one, two = await b.endpoint("one"), await b.endpoint("two")
        with b.ledger.open(await b.run(one)) as meter:
            await meter.admit(one, PLAN, ASKS)
            await call(meter, Model(123))
            with b.ledger.open(await b.run(two)) as other:
                await other.admit(two, PLAN, ASKS)
            assert b.ledger.total()["day"]["tokens"]["spent"] == 123


async def test_a_resumed_run_needs_only_what_is_left_of_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(tokens_per_day=EXPECTED)
        await b.spent(endpoint, EXPECTED // 2)
        run = await b.run(endpoint)
        with b.ledger.open(run) as meter:
            assert await refused(meter, endpoint) is not None
        with b.ledger.open(run) as meter:
            assert await refused(meter, endpoint, ASKS[len(ASKS) // 2 + 1 :]) is None
        with b.ledger.open(run) as meter:
            endpoint.limits = {"tokens_per_day": 1}
            assert await refused(meter, endpoint, ()) is None, "nothing is left to ask"


async def test_a_deleted_endpoint_is_forgotten_and_the_total_is_not(tmp_path: Path) -> None:
    async with bench(tmp_path, tokens_per_day=EXPECTED) as b:
        endpoint = await b.endpoint()
        await b.spent(endpoint, EXPECTED)
        await b.ledger.load()
        b.ledger.forget(endpoint.id)
        assert b.ledger.standing(endpoint)["day"]["tokens"]["spent"] == 0
        assert b.ledger.total()["day"]["tokens"]["spent"] == EXPECTED


async def test_an_endpoint_whose_price_is_gone_is_not_asked(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        endpoint = await b.endpoint(usd_per_day=100)
        endpoint.model = "unpriced"
        problem = await b.ledger.refusal(endpoint, PLAN)
        assert problem is not None
        assert problem.detail == "limits.usd_per_day cannot be kept, since prices.unpriced is not set"
        assert problem.remedy.startswith("add it to the settings")
