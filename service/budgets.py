"""What has been spent, what is under way, and whether a run, or one more call of it, may be afforded."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import product
from typing import Any

from sqlalchemy import JSON, func, type_coerce, update

from probes.types import Answer, Ask, CallError, Client, Message, Plan, Problem, Reason, Reply, Sampling
from probes.usage import usage_of
from service.amounts import Amounts, of_answers, of_grade
from service.estimates import Estimate, Estimator
from service.judge_control import Checked
from service.limits import PERIODS, UNITS, Limit, first_day, in_unit, limits_in, reached, resets_at, would_exceed
from service.prices import Prices, unpriced
from service.storage import spending
from service.storage.engine import Database
from service.storage.schema import EndpointRow, RunRow
from service.storage.spending import TOTAL


class Meter:
    """Of one run: what it may take, has taken, and has under way. Made by `Ledger.open`."""

    def __init__(self, ledger: "Ledger", run: RunRow) -> None:
        self._ledger = ledger
        self.run = run
        self.model = ""
        self.limits: tuple[Limit, ...] = ()
        self.estimate = Estimate(amounts=Amounts(), basis="plan")
        self.asks = 0
        self.spent = Amounts()
        self._begun = 0
        self._settled = 0

    @property
    def scopes(self) -> tuple[int, int]:
        return (TOTAL, self.run.endpoint_id)

    async def admit(self, endpoint: EndpointRow, plan: Plan, asks: Sequence[Ask]) -> None:
        """Set aside what the run may take; its estimate is kept with it. Raises CallError(BUDGET_EXHAUSTED)."""
        await self._ledger.admit(self, endpoint, plan, asks)

    def check(self) -> None:
        """To be called before each call. Raises CallError(BUDGET_EXHAUSTED) once a limit is reached."""
        self._ledger.check(self)
        self._begun += 1

    def around(self, client: Client) -> Client:
        """The client, with every reply counted as it comes back: before it is scored, and before the next call."""
        return MeteredClient(self, client)

    def back(self, messages: Sequence[Message], reply: Reply | None) -> None:
        """A call is over; without a reply, it failed."""
        self._settled += 1
        if reply is not None:
            taken = usage_of(messages, reply)
            self._count(Amounts(prompt_tokens=taken.prompt, completion_tokens=taken.completion))

    def add_judged(self, answer: Answer) -> None:
        """An answer has its score: what the judge took for it. Its own call was counted when it came back."""
        self._count(of_grade(answer))

    def add_check(self, check: Checked) -> None:
        """The judge was checked, and not for another run."""
        if not check.shared:
            self._count(self._ledger.prices.of_check(self.model, check.examination))

    def priced(self, new: Sequence[Answer], graded: Sequence[Answer] = ()) -> Amounts:
        """What new answers took, and the judge for grades of older ones, at the model's price."""
        taken = of_answers(new) + sum((of_grade(answer) for answer in graded), Amounts())
        return self._ledger.prices.priced(self.model, taken)

    def reserved(self, unit: str) -> float:
        """Of the estimate, what has not been spent."""
        return max(in_unit(self.estimate.amounts, unit) - in_unit(self.spent, unit), 0.0)

    def under_way(self, unit: str) -> float:
        """What the calls that are out will take, if they are like those that are back."""
        out = max(self._begun - self._settled, 0)
        if not out:
            return 0.0
        if self._settled:
            return out * in_unit(self.spent, unit) / self._settled
        return out * in_unit(self.estimate.amounts, unit) / max(self.asks, 1)

    def _count(self, amounts: Amounts) -> None:
        priced = self._ledger.prices.priced(self.model, amounts)
        self.spent += priced
        self._ledger.count(self, priced)


class MeteredClient:
    """A client whose calls a meter sees."""

    def __init__(self, meter: Meter, client: Client) -> None:
        self._meter = meter
        self._client = client

    async def ask(self, messages: Sequence[Message], *, sampling: Sampling, deadline_s: float) -> Reply:
        reply = None
        try:
            reply = await self._client.ask(messages, sampling=sampling, deadline_s=deadline_s)
        finally:
            self._meter.back(messages, reply)
        return reply

    async def aclose(self) -> None:
        await self._client.aclose()


class Ledger:
    """One for the process. Its sums are those of the table `spending`, and of what is about to be written there."""

    def __init__(
        self,
        *,
        database: Database,
        prices: Prices,
        estimates: Estimator,
        total: Mapping[str, Any],
        clock: Callable[[], datetime],
    ) -> None:
        self.prices = prices
        self._database = database
        self._estimates = estimates
        self._total = total
        self._clock = clock
        self._day = spending.utc_day(clock())
        self._sums: dict[tuple[int, str, str], float] = {}
        self._open: set[Meter] = set()
        self._lock = asyncio.Lock()

    def turn(self) -> date:
        """The UTC day. When it has turned, the sums of the day, or of day and month, begin anew."""
        day = spending.utc_day(self._clock())
        if day != self._day:
            for period in PERIODS:
                if first_day(period, day) != first_day(period, self._day):
                    self._sums = {key: value for key, value in self._sums.items() if key[1] != period}
            self._day = day
        return day

    async def load(self) -> None:
        """Read what was spent. Skipped while runs are under way: then the table lags behind what is known here."""
        day = self.turn()
        async with self._database.read() as session:
            found = {period: await spending.since(session, first_day(period, day)) for period in PERIODS}
        if self._open or day != self.turn():
            return
        self._sums = {
            (scope, period, unit): float(getattr(spent, unit))
            for period, scopes in found.items()
            for scope, spent in scopes.items()
            for unit in UNITS
        }

    @contextmanager
    def open(self, run: RunRow) -> Iterator[Meter]:
        """The meter of a run. What it has set aside is free again at the end."""
        meter = Meter(self, run)
        try:
            yield meter
        finally:
            self._open.discard(meter)

    async def admit(self, meter: Meter, endpoint: EndpointRow, plan: Plan, asks: Sequence[Ask]) -> None:
        """As `Meter.admit`."""
        meter.model, meter.asks = endpoint.model, len(asks)
        if not asks:
            return
        self._open.discard(meter)  # it may be tried again
        async with self._lock:  # of two runs that begin at once, the second sees what the first has set aside
            await self.load()
            estimate = await self._estimates.of(endpoint, plan, asks)
            problem = self._refused(endpoint, estimate)
            if problem is None:
                meter.limits, meter.estimate = self._limits(endpoint), estimate
                self._open.add(meter)
        stored = type_coerce(estimate.to_json(), JSON)
        async with self._database.write() as session:  # a run that is resumed keeps its first one: that of the whole
            first = update(RunRow).where(RunRow.id == meter.run.id, RunRow.lease == meter.run.lease)
            await session.execute(first.values(estimate=func.coalesce(RunRow.estimate, stored)))
        if problem is not None:
            raise CallError(problem, sent=False)

    async def refusal(self, endpoint: EndpointRow, plan: Plan, asks: Sequence[Ask] | None = None) -> Problem | None:
        """Why a run of the plan could not be afforded now; None when it can. Sets nothing aside and makes no call."""
        return (await self.foresee(endpoint, plan, asks))[1]

    async def foresee(
        self, endpoint: EndpointRow, plan: Plan, asks: Sequence[Ask] | None = None
    ) -> tuple[Estimate, Problem | None]:
        """What a run of the plan may take, and why it could not be afforded now. As `refusal`."""
        async with self._lock:
            await self.load()
            estimate = await self._estimates.of(endpoint, plan, asks)
            return estimate, self._refused(endpoint, estimate)

    async def over_budget(self, endpoint: EndpointRow, plan: Plan) -> bool:
        """Whether a run of the plan could not be afforded now. Cheap where there is no limit."""
        return bool(self._limits(endpoint)) and await self.refusal(endpoint, plan) is not None

    def check(self, meter: Meter) -> None:
        """Raises CallError(BUDGET_EXHAUSTED) when what is spent and what is under way reach a limit of the run."""
        if not meter.limits:
            return
        day = self.turn()
        for limit in meter.limits:
            out = sum(one.under_way(limit.unit) for one in self._open if limit.scope in one.scopes)
            spent = self._spent(limit) + out
            if spent >= limit.amount:
                raise CallError(reached(limit, spent=spent, day=day), sent=False)

    def count(self, meter: Meter, amounts: Amounts) -> None:
        """Add what a run has spent to its endpoint and to the whole."""
        self.turn()
        for key in product(meter.scopes, PERIODS, UNITS):
            self._sums[key] = self._sums.get(key, 0.0) + in_unit(amounts, key[2])

    def forget(self, endpoint_id: int) -> None:
        """An endpoint was deleted. The sums of the whole stay."""
        self._sums = {key: value for key, value in self._sums.items() if key[0] != endpoint_id}

    def standing(self, endpoint: EndpointRow) -> dict[str, Any]:
        """The endpoint's `budget`: by period and unit limit, spent, reserved, left, overrun, and when it resets."""
        return self.standing_of(endpoint.id, endpoint.limits)

    def spent(self, scope: int, period: str, unit: str) -> float:
        """What a scope has spent in the period that is going on."""
        self.turn()
        return self._sums.get((scope, period, unit), 0.0)

    def total(self) -> dict[str, Any]:
        """The same for the whole installation."""
        return self.standing_of(TOTAL, self._total)

    def seconds_to_reset(self) -> float:
        """Until the next midnight UTC."""
        return max((resets_at("day", self.turn()) - self._clock()).total_seconds(), 0.0)

    def _limits(self, endpoint: EndpointRow) -> tuple[Limit, ...]:
        return (
            *limits_in(endpoint.limits, scope=endpoint.id, where="limits"),
            *limits_in(self._total, scope=TOTAL, where="budget"),
        )

    def _refused(self, endpoint: EndpointRow, estimate: Estimate) -> Problem | None:
        for given, where in ((endpoint.limits, "limits"), (self._total, "budget")):
            if (why := unpriced(self.prices.missing(endpoint.model), given, where)) is not None:
                what, remedy = why.split("; ", maxsplit=1)
                return Problem(reason=Reason.BUDGET_EXHAUSTED, detail=what, remedy=remedy)
        for limit in self._limits(endpoint):
            needed = in_unit(estimate.amounts, limit.unit)
            reserved = self._reserved(limit.scope, limit.unit)
            left = limit.amount - self._spent(limit) - reserved
            if left <= 0 or needed > left:
                return would_exceed(
                    limit, needed=needed, left=left, reserved=reserved, basis=estimate.basis, day=self.turn()
                )
        return None

    def _spent(self, limit: Limit) -> float:
        return self._sums.get((limit.scope, limit.period, limit.unit), 0.0)

    def _reserved(self, scope: int, unit: str) -> float:
        return sum(meter.reserved(unit) for meter in self._open if scope in meter.scopes)

    def standing_of(self, scope: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """The same of a scope whose limits are `given`."""
        day = self.turn()
        return {
            period: {
                **{unit: self._figures(scope, period, unit, given.get(f"{unit}_per_{period}")) for unit in UNITS},
                "resets_at": resets_at(period, day).isoformat().replace("+00:00", "Z"),
            }
            for period in PERIODS
        }

    def _figures(self, scope: int, period: str, unit: str, limit: float | None) -> dict[str, float | None]:
        spent = self._sums.get((scope, period, unit), 0.0)
        reserved = self._reserved(scope, unit)
        found = {
            "limit": limit,
            "spent": spent,
            "reserved": reserved,
            "left": None if limit is None else max(limit - spent - reserved, 0.0),
            "overrun": 0.0 if limit is None else max(spent - limit, 0.0),
        }
        if unit == "tokens":
            return {name: None if value is None else round(value) for name, value in found.items()}
        return {name: None if value is None else round(value, 6) for name, value in found.items()}
