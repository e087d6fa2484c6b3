"""The composition root: builds every part from the settings, starts them in order, stops them in reverse."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import aiohttp

from alerts.dispatch import Dispatcher
from alerts.notifiers.base import Context
from alerts.notifiers.registry import build as build_notifier
from alerts.rules import RULES
from alerts.types import Notifier
from probes.clients.errors import OutboundDenied
from probes.clients.openai_compatible import Transport
from probes.judge import Judge
from probes.plans import PLANS
from probes.types import Client, Plan, Problem, Reason
from service import keys, security
from service.alerting import Alerting
from service.api.endpoints import register
from service.api.problems import ProblemError
from service.conclude import Conclusion
from service.log import logger
from service.metrics import Metrics
from service.monitor import JudgeUnavailable, Monitor
from service.outbound import GuardedConnector, OutboundPolicy
from service.queue import Workers
from service.registration import check_base_url
from service.scheduler import Scheduler
from service.services import Services
from service.settings import ConfigError, Settings
from service.storage import migrate
from service.storage.endpoints import by_name
from service.storage.engine import Database
from service.storage.outbox import DatabaseOutbox
from service.storage.schema import EndpointRow
from service.vault import Vault, open_vault

log = logger()
NO_JUDGE = Problem(
    reason=Reason.JUDGE_DOWN,
    detail="no judge is configured, so harm is not measured",
    remedy="set SELFWATCH_JUDGE_BASE_URL (and SELFWATCH_JUDGE_MODEL, SELFWATCH_JUDGE_API_KEY), then restart",
)


def now() -> datetime:
    return datetime.now(UTC)


def plans_of(settings: Settings) -> dict[str, Plan]:
    """The shipped plans and the user's own, which may replace them."""
    return {**PLANS, **{name: plan.plan(name) for name, plan in settings.plans.items()}}


@asynccontextmanager
async def running(settings: Settings, *, clock: Callable[[], datetime] = now) -> AsyncIterator[Services]:
    """The services, started. Raises ConfigError when a setting does not hold up."""
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url())
    async with AsyncExitStack() as stack:
        database = Database(settings.sqlalchemy_url())
        stack.push_async_callback(database.close)
        await _refuse_open_bind(settings, database)
        vault = open_vault(settings.secret_key.get_secret_value() if settings.secret_key else None, settings.data_dir)
        policy = OutboundPolicy(allow=settings.outbound_allow, loopback=settings.loopback)
        transport = Transport(connector=lambda: GuardedConnector(policy))
        stack.push_async_callback(transport.aclose)
        notifiers = await build_notifiers(settings, policy, stack)
        judge = _judge(settings, transport)
        metrics = Metrics(database)
        alerting = Alerting(rules=RULES, notifiers=tuple(notifiers), public_url=settings.url)
        plans = plans_of(settings)
        client_of = _client_factory(transport, vault)
        monitor = Monitor(
            database=database, settings=settings, plans=plans, client_of=client_of, judge=judge,
            conclusion=Conclusion(
                database=database, plans=plans, alerting=alerting, clock=clock,
                auto_baseline_runs=settings.auto_baseline_runs,
            ),
            changed=metrics.changed,
        )  # fmt: skip
        workers = Workers(database=database, monitor=monitor, count=settings.workers, clock=clock)
        scheduler = Scheduler(database=database, plans=plans, queued=workers.wake, clock=clock)
        services = Services(
            settings=settings, database=database, plans=plans, vault=vault, metrics=metrics, client_of=client_of,
            wake=workers.wake, changed=metrics.changed, clock=clock,
            judge_note=f"{NO_JUDGE.detail}; {NO_JUDGE.remedy}" if isinstance(judge, JudgeUnavailable) else None,
        )  # fmt: skip
        await _register_declared(settings, services)
        await metrics.start()
        stack.push_async_callback(metrics.stop)
        await _start_dispatcher(DatabaseOutbox(database, metrics.changed), notifiers, stack)
        workers.start()
        stack.push_async_callback(workers.stop)
        scheduler.start()
        stack.push_async_callback(scheduler.stop)
        log.info("selfwatch is up", action="started", url=settings.url)
        yield services
        log.info("selfwatch stops", action="stopping")


async def _refuse_open_bind(settings: Settings, database: Database) -> None:
    if not settings.loopback and await security.count_tokens(database) == 0:
        raise ConfigError(
            f"host {settings.host} is reachable from other machines and there is no API token; make one first: "
            "selfwatch token create --scope read,write (with the same SELFWATCH_DATA_DIR), or bind to 127.0.0.1"
        )


def _judge(settings: Settings, transport: Transport) -> Judge | JudgeUnavailable:
    if not settings.judge_base_url:
        return JudgeUnavailable(problem=NO_JUDGE)
    try:
        base_url = check_base_url(settings.judge_base_url)
    except ValueError as error:
        raise ConfigError(f"SELFWATCH_JUDGE_BASE_URL: {error}") from error
    key = settings.judge_api_key.get_secret_value() if settings.judge_api_key else None
    client = transport.client(base_url=base_url, api_key=key, model=settings.judge_model)
    return Judge(
        client=client,
        deadline_s=settings.call_deadline_s,
        retry_base_s=settings.retry_base_s,
        max_tokens=settings.judge_max_tokens,
    )


def _client_factory(transport: Transport, vault: Vault) -> Callable[[EndpointRow], Client]:
    def client_of(endpoint: EndpointRow) -> Client:
        return transport.client(base_url=endpoint.base_url, api_key=keys.resolve(endpoint, vault), model=endpoint.model)

    return client_of


async def build_notifiers(settings: Settings, policy: OutboundPolicy, stack: AsyncExitStack) -> Mapping[str, Notifier]:
    connector = GuardedConnector(policy)
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, trust_env=False))
    context = Context(session=session, denied=(OutboundDenied,))
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


async def _start_dispatcher(outbox: DatabaseOutbox, notifiers: Mapping[str, Notifier], stack: AsyncExitStack) -> None:
    stop = asyncio.Event()
    dispatcher = Dispatcher(outbox, notifiers, now)
    task = asyncio.create_task(dispatcher.run(stop), name="dispatcher")

    async def finish() -> None:
        stop.set()
        # what is in flight may take its deadline; what does not end by then is sent again after the restart
        _done, late = await asyncio.wait({task}, timeout=5)
        for one in late:
            one.cancel()

    stack.push_async_callback(finish)


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
