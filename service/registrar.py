"""What can be done to registered endpoints: register, change, forget, check. For the API and the forms of the pages.

Raises ProblemError, which names the field in `errors`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from baselines.types import ProfileSet
from probes.types import Problem
from service import profile_library, quote
from service.api.problems import ProblemError, not_found
from service.circuit import CLOSED
from service.farewell import say_farewell
from service.keys import stored_form
from service.prices import unpriced_endpoint
from service.progress import clock_flip
from service.reach import look, reach
from service.registration import EndpointFields, EndpointIn, EndpointPatch
from service.services import Services
from service.storage import endpoints as store
from service.storage import health as health_store
from service.storage import slots as slot_store
from service.storage.schema import EndpointRow

KEY_FIELDS = ("api_key", "api_key_env", "api_key_file")


async def known(session: AsyncSession, name: str) -> EndpointRow:
    """The endpoint called `name`. Raises a 404."""
    row = await store.by_name(session, name)
    if row is None:
        raise not_found("endpoint", name, "GET /api/v1/endpoints lists those that are registered")
    return row


async def create(services: Services, body: EndpointIn) -> None:
    """Register an endpoint, and let everybody know: its first scheduled run starts at once."""
    endpoint_id = await register(services, body)
    services.false_alarms.forget()
    await services.metrics.refresh(endpoint_id)
    services.changed()


async def register(services: Services, body: EndpointIn) -> int:
    """Store a new endpoint with its schedules. Raises a 409 for a name that is taken, a 422 for an unknown plan or a
    limit in USD without a price. Gives its id."""
    await validate(services, body)
    now = services.clock()
    row = drafted(services, body)
    try:
        async with services.database.write() as session:
            await _check_profiles(session, body.profiles)
            session.add(row)
            await session.flush()
            await store.set_schedules(session, row.id, body.schedules, now)
    except IntegrityError as error:
        detail = f"an endpoint named {body.name!r} exists; choose another name, or PATCH or DELETE it"
        told = f"{body.name!r} is taken; choose another name"
        raise ProblemError(409, "name-taken", detail, errors=[{"field": "name", "message": told}]) from error
    return row.id


async def validate(services: Services, body: EndpointIn) -> None:
    """Raises a 422 for what no field tells alone: an unknown plan, one without power, a limit without a price."""
    _check_plans(services, body)
    _check_prices(services, body.model, body.limits.model_dump())
    await _check_power(services, body.profiles, body.schedules)


def drafted(services: Services, body: EndpointIn, key_of: EndpointRow | None = None) -> EndpointRow:
    """The row of an endpoint as it is declared, not stored yet. `key_of`: whose key it goes on with when it declares
    none. Raises a 422 when that key would go to another server."""
    key_kind, key_value = stored_form(body, services.vault)
    if key_of is not None and key_kind == "none":
        _refuse_to_move_key(key_of, body.base_url)
        key_kind, key_value = key_of.key_kind, key_of.key_value
    return EndpointRow(
        name=body.name, base_url=body.base_url, model=body.model, key_kind=key_kind, key_value=key_value,
        profiles=body.profiles, labels=body.labels, limits=body.limits.model_dump(),
        sampling=body.sampling.model_dump(), health="unknown", created_at=services.clock(),
        simulated=body.labels.get("simulated") == "true",
    )  # fmt: skip


async def change(services: Services, name: str, body: EndpointPatch) -> None:
    """Change the fields given. A new key replaces the old one."""
    _check_plans(services, body)
    given = body.model_fields_set
    async with services.database.read() as session:
        before = await known(session, name)
    if "schedules" in given:
        await _check_power(services, body.profiles if "profiles" in given else before.profiles, body.schedules)
    async with services.database.write() as session:
        row = await known(session, name)
        if "profiles" in given:
            await _check_profiles(session, body.profiles)
        if "base_url" in given and not given & set(KEY_FIELDS):
            _refuse_to_move_key(row, body.base_url)
        _apply(row, body)
        if given & {"model", "limits"}:
            _check_prices(services, row.model, row.limits)
        if given & set(KEY_FIELDS):
            row.key_kind, row.key_value = stored_form(body, services.vault)
        if given & {"base_url", "model", *KEY_FIELDS}:
            health_store.forget(row)
            await slot_store.catch_up(session, row.id, services.clock())
        if "schedules" in given:
            await store.set_schedules(session, row.id, body.schedules, services.clock())
    if given & {"base_url", "model"}:
        services.gates.forget(row.id)
    elif "limits" in given:
        services.gates.of(row)  # they hold at once
    services.false_alarms.forget()
    await services.metrics.refresh(row.id)
    services.changed()


def _apply(row: EndpointRow, body: EndpointPatch) -> None:
    given = body.model_fields_set
    for field in given & {"base_url", "model", "profiles", "labels"}:
        setattr(row, field, getattr(body, field))
    row.simulated = row.labels.get("simulated") == "true"
    if given & {"base_url", "model", "sampling"}:
        row.capabilities = None  # found out anew before the next run
    for field in given & {"limits", "sampling"}:
        setattr(row, field, getattr(row, field) | getattr(body, field).model_dump(exclude_unset=True))


async def remove(services: Services, name: str) -> None:
    """Forget an endpoint with its runs, answers and series. Alerts that were told as firing are told as resolved."""
    async with services.database.write() as session:
        row = await known(session, name)
        flips = await say_farewell(session, row, services.alerting.policy.notifiers, services.clock())
        await store.remove(session, row.id)
    for flip in flips:
        services.events.publish("flip", clock_flip(flip))
    services.gates.forget(row.id)
    services.ledger.forget(row.id)
    services.false_alarms.forget()
    await services.metrics.refresh(row.id)
    services.changed()


async def check(services: Services, name: str) -> dict[str, Any] | Problem:
    """Reach the endpoint once: what was seen, or why not. Its health follows."""
    async with services.database.read() as session:
        row = await known(session, name)
    found = await reach(services.database, services.clients, row, services.settings.call_deadline_s)
    async with services.database.write() as session:
        await store.set_health(session, row.id, found if isinstance(found, Problem) else None, services.clock())
        if not isinstance(found, Problem):
            await health_store.save_circuit(session, row.id, CLOSED)
    services.changed()
    return found


async def try_out(services: Services, row: EndpointRow) -> dict[str, Any] | Problem:
    """The same look at an endpoint that is not registered, or not yet like this. Nothing is stored."""
    return await look(services.clients, row, services.settings.call_deadline_s)


def _check_plans(services: Services, body: EndpointFields) -> None:
    for plan in body.schedules:
        if plan not in services.plans:
            raise _wrong(f"schedules.{plan}", f"unknown plan; known: {', '.join(sorted(services.plans))}")


def _check_prices(services: Services, model: str, limits: Mapping[str, Any]) -> None:
    """A limit in USD that could not be kept is refused: it would look like protection and be none."""
    if (why := unpriced_endpoint(services.settings, services.prices, model, limits)) is not None:
        raise ProblemError(422, "no-price", why, errors=[{"field": why.partition(" ")[0], "message": why}])


async def _check_profiles(session: AsyncSession, name: str) -> None:
    """In the transaction that stores the name: a set that is in use cannot be deleted, so it stays known."""
    if not await profile_library.known(session, name):
        raise _wrong("profiles", await profile_library.unknown(session, name))


async def _profiles(services: Services, name: str) -> ProfileSet:
    """The set called `name`, published or imported. Raises a 422 naming the known ones."""
    async with services.database.read() as session:
        await _check_profiles(session, name)
        return await profile_library.resolve(session, name)


async def quotes_of(services: Services, profiles: str, schedules: Mapping[str, str]) -> list[quote.Quote]:
    """What the schedules cost and find, at the promised rate of false alarms. Raises a 422 for unknown profiles."""
    found = await _profiles(services, profiles)
    async with services.database.read() as session:
        threshold = await services.false_alarms.threshold_log10(session)
    return await asyncio.to_thread(
        quote.of_schedules, schedules, services.plans, found, threshold=threshold,
        baseline_runs=services.settings.auto_baseline_runs, judged=services.judge_note is None,
    )  # fmt: skip


async def _check_power(services: Services, profiles: str, schedules: Mapping[str, str]) -> None:
    """A plan that would not find even a full shift is refused, with the smallest change that would."""
    for one in await quotes_of(services, profiles, schedules):
        if one.powerless:
            async with services.database.read() as session:
                threshold = await services.false_alarms.threshold_log10(session)
            remedy = await asyncio.to_thread(
                quote.with_power, services.plans[one.plan], one.every, await _profiles(services, profiles),
                threshold=threshold,
                baseline_runs=services.settings.auto_baseline_runs,
            )  # fmt: skip
            told = (
                f"{schedules[one.plan]!r} would not find even a model that has turned misaligned altogether "
                f"(false alarms: {services.false_alarms.promise}); {remedy}"
            )
            raise _wrong(f"schedules.{one.plan}", told, "no-power")


def _refuse_to_move_key(row: EndpointRow, base_url: str) -> None:
    """A key goes to the server it was given for. Raises a 422 when it would follow the endpoint to another one."""
    if row.key_kind != "none" and urlsplit(base_url)[:2] != urlsplit(row.base_url)[:2]:
        told = "the endpoint's key would go to another server; give api_key (or api_key_env, ...) as well"
        raise _wrong("base_url", told)


def _wrong(field: str, message: str, kind: str = "invalid-request") -> ProblemError:
    return ProblemError(422, kind, f"{field}: {message}", errors=[{"field": field, "message": message}])
