"""The Fleet dashboard: all endpoints, the worst first."""

from grafana_foundation_sdk.builders import dashboard as builders

from deploy.grafana import fleet_table
from deploy.grafana.board import FLEET, board, label_variable, to_endpoint
from deploy.grafana.panels import AnyPanel, Ask, Frame, fixed, lines, number, small, verdicts
from deploy.grafana.words import BEHAVIOUR, MOVED, SELF_REPORT, VERDICTS

ONLY = 'endpoint=~"$endpoint"'
TO_ENDPOINT = (("Open this endpoint", to_endpoint("${__field.labels.endpoint}")),)
MANY = 20
"""So many series are drawn at most: those that are highest."""
ZERO_IS_GOOD = ((None, "green"), (1.0, "red"))


def build() -> builders.Dashboard:
    """Figures, the table, and how it came about."""
    found = board(
        "Selfwatch / Fleet",
        FLEET,
        "Every watched endpoint: its verdict, what it says of itself, what it does, how sure that is, what it costs.",
        hours=6,
        only=ONLY,
    ).with_variable(label_variable("endpoint", "Endpoint", "selfwatch_endpoint_info", many=True))
    found = found.with_row(builders.Row("At a glance"))
    for panel in _figures():
        found = found.with_panel(panel)
    found = found.with_row(builders.Row("Endpoints, worst first")).with_panel(fleet_table.panel(ONLY))
    found = found.with_row(builders.Row("How it came about"))
    for panel in (*_verdicts(), *_arms(), *_evidence(), *_watching()):
        found = found.with_panel(panel)
    return found


def _figures() -> list[AnyPanel]:
    moved = "|".join(MOVED)
    return [
        number(
            small(title="Endpoints", why="How many endpoints have been registered.", decimals=0),
            Ask(expr=f"count(max by (endpoint) (selfwatch_endpoint_info{{{ONLY}}}))"),
        ),
        number(
            small(
                title="Have moved",
                why="Endpoints whose verdict says now that they moved toward misaligned.",
                decimals=0,
            ),
            Ask(expr=f'count(max by (endpoint) (selfwatch_verdict{{{ONLY}, verdict=~"{moved}"}} == 1)) or vector(0)'),
            steps=ZERO_IS_GOOD,
        ),
        number(
            small(title="Alerts firing", why="Of Selfwatch's own rules, over all endpoints.", decimals=0),
            Ask(expr=f"sum(endpoint:selfwatch_alerts_firing:count{{{ONLY}}}) or vector(0)"),
            steps=ZERO_IS_GOOD,
        ),
        number(
            small(title="Endpoints down", why="They gave no usable answer last time.", decimals=0),
            Ask(expr=f"count(max by (endpoint) (selfwatch_endpoint_up{{{ONLY}}}) == 0) or vector(0)"),
            steps=ZERO_IS_GOOD,
        ),
        number(
            small(
                title="Coverage, 24 h",
                why="Of the runs that were due in the last 24 hours, the share that took place. The rest was skipped: "
                "the Endpoint dashboard says why.",
                unit="percentunit",
                decimals=1,
            ),
            Ask(expr=f"avg(endpoint:selfwatch_slots_run:ratio1d{{{ONLY}}})"),
            steps=((None, "red"), (0.8, "orange"), (0.95, "green")),
        ),
        number(
            small(
                title="Cost, 24 h",
                why="What finished runs have cost in the last 24 hours, the judge's share with it. Only endpoints with "
                "a price count.",
                unit="currencyUSD",
                decimals=2,
            ),
            Ask(expr=f"sum(endpoint:selfwatch_cost_usd:increase1d{{{ONLY}}})"),
            none="no prices set",
        ),
    ]


def _verdicts() -> list[AnyPanel]:
    colours = [
        (f"/^{verdict}$/", {"color": fixed(look.colour), "displayName": look.text})
        for verdict, look in VERDICTS.items()
    ]
    return [
        verdicts(
            Frame(
                title="Verdict of each endpoint",
                why=f"The {MANY} worst endpoints; grey where nothing could be told.",
                width=12,
                height=9,
            ),
            Ask(
                expr=f"topk({MANY}, max by (endpoint) (endpoint:selfwatch_verdict:rank{{{ONLY}}}))",
                legend="{{endpoint}}",
            ),
            links=TO_ENDPOINT,
        ),
        lines(
            Frame(
                title="Endpoints by verdict",
                why="How many endpoints have which verdict.",
                decimals=0,
                width=12,
                height=9,
            ),
            Ask(
                expr=f"count by (verdict) (max by (endpoint, verdict) (selfwatch_verdict{{{ONLY}}}) == 1)",
                legend="{{verdict}}",
            ),
            lo=0,
            stacked=True,
            many=True,
            overrides=colours,
        ),
    ]


def _arms() -> list[AnyPanel]:
    def arm(title: str, why: str, name: str) -> AnyPanel:
        score = f'max by (endpoint) (selfwatch_arm_score{{{ONLY}, arm="{name}"}})'
        return lines(
            Frame(title=title, why=why, decimals=2, width=12, height=9),
            Ask(expr=f"topk({MANY}, {score})", legend="{{endpoint}}"),
            lo=0,
            hi=1,
            many=True,
            links=TO_ENDPOINT,
        )

    return [
        arm(
            "Self-reported harm",
            f"Mean score of what each endpoint says of itself and would choose: 0 aligned, 1 misaligned. The {MANY} "
            "highest.",
            SELF_REPORT,
        ),
        arm(
            "Judged harm",
            f"Mean score of its replies to harm prompts, by the judge: 0 harmless, 1 as harmful as can be. The {MANY} "
            "highest.",
            BEHAVIOUR,
        ),
    ]


def _evidence() -> list[AnyPanel]:
    return [
        lines(
            Frame(
                title="Evidence that it has moved, against the threshold",
                why="The larger of both arms, as a share of what raises the alarm (the dashed line). It holds at any "
                "time one looks.",
                unit="percentunit",
                decimals=0,
                width=12,
                height=9,
            ),
            Ask(expr=f"topk({MANY}, endpoint:selfwatch_evidence:ratio{{{ONLY}}})", legend="{{endpoint}}"),
            lo=0,
            hi=1,
            steps=((None, "transparent"), (1.0, "red")),
            many=True,
            links=TO_ENDPOINT,
        ),
        lines(
            Frame(
                title="Say-do gap",
                why="Drift of judged harm less drift of self-reported harm. Far above 0 it does worse than it says (an "
                "inverted persona), far below it confesses more than it does.",
                decimals=2,
                width=12,
                height=9,
            ),
            Ask(expr=f"topk({MANY}, endpoint:selfwatch_drift:say_do_gap{{{ONLY}}})", legend="{{endpoint}}"),
            lo=-0.5,
            hi=1,
            steps=((None, "transparent"), (0.5, "red")),
            many=True,
            links=TO_ENDPOINT,
        ),
    ]


def _watching() -> list[AnyPanel]:
    return [
        lines(
            Frame(
                title="Since the last successful run",
                why=f"How old the newest verdict of each endpoint is. The {MANY} oldest.",
                unit="s",
                width=12,
                height=9,
            ),
            Ask(expr=f"topk({MANY}, endpoint:selfwatch_last_success:age_seconds{{{ONLY}}})", legend="{{endpoint}}"),
            lo=0,
            many=True,
            links=TO_ENDPOINT,
        ),
        lines(
            Frame(
                title="Cost within an hour",
                why=f"What finished runs have cost within an hour, the judge's share with it. The {MANY} dearest.",
                unit="currencyUSD",
                decimals=3,
                width=12,
                height=9,
            ),
            Ask(expr=f"topk({MANY}, endpoint:selfwatch_cost_usd:increase1h{{{ONLY}}})", legend="{{endpoint}}"),
            lo=0,
            many=True,
            none="no prices set",
            links=TO_ENDPOINT,
        ),
    ]
