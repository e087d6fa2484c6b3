"""Every notifier kind, by name. Adding one: a module and a line here; contract tests pick it up."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any, cast

from pydantic import ValidationError

from alerts.notifiers.base import Context, NotifierClass
from alerts.types import Notifier

NOTIFIERS: dict[str, str] = {
    "alertmanager": "alerts.notifiers.alertmanager:Alertmanager",
    "apprise": "alerts.notifiers.apprise:Apprise",
    "log": "alerts.notifiers.log:Log",
    "memory": "alerts.notifiers.memory:Memory",
    "webhook": "alerts.notifiers.webhook:Webhook",
}


def build(kind: str, name: str, raw_config: Mapping[str, Any], context: Context) -> Notifier:
    """The notifier called `name`. Raises ValueError naming notifier, field and remedy, and no value."""
    if kind not in NOTIFIERS:
        raise ValueError(f"notifier {name!r}: kind {kind!r} is unknown; known: {', '.join(sorted(NOTIFIERS))}")
    plugin = cast(NotifierClass, resolve_name(NOTIFIERS[kind]))
    try:
        return plugin(name, plugin.Config.model_validate(dict(raw_config)), context)
    except ValidationError as error:
        problems = "; ".join(_told(plugin, dict(problem)) for problem in error.errors(include_input=False))
    except ValueError as error:
        problems = str(error)
    raise ValueError(f"notifier {name!r} ({kind}): {problems}")


def _told(plugin: NotifierClass, problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown field; known: {', '.join(sorted(plugin.Config.model_fields)) or 'none'}"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
