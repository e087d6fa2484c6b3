"""Everything about alerting that the user can set, as one value: rules, routes, windows, reminders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from alerts.custom import CELL_METRICS
from alerts.match import Route
from alerts.rules import RULES
from alerts.state import Damping
from alerts.types import Rule
from service.maintenance import Window
from service.rule_settings import ConditionIn, rules_in_force, twice
from service.settings import ConfigError, Settings


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`notifiers`: every one that there is. `remind_after`: None, never."""

    rules: tuple[Rule, ...] = RULES
    notifiers: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    windows: tuple[Window, ...] = ()
    remind_after: timedelta | None = None
    damping: Damping = field(default_factory=Damping)


def policy_of(settings: Settings, notifiers: Sequence[str] | None = None) -> Policy:
    """The policy of the settings. Raises ConfigError naming what does not fit together."""
    every = tuple(notifiers if notifiers is not None else settings.notifiers)
    for key, names in (
        ("rules", [one.name for one in settings.rules]),
        ("maintenance", [one.name for one in settings.maintenance]),
    ):
        if (name := twice(names)) is not None:
            index = len(names) - 1 - names[::-1].index(name)
            raise ConfigError(f"{key}.{index}.name = {name!r}: given twice; names are unique")
    for index, route in enumerate(settings.routes):
        for name in route.notifiers:
            if name not in every:
                raise ConfigError(
                    f"routes.{index}.notifiers = {name!r}: there is no such notifier; known: {', '.join(sorted(every))}"
                )
    _check_plans(settings)
    _check_cells(settings)
    return Policy(
        rules=rules_in_force(settings.rules), notifiers=every, routes=tuple(one.route() for one in settings.routes),
        windows=tuple(one.window() for one in settings.maintenance), remind_after=settings.remind_after,
    )  # fmt: skip


def _check_plans(settings: Settings) -> None:
    from service.plans import plans_of  # noqa: PLC0415 (late: reads the item banks)

    wanted = [(index, rule.plan) for index, rule in enumerate(settings.rules) if rule.plan is not None]
    if not wanted:
        return
    known = plans_of(settings)
    for index, plan in wanted:
        if plan not in known:
            raise ConfigError(f"rules.{index}.plan = {plan!r}: unknown plan; known: {', '.join(sorted(known))}")


def _check_cells(settings: Settings) -> None:
    """Refuses a condition on cells that no item measures: it would never hold, and nobody would hear of it."""
    wanted = [
        (f"rules.{index}.when.{place}", one)
        for index, rule in enumerate(settings.rules)
        for place, one in enumerate(rule.when or ())
        if any(getattr(one, part) is not None for part in CELL_METRICS.get(one.metric, ()))
    ]
    if not wanted:
        return
    from service.plans import install_banks  # noqa: PLC0415 (late: reads the item banks)

    install_banks(settings)
    for where, one in wanted:
        _check_cell(where, one)


def _check_cell(where: str, one: ConditionIn) -> None:
    from probes import registry  # noqa: PLC0415 (late: reads the item banks)

    probe = one.metric.removesuffix("_score")
    cells = {item.cell for item in registry.items_by_id().values() if item.probe == probe}
    for part in CELL_METRICS[one.metric]:
        value = getattr(one, part)
        if value is None:
            continue
        known = sorted({getattr(cell, part) for cell in cells})
        if value not in known:
            raise ConfigError(f"{where}.{part} = {value!r}: {one.metric} has no such {part}; known: {', '.join(known)}")
        cells = {cell for cell in cells if getattr(cell, part) == value}
