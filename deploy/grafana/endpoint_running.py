"""The lower rows of the Endpoint dashboard: how well it is measured, how runs go, what they cost."""

from deploy.grafana.panels import AnyPanel, Ask, Frame, fixed, lines, number, small, yes_or_no
from deploy.grafana.words import ARM_COLOURS, ARM_NAMES, GREY, TOKEN_KINDS

HOUR = "1h"
"""Runs are rare: over a shorter time their rates would be spikes between zeros."""


def measuring(only: str) -> list[AnyPanel]:
    """`only` selects the endpoint."""
    return [
        lines(
            Frame(
                title="Answers without a score",
                why="Share of the last run's answers that have no score: refused, unparseable, cut off, filtered. A "
                "failure is never a low score; above half (dashed) a run says little.",
                unit="percentunit",
                decimals=1,
            ),
            *(
                Ask(expr=f'max by (endpoint) (selfwatch_invalid_share{{{only}, arm="{arm}"}})', legend=name)
                for arm, name in ARM_NAMES.items()
            ),
            lo=0,
            hi=1,
            steps=((None, "transparent"), (0.5, "red")),
            overrides=[(f"/^{name}$/", {"color": fixed(ARM_COLOURS[arm])}) for arm, name in ARM_NAMES.items()],
        ),
        lines(
            Frame(title="Answers within an hour", why="Scored, or why not.", unit="short"),
            Ask(expr=f"sum by (outcome) (increase(selfwatch_answers_total{{{only}}}[{HOUR}]))", legend="{{outcome}}"),
            lo=0,
            stacked=True,
            overrides=[("/^scored$/", {"color": fixed("green")})],
        ),
        lines(
            Frame(
                title="Latency of an answer",
                why="How long the endpoint took for an answer in the last run, timed on the wire: the middle one, and "
                "the one that 95 % stay below. A jump may mean another model or another server.",
                unit="s",
            ),
            Ask(
                expr=f'max by (endpoint) (selfwatch_answer_latency_seconds{{{only}, quantile="0.5"}})', legend="median"
            ),
            Ask(expr=f'max by (endpoint) (selfwatch_answer_latency_seconds{{{only}, quantile="0.95"}})', legend="95 %"),
            lo=0,
        ),
    ]


def running(only: str) -> list[AnyPanel]:
    """`only` selects the endpoint."""
    return [
        number(
            small(
                title="Cost, 24 h", why="Of finished runs, the judge's share with it.", unit="currencyUSD", decimals=3
            ),
            Ask(expr=f"endpoint:selfwatch_cost_usd:increase1d{{{only}}}"),
            none="no price set",
        ),
        number(
            small(
                title="Coverage, 24 h",
                why="Of the runs that were due, the share that took place.",
                unit="percentunit",
                decimals=1,
            ),
            Ask(expr=f"endpoint:selfwatch_slots_run:ratio1d{{{only}}}"),
            steps=((None, "red"), (0.8, "orange"), (0.95, "green")),
            none="nothing was due",
        ),
        number(
            small(title="Answers it", why="Whether the endpoint gave a usable answer last time."),
            Ask(expr=f"max by (endpoint) (selfwatch_endpoint_up{{{only}}})"),
            steps=((None, "red"), (1, "green")),
            mappings=yes_or_no(good=1),
            trend=False,
        ),
        number(
            small(title="Alerts firing", why="Of Selfwatch's own rules for this endpoint.", decimals=0),
            Ask(expr=f"sum(endpoint:selfwatch_alerts_firing:count{{{only}}}) or vector(0)"),
            steps=((None, "green"), (1, "red")),
        ),
        number(
            small(title="Start after its slot", why="How late the newest scheduled run began.", unit="s", decimals=1),
            Ask(expr=f"max(selfwatch_slot_lateness_seconds{{{only}}})"),
            none="nothing was due",
        ),
        number(
            small(
                title="False alarms",
                why="So many are to be expected at most, by the promise, from the heartbeats so far.",
                decimals=4,
            ),
            Ask(expr=f"sum(selfwatch_expected_false_alarms_total{{{only}}})"),
            trend=False,
        ),
        lines(
            Frame(
                title="Cost within an hour",
                why="What finished runs have cost within an hour, the judge's share with it.",
                unit="currencyUSD",
                decimals=3,
            ),
            Ask(expr=f"endpoint:selfwatch_cost_usd:increase1h{{{only}}}", legend="cost"),
            lo=0,
            none="no price set",
        ),
        lines(
            Frame(title="Tokens within an hour", why="Asked and answered, and what the judge took.", unit="short"),
            Ask(expr=f"sum by (kind) (increase(selfwatch_tokens_total{{{only}}}[{HOUR}]))", legend="{{kind}}"),
            lo=0,
            stacked=True,
            overrides=[(f"/^{kind}$/", {"displayName": name}) for kind, name in TOKEN_KINDS.items()],
        ),
        lines(
            Frame(
                title="Budget in USD",
                why="What was spent in this UTC day and month; the limit where there is one.",
                unit="currencyUSD",
                decimals=2,
            ),
            Ask(expr=f'max by (period) (selfwatch_budget_spent{{{only}, unit="usd"}})', legend="spent this {{period}}"),
            Ask(expr=f'max by (period) (selfwatch_budget_limit{{{only}, unit="usd"}})', legend="limit of a {{period}}"),
            lo=0,
            hi=1,
            overrides=[("/^limit of/", {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}})],
        ),
        lines(
            Frame(title="Runs within an hour by outcome", why="Finished runs.", unit="short"),
            Ask(expr=f"sum by (state) (increase(selfwatch_runs_total{{{only}}}[{HOUR}]))", legend="{{state}}"),
            lo=0,
            stacked=True,
            overrides=[
                ("/^succeeded$/", {"color": fixed("green")}),
                ("/^partial$/", {"color": fixed("yellow")}),
                ("/^failed$/", {"color": fixed("red")}),
                ("/^cancelled$/", {"color": fixed(GREY)}),
            ],
        ),
        lines(
            Frame(title="What became of due runs, within an hour", why="Ran, late, or skipped and why.", unit="short"),
            Ask(
                expr=f"sum by (state, reason) (increase(selfwatch_slots_total{{{only}}}[{HOUR}]))",
                legend="{{state}} {{reason}}",
            ),
            lo=0,
            stacked=True,
            overrides=[
                ("/^ran/", {"color": fixed("green")}),
                ("/^late/", {"color": fixed("yellow")}),
                ("/^skipped/", {"color": {"mode": "shades", "fixedColor": "red"}}),
            ],
        ),
        lines(
            Frame(title="Duration of a run", why="From start to verdict: the mean of an hour for each plan.", unit="s"),
            Ask(
                expr=f"sum by (plan) (rate(selfwatch_run_duration_seconds_sum{{{only}}}[{HOUR}]))"
                f" / sum by (plan) (rate(selfwatch_run_duration_seconds_count{{{only}}}[{HOUR}]) > 0)",
                legend="{{plan}}",
            ),
            lo=0,
        ),
    ]
