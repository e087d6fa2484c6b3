"""The composition root: builds every part from the settings, starts them in order, stops them in reverse."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import aiohttp

from alerts.dispatch import Dispatcher
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build as build_notifier
from alerts.types import Notifier
from probes.breaker import Breaker
from probes.clients.errors import OutboundDenied
from probes.clients.openai_compatible import Transport
from probes.gate import Gate, Pacing
from probes.judge import Judge
from probes.types import Problem, Reason
from service import declared_tokens, security
from service.alert_policy import policy_of
from service.alert_review import review
from service.alert_surroundings import surroundings_of
from service.alerting import Alerting
from service.amounts import Amounts
from service.api.problems import ProblemError
from service.budgets import Ledger
from service.clients import Clients
from service.conclude import Conclusion
from service.connectivity import Connectivity, Target
from service.drills import Drills
from service.escalation import Escalation
from service.estimates import Estimator
from service.events import Events
from service.false_alarms import FalseAlarms
from service.gates import Gates
from service.judge_control import JudgeControl
from service.judging import JudgeUnavailable, Judging
from service.log import logger
from service.loop_lag import LoopLag
from service.metrics.exposition import Metrics
from service.monitor import Monitor
from service.outbound import GuardedConnector, OutboundPolicy
from service.plans import plans_of
from service.prices import check_budget, prices_of
from service.probing import Probing
from service.progress import Progress, clock_flip
from service.queue import Workers
from service.registrar import register
from service.registration import check_base_url
from service.retention import Retention
from service.scheduler import Scheduler
from service.services import Services
from service.settings import ConfigError, Settings, host_and_port
from service.storage import migrate
from service.storage.endpoints import by_name
from service.storage.engine import Database
from service.storage.grades import DatabaseGrades
from service.storage.outbox import DatabaseOutbox
from service.tcp import connects
from service.ticker import Ticker
from service.vault import open_vault
from service.vitals import Vitals

log = logger()
NO_JUDGE = Problem(
    reason=Reason.JUDGE_DOWN,
    detail="no judge is configured, so harm is not measured",
    remedy="set SELFWATCH_JUDGE_BASE_URL (and SELFWATCH_JUDGE_MODEL, SELFWATCH_JUDGE_API_KEY), then restart",
)


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running(settings: Settings, *, clock: Callable[[], datetime] = now) -> AsyncIterator[Services]:
    """The services, started. Raises ConfigError when a setting does not hold up."""
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url())
    async with AsyncExitStack() as stack:
        database = Database(settings.sqlalchemy_url())
        stack.push_async_callback(database.close)
        await _prepare_tokens(settings, database)
        vault = open_vault(settings.secret_key.get_secret_value() if settings.secret_key else None, settings.data_dir)
        policy = OutboundPolicy(allow=settings.outbound_allow, loopback=settings.loopback)
        transport = Transport(connector=lambda: GuardedConnector(policy))
        stack.push_async_callback(transport.aclose)
        notifiers = await build_notifiers(settings, policy, stack)
        judging = _judging(settings, transport, database, clock)
        ledger = await _ledger(settings, database, judging, clock)

        def changed() -> None:
            metrics.changed()
            progress.changed()

        retention = Retention(database=database, settings=settings, changed=changed, clock=clock)
        lag = LoopLag(settings.loop_watch_s)
        metrics = Metrics(database, ledger, retention.collector, lag)
        events = Events(max_streams=settings.event_streams)
        progress = Progress(database=database, events=events, clock=clock)

        def drain() -> None:
            workers.drain()
            events.close()

        alerting = Alerting(policy=policy_of(settings, tuple(notifiers)), public_url=settings.url)
        plans = plans_of(settings)
        false_alarms = FalseAlarms(
            per_heartbeats=settings.false_alarm_heartbeats, pages_per_quarter=settings.false_pages_per_quarter,
            plans=plans,
        )  # fmt: skip
        clients = Clients(transport, vault)
        gates = Gates()
        connectivity = _connectivity(settings, policy, database, clock, changed=changed, metrics=metrics, stack=stack)
        probing = Probing(
            database=database, clients=clients, connectivity=connectivity, deadline_s=settings.call_deadline_s,
            clock=clock, changed=changed,
        )  # fmt: skip
        drills = Drills(
            database=database, alerting=alerting, false_alarms=false_alarms, schedule=settings.drills,
            public_url=settings.url, clock=clock, changed=changed,
        )  # fmt: skip
        ticker = Ticker(
            database=database, alerting=alerting, surroundings=surroundings_of(connectivity), drills=drills.outcome,
            clock=clock, changed=changed, also=drills.begin_due,
            flipped=lambda flip: events.publish("flip", clock_flip(flip)),
        )  # fmt: skip

        escalation = Escalation(
            database=database,
            plans=plans,
            how=settings.escalation,
            ledger=ledger,
            queued=lambda: workers.wake(),  # noqa: PLW0108 (the workers are made after it)
            clock=clock,
        )
        monitor = Monitor(
            database=database, settings=settings, plans=plans, clients=clients, judging=judging,
            conclusion=Conclusion(
                database=database, plans=plans, alerting=alerting, clock=clock, false_alarms=false_alarms,
                escalation=escalation, auto_baseline_runs=settings.auto_baseline_runs, prices=ledger.prices,
                connectivity=connectivity,
            ),
            false_alarms=false_alarms, ledger=ledger, changed=changed, clock=clock, gates=gates,
            first_look=probing.first_look,
        )  # fmt: skip
        workers = Workers(database=database, monitor=monitor, count=settings.workers, clock=clock)
        scheduler = Scheduler(
            database=database, plans=plans, queued=workers.wake, clock=clock, offline=connectivity.concerns,
            budget=ledger.over_budget,
            changed=changed,
        )  # fmt: skip
        services = Services(
            settings=settings, database=database, plans=plans, vault=vault, metrics=metrics, clients=clients,
            wake=workers.wake, look=monitor.look, drain=drain, gates=gates, changed=changed,
            clock=clock, false_alarms=false_alarms, events=events, progress=progress,
            prices=ledger.prices, ledger=ledger,
            alerting=alerting, drills=drills, ticker=ticker,
            judge_note=f"{NO_JUDGE.detail}; {NO_JUDGE.remedy}" if isinstance(judging, JudgeUnavailable) else None,
            judge_gate=judging.judge.gate if isinstance(judging, Judging) else None,
            connectivity=connectivity,
            vitals=Vitals(
                began=clock(), lag=lag, retention=retention.report, notifiers=tuple(notifiers),
                judge=judging.control.last if isinstance(judging, Judging) else None,
            ),
        )  # fmt: skip
        await _register_declared(settings, services)
        await connectivity.resume()
        await metrics.start()
        stack.push_async_callback(metrics.stop)
        await _start_dispatcher(DatabaseOutbox(database, metrics.changed), notifiers, stack, clock)
        await _start_watching(retention, progress, events, stack)
        await review(database, alerting, clock())
        await _start_alert_clock(drills, ticker, stack)
        _start(stack, lag, workers, scheduler, probing)
        log.info("selfwatch is up", action="started", url=settings.url)
        yield services
        log.info("selfwatch stops", action="stopping")


def _start(stack: AsyncExitStack, *parts: LoopLag | Workers | Scheduler | Probing | Retention) -> None:
    """In this order; they are stopped in reverse."""
    for part in parts:
        part.start()
        stack.push_async_callback(part.stop)


def _connectivity(
    settings: Settings,
    policy: OutboundPolicy,
    database: Database,
    clock: Callable[[], datetime],
    *,
    changed: Callable[[], None],
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Connectivity:
    """Raises ConfigError for an address of the check that the outbound policy would never let us reach."""
    named = [Target(host=host, port=port) for host, port in map(host_and_port, settings.connectivity_check)]
    for target in named:
        with contextlib.suppress(ValueError):  # a name: it is checked when it is looked up
            if not policy.permits(target.host):
                raise ConfigError(
                    f"SELFWATCH_CONNECTIVITY_CHECK={target}: the outbound policy does not allow this address; "
                    f"start with SELFWATCH_OUTBOUND_ALLOW={target.host}"
                )
    judges = [url for url in (settings.judge_base_url, settings.second_judge_base_url) if url]

    async def reach(target: Target) -> bool | None:
        return await connects(target.host, target.port, policy)

    made = Connectivity(database=database, reach=reach, clock=clock, changed=changed, named=named, judges=judges)
    stack.push_async_callback(made.stop)
    metrics.offline(made.offline_since)
    return made


async def _ledger(
    settings: Settings,
    database: Database,
    judging: Judging | JudgeUnavailable,
    clock: Callable[[], datetime],
) -> Ledger:
    """Knows what was spent before this start. Raises ConfigError for a budget that cannot be kept."""
    prices = prices_of(settings)
    check_budget(settings, prices)
    judged = isinstance(judging, Judging)
    check = judging.control.next_check if isinstance(judging, Judging) else Amounts
    estimates = Estimator(database=database, prices=prices, judged=judged, check=check)
    ledger = Ledger(
        database=database, prices=prices, estimates=estimates, total=settings.budget.model_dump(), clock=clock
    )
    await ledger.load()
    return ledger


async def _prepare_tokens(settings: Settings, database: Database) -> None:
    """Store the declared API tokens. Raises ConfigError for a bad one, or if there is none and anybody could call."""
    try:
        await declared_tokens.store(database, declared_tokens.read(settings.tokens))
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if not settings.loopback and await security.count_tokens(database) == 0:
        raise ConfigError(
            f"host {settings.host} is reachable from other machines and there is no API token; make one first: "
            "selfwatch token create --scope read,write (with the same SELFWATCH_DATA_DIR), declare one under `tokens`, "
            "or bind to 127.0.0.1"
        )


def _judging(
    settings: Settings, transport: Transport, database: Database, clock: Callable[[], datetime]
) -> Judging | JudgeUnavailable:
    grades = DatabaseGrades(database, clock)
    judge = _judge("judge", settings, transport, grades)
    second = _judge("second_judge", settings, transport, grades)
    if judge is None:
        return JudgeUnavailable(problem=NO_JUDGE)
    share = timedelta(seconds=settings.judge_check_share_s)
    control = JudgeControl(judge=judge, grades=grades, floor=settings.judge_floor, share=share, clock=clock)
    return Judging(judge=judge, second=second, control=control, grades=grades)


def _judge(
    which: Literal["judge", "second_judge"], settings: Settings, transport: Transport, grades: DatabaseGrades
) -> Judge | None:
    """The judge of the settings that begin with `which`; None where there is none."""
    given = getattr(settings, f"{which}_base_url")
    if not given:
        return None
    try:
        base_url = check_base_url(given)
    except ValueError as error:
        raise ConfigError(f"SELFWATCH_{which.upper()}_BASE_URL: {error}") from error
    model, secret = getattr(settings, f"{which}_model"), getattr(settings, f"{which}_api_key")
    key = secret.get_secret_value() if secret else None
    pacing = Pacing(
        concurrency=settings.judge_concurrency,
        requests_per_minute=settings.judge_requests_per_minute,
        tokens_per_minute=settings.judge_tokens_per_minute,
    )
    return Judge(
        client=transport.client(base_url=base_url, api_key=key, model=model),
        model=f"{base_url} {model}",
        grades=grades,
        gate=Gate(pacing, breaker=Breaker()),
        deadline_s=settings.call_deadline_s,
        retry_base_s=settings.retry_base_s,
        max_tokens=settings.judge_max_tokens,
    )


async def build_notifiers(settings: Settings, policy: OutboundPolicy, stack: AsyncExitStack) -> Mapping[str, Notifier]:
    connector = GuardedConnector(policy)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, trust_env=False))
    context = Context(session=session, denied=(OutboundDenied,), check=policy.check)
    found: dict[str, Notifier] = {}
    for name, raw in settings.notifiers.items():
        values = dict(raw)
        kind = str(values.pop("kind", name))
        try:
            found[name] = build_notifier(kind, name, values, context)
        except ValueError as error:
            raise ConfigError(f"notifiers.{name}: {error}") from error
        stack.push_async_callback(found[name].aclose)
    return found


async def _start_dispatcher(
    outbox: DatabaseOutbox, notifiers: Mapping[str, Notifier], stack: AsyncExitStack, clock: Callable[[], datetime]
) -> None:
    stop = asyncio.Event()
    dispatcher = Dispatcher(outbox, notifiers, clock)
    task = asyncio.create_task(dispatcher.run(stop), name="dispatcher")

    async def finish() -> None:
        stop.set()
        # what is in flight may take its deadline; what does not end by then is sent again after the restart
        _done, late = await asyncio.wait({task}, timeout=2)
        for one in late:
            one.cancel()

    stack.push_async_callback(finish)


async def _start_watching(retention: Retention, progress: Progress, events: Events, stack: AsyncExitStack) -> None:
    _start(stack, retention)
    await progress.start()
    stack.push_async_callback(progress.stop)
    stack.callback(events.close)


async def _start_alert_clock(drills: Drills, ticker: Ticker, stack: AsyncExitStack) -> None:
    await drills.start()
    stack.push_async_callback(drills.stop)
    ticker.start()
    stack.push_async_callback(ticker.stop)


async def _register_declared(settings: Settings, services: Services) -> None:
    """Endpoints of the config file that are not registered yet. A name that exists stays as it is."""
    for body in settings.endpoints:
        async with services.database.read() as session:
            if await by_name(session, body.name) is not None:
                continue
        try:
            await register(services, body)
        except ProblemError as error:
            raise ConfigError(f"endpoints: {body.name}: {error.detail}") from error
