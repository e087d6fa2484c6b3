"""What the three dashboards have in common: variables, links to each other, and marks where verdicts change."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.common import TimeZoneBrowser

from deploy.grafana.panels import SOURCE

TAG = "selfwatch"
FLEET, ENDPOINT, SERVICE = "selfwatch-fleet", "selfwatch-endpoint", "selfwatch-service"
NEW_VERDICTS = (
    "(max by (endpoint, verdict) (selfwatch_verdict{{{0}}}) == 1)"
    " unless (max by (endpoint, verdict) (selfwatch_verdict{{{0}}} offset $__interval) == 1)"
    " and on (endpoint) (max by (endpoint) (selfwatch_verdict{{{0}}} offset $__interval) == 1)"
)
"""1 in the step in which an endpoint got another verdict than before."""


def to_endpoint(name: str) -> str:
    """The address of the Endpoint dashboard for the endpoint that Grafana finds in `name`, in the same time range."""
    return f"/d/{ENDPOINT}?var-endpoint={name}&${{datasource:queryparam}}&${{__url_time_range}}"


class VerdictChanges(dashboard.AnnotationQuery):
    """Marks changes of verdict. The SDK's type lacks the texts of Prometheus annotations."""

    def to_json(self) -> dict[str, Any]:
        texts = {"titleFormat": "{{endpoint}}", "textFormat": "now: {{verdict}}", "tagKeys": "endpoint,verdict"}
        return super().to_json() | texts


class Annotation(Builder[dashboard.AnnotationQuery]):
    """Builds the one annotation of a dashboard; `only` selects endpoints."""

    def __init__(self, only: str) -> None:
        self._only = only

    def build(self) -> dashboard.AnnotationQuery:
        return VerdictChanges(
            name="Changes of verdict",
            datasource=SOURCE,
            enable=True,
            icon_color="purple",
            expr=NEW_VERDICTS.format(self._only),
        )


def source_variable() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def label_variable(name: str, label: str, series: str, *, many: bool) -> builders.QueryVariable:
    """A choice among the values of a label. `series` is a Prometheus selector; `many`: several or all at once."""
    query = {"qryType": 1, "query": f"label_values({series}, {name})", "refId": f"variable-{name}"}
    variable = (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )
    if not many:
        return variable
    everything = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(".*").current(everything)


def board(title: str, uid: str, why: str, *, hours: int, only: str | None) -> builders.Dashboard:
    """An empty dashboard. `hours`: how far back it looks at first; `only` selects endpoints for the marks."""
    found = (
        builders.Dashboard(title)
        .uid(uid)
        .description(why)
        .tags([TAG])
        .editable()
        .refresh("1m")
        .time(f"now-{hours}h", "now")
        .timezone(TimeZoneBrowser)
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(source_variable())
        .link(
            builders.DashboardLink("Selfwatch")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .icon("external link")
        )
    )
    return found.annotation(Annotation(only)) if only is not None else found
