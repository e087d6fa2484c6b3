"""`selfwatch check-config`: everything that can be wrong with a file, before it is used."""

from contextlib import AsyncExitStack
from pathlib import Path

from baselines.profiles import published_names
from service import declared_tokens, profile_files, wiring
from service.alert_policy import policy_of
from service.outbound import OutboundPolicy
from service.plans import plans_of
from service.prices import check_budget, prices_of, unpriced_endpoint
from service.settings import ConfigError, Settings, load


async def check_file(file: Path) -> str:
    """One line that says what the file declares. Raises ConfigError."""
    settings = load(file)
    try:
        settings.sqlalchemy_url()
        await _check_notifiers(settings)
        _check_endpoints(settings)
        await _check_profiles(settings)
        _check_tokens(settings)
        policy_of(settings)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    return (
        f"{file}: good: endpoints: {len(settings.endpoints)}, notifiers: {len(settings.notifiers)}, "
        f"own plans: {len(settings.plans)}, rules: {len(settings.rules)}, routes: {len(settings.routes)}"
    )


async def _check_notifiers(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        policy = OutboundPolicy(allow=settings.outbound_allow, loopback=settings.loopback)
        await wiring.build_notifiers(settings, policy, stack)


async def _check_profiles(settings: Settings) -> None:
    """Those that endpoints name are published, or were imported into the database of these settings."""
    imported = await profile_files.imported_names(settings)
    known = (*published_names(), *imported)
    for index, endpoint in enumerate(settings.endpoints):
        if endpoint.profiles not in known:
            raise ConfigError(
                f"endpoints.{index}.profiles = {endpoint.profiles!r}: unknown profiles {endpoint.profiles!r}; known: "
                f"{', '.join(known)}; import others first: selfwatch profiles import FILE"
            )


def _check_tokens(settings: Settings) -> None:
    try:
        declared_tokens.read(settings.tokens)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_endpoints(settings: Settings) -> None:
    plans = plans_of(settings)
    prices = prices_of(settings)
    check_budget(settings, prices)
    names: set[str] = set()
    for index, endpoint in enumerate(settings.endpoints):
        where = f"endpoints.{index}"
        if endpoint.name in names:
            raise ConfigError(f"{where}.name = {endpoint.name!r}: given twice; names are unique")
        names.add(endpoint.name)
        if (why := unpriced_endpoint(settings, prices, endpoint.model, endpoint.limits.model_dump())) is not None:
            raise ConfigError(f"{where}: {why}")
        for plan in endpoint.schedules:
            if plan not in plans:
                raise ConfigError(f"{where}.schedules = {plan!r}: unknown plan; known: {', '.join(sorted(plans))}")
