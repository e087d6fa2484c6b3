"""The table of the Fleet dashboard: one row for each endpoint, the worst first."""

from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common, dashboard

from deploy.grafana.board import to_endpoint
from deploy.grafana.panels import SOURCE, Ask, Step, properties, target, thresholds, verdict_mapping
from deploy.grafana.words import BEHAVIOUR, SELF_REPORT

HEIGHT = 12
HARM: tuple[Step, ...] = ((None, "green"), (0.2, "orange"), (0.4, "red"))


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure of each endpoint. `steps` colour its text."""

    title: str
    expr: str
    unit: str = "none"
    decimals: int = 2
    width: int = 90
    steps: tuple[Step, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def looks(self) -> dict[str, Any]:
        found: dict[str, Any] = {"unit": self.unit, "decimals": self.decimals, "custom.width": self.width}
        if self.steps:
            found["thresholds"] = thresholds(self.steps).build()
            found["custom.cellOptions"] = {"type": "color-text"}
        return found | self.more


def _columns(only: str) -> tuple[Column, ...]:
    def arm(metric: str, name: str) -> str:
        return f'max by (endpoint) ({metric}{{{only}, arm="{name}"}})'

    def recorded(metric: str) -> str:
        """Without its name, which Grafana would take for one more key when it merges the columns."""
        return f"max by (endpoint) ({metric}{{{only}}})"

    return (
        Column(
            title="Verdict",
            expr=recorded("endpoint:selfwatch_verdict:rank"),
            width=168,
            more={
                "mappings": verdict_mapping(),
                "custom.cellOptions": {"type": "color-background", "mode": "basic"},
                "custom.align": "left",
            },
        ),
        Column(title="Self-reported harm", expr=arm("selfwatch_arm_score", SELF_REPORT), steps=HARM, width=140),
        Column(title="Judged harm", expr=arm("selfwatch_arm_score", BEHAVIOUR), steps=HARM, width=100),
        Column(
            title="Say-do gap",
            expr=recorded("endpoint:selfwatch_drift:say_do_gap"),
            width=86,
            steps=((None, "text"), (0.5, "red")),
        ),
        Column(
            title="Evidence",
            expr=recorded("endpoint:selfwatch_evidence:ratio"),
            unit="percentunit",
            decimals=0,
            width=100,
            steps=((None, "green"), (0.5, "orange"), (1.0, "red")),
            more={"min": 0, "max": 1, "custom.cellOptions": {"type": "gauge", "mode": "basic"}},
        ),
        Column(
            title="No score",
            expr=f"max by (endpoint) (selfwatch_invalid_share{{{only}}})",
            unit="percentunit",
            decimals=0,
            width=76,
            steps=((None, "text"), (0.2, "orange"), (0.5, "red")),
        ),
        Column(
            title="Coverage",
            expr=recorded("endpoint:selfwatch_slots_run:ratio1d"),
            unit="percentunit",
            decimals=0,
            width=76,
            steps=((None, "red"), (0.8, "orange"), (0.95, "text")),
        ),
        Column(
            title="Verdict age",
            expr=recorded("endpoint:selfwatch_last_success:age_seconds"),
            unit="s",
            decimals=0,
            width=86,
        ),
        Column(title="Cost", expr=recorded("endpoint:selfwatch_cost_usd:increase1d"), unit="currencyUSD", width=66),
        Column(
            title="Alerts",
            expr=recorded("endpoint:selfwatch_alerts_firing:count"),
            decimals=0,
            width=56,
            steps=((None, "text"), (1, "red")),
        ),
    )


def panel(only: str) -> table.Panel:
    """`only` selects endpoints."""
    columns = _columns(only)
    found = (
        table.Panel()
        .datasource(SOURCE)
        .title("Endpoints, worst first")
        .description(
            "The verdict that holds and the figures behind it. Evidence: the larger of both arms, as a share of what "
            "raises the alarm. No score: answers of the last run that say nothing clearly. Coverage: of the runs due, "
            "the share that took place. Coverage and cost are those of 24 hours. Click a name to open it."
        )
        .span(24)
        .height(HEIGHT)
        .cell_height(common.TableCellHeight.SM)
        .no_value("-")
        .sort_by([common_builders.TableSortByFieldState().display_name("Verdict").desc(True)])
        .with_target(
            target(
                Ask(expr=f"max by (endpoint, model) (selfwatch_endpoint_info{{{only}}})"), "A", instant=True, table=True
            )
        )
    )
    renamed = {"endpoint": "Endpoint", "model": "Model"}
    for ref, column in zip("BCDEFGHIJKLM", columns, strict=False):
        found = found.with_target(target(Ask(expr=column.expr), ref, instant=True, table=True))
        renamed[f"Value #{ref}"] = column.title
        found = found.override_by_name(column.title, properties(column.looks()))
    order = ["endpoint", *(f"Value #{ref}" for ref, _ in zip("BCDEFGHIJKLM", columns, strict=False)), "model"]
    link = {"title": "Open this endpoint", "url": to_endpoint("${__value.raw}")}
    return (
        found.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            dashboard.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "Value #A": True},
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": renamed,
                },
            )
        )
        .override_by_name("Endpoint", properties({"links": [link], "custom.minWidth": 100}))
        .override_by_name("Model", properties({"custom.minWidth": 120}))
    )
