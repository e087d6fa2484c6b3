"""The plans of this installation: the shipped ones and the user's own, over shipped and imported item banks."""

from probes import registry
from probes.imported import Imported, load
from probes.plans import PLANS, size
from probes.types import Plan
from service.settings import ConfigError, Settings


def plans_of(settings: Settings) -> dict[str, Plan]:
    """By name; a plan of the user's may replace a shipped one. Raises ConfigError for an unusable plan or item bank."""
    install_banks(settings)
    found = {**PLANS, **{name: plan.plan(name) for name, plan in settings.plans.items()}}
    for name, plan in found.items():
        try:
            size(plan, registry.probe)
        except ValueError as error:
            raise ConfigError(f"plans.{name}: {error}") from error
    return found


def install_banks(settings: Settings) -> None:
    """Make the user's item banks known as probes. Raises ConfigError naming file, line and field."""
    for path in settings.item_banks:
        try:
            registry.install(Imported(load(path, reserved=registry.SHIPPED)))
        except ValueError as error:  # BankError is one
            raise ConfigError(f"item_banks: {error}") from error
