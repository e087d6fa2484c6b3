"""`selfwatch check-config`: everything that can be wrong with a file, before it is used."""

from contextlib import AsyncExitStack
from pathlib import Path

from service import wiring
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
