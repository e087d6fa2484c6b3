"""Pages to HTML. Pure: the same values give the same bytes. Every text from users and models is escaped."""

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from service.ui import (
    alignment_map,
    charts,
    fleet_filter,
    parts,
    path_map,
    profile_chart,
    sparkline,
    svg,
    tables,
    visible,
)
from service.ui import format as fmt
from service.ui.navigation import SECTIONS
from service.ui.views.alerts import silence_path
from service.ui.views.base import Page

CSP = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
"""The value of the Content-Security-Policy header that goes with every page."""

STATIC = Path(__file__).parent / "static"
"""The folder to serve under /static/."""

REFRESH_S = 2
HTMX_CONFIG = json.dumps(
    {
        "includeIndicatorCSS": False,
        # an error page must not take the place of the last good figures
        "noSwap": [204, 304, "4xx", "5xx"],
        # what the reader has unfolded stays unfolded
        "morphIgnore": ["data-htmx-powered", "open", "tabindex"],
        # what a script has drawn stays until the script draws it anew
        "morphSkipChildren": "[data-drawn]",
        # a filter has an address of its own; going back loads the page anew
        "history": "reload",
        "defaultTimeout": 10_000,
    }
)


class Renderer:
    """Fills the templates. Build one per process: templates are compiled once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("service.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(_helpers())

    def whole(self, page: Page) -> str:
        """A page as a document of its own."""
        return self._environment.get_template("base.html").render(page=page, body=f"_{page.template}.html")

    def part(self, page: Page) -> str:
        """The body alone: what a live page asks for every REFRESH_S."""
        return self._environment.get_template(f"_{page.template}.html").render(page=page)


def _markdown(text: str) -> Markup:
    from markdown_it import MarkdownIt  # noqa: PLC0415 (2 MB, for the few who open a runbook)

    return Markup(MarkdownIt("commonmark", {"html": False}).render(text))  # noqa: S704 (our own files; raw HTML is off)


def _helpers() -> Mapping[str, object]:
    return {
        "by_urgency": lambda alerts: sorted(alerts, key=parts.alert_urgency),
        "alignment_map": alignment_map.alignment_map,
        "arm_label": lambda arm: fmt.ARM_LABELS[arm],
        "arm_meaning": lambda arm: fmt.ARM_MEANINGS[arm],
        "filter_sorts": fleet_filter.SORTS,
        "filter_states": fleet_filter.STATES,
        "filter_verdicts": fleet_filter.VERDICTS,
        "down_icon": svg.down_icon,
        "drift_bar": charts.drift_bar,
        "endpoint_path": parts.endpoint_path,
        "fmt": fmt,
        "htmx_config": HTMX_CONFIG,
        "icon": svg.icon,
        "label_all_up_to": alignment_map.LABEL_ALL_UP_TO,
        "look": lambda verdict: fmt.LOOKS[verdict],
        "markdown": _markdown,
        "path_map": path_map.path_map,
        "path_steps": path_map.shown_steps,
        "own_version": metadata.version("selfwatch"),
        "refresh_s": REFRESH_S,
        "sections": SECTIONS,
        "run_path": parts.run_path,
        "silence_path": silence_path,
        "sparkline": sparkline.sparkline,
        "state_key": profile_chart.legend,
        "strip": profile_chart.strip,
        "tables": tables.tables,
        "variant_icon": path_map.variant_icon,
        "visible": visible.visible,
        "worst_first": parts.WORST_FIRST,
    }
