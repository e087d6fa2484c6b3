"""The panels that the dashboards are made of: one way to draw each kind of thing, with a title, a reason and a unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.words import LANDMARKS, VERDICTS

SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
LINE_WIDTH = 2
BAND_OPACITY = 18
AnyPanel: TypeAlias = Builder[dashboard.Panel]
Step: TypeAlias = tuple[float | None, str]
"""From this value on, this colour; None is minus infinity."""
Override: TypeAlias = tuple[str, Mapping[str, Any]]
"""A regular expression over series names, and what holds for those that match."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One query. `legend` names each series, with Grafana's `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every panel has. `why`: what it shows, how to read it. `width` of 24 columns, `height` in rows of 30 px."""

    title: str
    why: str
    unit: str = "none"
    decimals: float | None = None
    width: int = 8
    height: int = 8


def small(title: str, why: str, unit: str = "none", decimals: float | None = None) -> Frame:
    """The frame of a single figure: six of them fill a row."""
    return Frame(title=title, why=why, unit=unit, decimals=decimals, width=4, height=4)


def target(ask: Ask, ref: str, *, instant: bool = False, table: bool = False) -> prometheus.Dataquery:
    """The query as Grafana's Prometheus data source takes it."""
    found = prometheus.Dataquery().ref_id(ref).expr(ask.expr).datasource(SOURCE).legend_format(ask.legend or "__auto")
    found = found.instant() if instant else found.range()
    return found.format(PromQueryFormat.TABLE if table else PromQueryFormat.TIME_SERIES)


def thresholds(steps: Sequence[Step]) -> builders.ThresholdsConfig:
    """Colours by absolute value."""
    return (
        builders.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=value, color=colour) for value, colour in steps])
    )


def properties(values: Mapping[str, Any]) -> list[dashboard.DynamicConfigValue]:
    return [dashboard.DynamicConfigValue(id_val=name, value=value) for name, value in values.items()]


def fixed(colour: str) -> dict[str, Any]:
    return {"mode": "fixed", "fixedColor": colour}


def verdict_mapping() -> list[dashboard.ValueMap]:
    """From the rank of a verdict to its name and colour."""
    results = {
        str(look.rank): dashboard.ValueMappingResult(text=look.text, color=look.colour, index=look.rank)
        for look in VERDICTS.values()
    }
    return [dashboard.ValueMap(options=results)]


def yes_or_no(*, good: int) -> list[dashboard.ValueMap]:
    """0 as no and 1 as yes, green the `good` one."""
    results = {
        str(value): dashboard.ValueMappingResult(text=text, color="green" if value == good else "red", index=value)
        for value, text in enumerate(("no", "yes"))
    }
    return [dashboard.ValueMap(options=results)]


def landmark_overrides() -> list[Override]:
    """The published states as thin dashed lines."""
    return [
        (
            f"/^{state}$/",
            {
                "color": fixed(colour),
                "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
                "custom.lineWidth": 1,
                "custom.fillOpacity": 0,
            },
        )
        for state, colour in LANDMARKS.items()
    ]


def band_overrides(low: str, high: str, colour: str) -> list[Override]:
    """The space between the series `low` and `high` as a band, both left out of the legend."""
    edge = {
        "color": fixed(colour),
        "custom.lineWidth": 0,
        "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    return [
        (f"/^{low}$/", edge | {"custom.fillOpacity": 0}),
        (f"/^{high}$/", edge | {"custom.fillBelowTo": low, "custom.fillOpacity": BAND_OPACITY}),
    ]


def lines(
    frame: Frame,
    *asks: Ask,
    lo: float | None = None,
    hi: float | None = None,
    steps: Sequence[Step] = (),
    stacked: bool = False,
    overrides: Sequence[Override] = (),
    links: Sequence[tuple[str, str]] = (),
    many: bool = False,
    values: bool = True,
    none: str | None = None,
) -> timeseries.Panel:
    """Series over time. `steps` are drawn as dashed lines. The legend, which tells last values unless `values` is
    false, is one line below; for `many` series a table at the right, where no row of it is cut off. `none`: said while
    there is no such series."""
    panel = (
        timeseries.Panel()
        .datasource(SOURCE)
        .title(frame.title)
        .description(frame.why)
        .unit(frame.unit)
        .span(frame.width)
        .height(frame.height)
        .line_width(0 if stacked else LINE_WIDTH)
        .line_interpolation(common.LineInterpolation.STEP_AFTER)
        .show_points(common.VisibilityMode.NEVER)
        .fill_opacity(70 if stacked else 0)
        .span_nulls(True)
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend(many=many, values=values))
        .tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
        .stacking(
            common_builders.StackingConfig().mode(common.StackingMode.NORMAL if stacked else common.StackingMode.NONE)
        )
    )
    panel = _bounds(panel, frame, lo, hi)
    if none is not None:
        panel = panel.no_value(none)
    if steps:
        style = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(steps)).thresholds_style(style)
    for ref, ask in zip("ABCDEFGH", asks, strict=False):
        panel = panel.with_target(target(ask, ref))
    for pattern, looks in overrides:
        panel = panel.override_by_regexp(pattern, properties(looks))
    if links:
        panel = panel.data_links([_link(title, url) for title, url in links])
    return panel


def _legend(*, many: bool, values: bool) -> common_builders.VizLegendOptions:
    """Grafana gives a legend below at most 35 % of the panel: a table has room for two rows there, a line for all."""
    legend = common_builders.VizLegendOptions().show_legend(True).calcs(["lastNotNull"] if values else [])
    if many:
        return legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
    return legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _bounds(panel: timeseries.Panel, frame: Frame, lo: float | None, hi: float | None) -> timeseries.Panel:
    """`lo` and `hi` are soft: what lies beyond them is still shown."""
    if frame.decimals is not None:
        panel = panel.decimals(frame.decimals)
    if lo is not None:
        panel = panel.axis_soft_min(lo)
    if hi is not None:
        panel = panel.axis_soft_max(hi)
    return panel


def _link(title: str, url: str) -> builders.DashboardLink:
    return builders.DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(url)


def number(
    frame: Frame,
    ask: Ask,
    *,
    steps: Sequence[Step] = ((None, "blue"),),
    mappings: Sequence[dashboard.ValueMap] = (),
    none: str = "none yet",
    trend: bool = True,
) -> stat.Panel:
    """One figure, large. `none`: said while there is no such series."""
    panel = (
        stat.Panel()
        .datasource(SOURCE)
        .title(frame.title)
        .description(frame.why)
        .unit(frame.unit)
        .span(frame.width)
        .height(frame.height)
        .no_value(none)
        .thresholds(thresholds(steps))
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.AREA if trend else common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .with_target(target(ask, "A"))
    )
    if frame.decimals is not None:
        panel = panel.decimals(frame.decimals)
    return panel.mappings(list(mappings)) if mappings else panel


def verdicts(frame: Frame, ask: Ask, links: Sequence[tuple[str, str]] = ()) -> statetimeline.Panel:
    """Verdicts over time, one bar for each series of ranks."""
    panel = (
        statetimeline.Panel()
        .datasource(SOURCE)
        .title(frame.title)
        .description(frame.why)
        .span(frame.width)
        .height(frame.height)
        .mappings(list(verdict_mapping()))
        .thresholds(thresholds([(None, "text")]))
        .color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .merge_values(True)
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(85)
        .line_width(0)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .with_target(target(ask, "A"))
    )
    return panel.data_links([_link(title, url) for title, url in links]) if links else panel
