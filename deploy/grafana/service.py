"""The Service health dashboard: whether Selfwatch itself is well."""

from grafana_foundation_sdk.builders import dashboard as builders

from deploy.grafana.board import SERVICE, board, label_variable
from deploy.grafana.panels import AnyPanel, Ask, Frame, fixed, lines, number, small, yes_or_no
from deploy.grafana.words import TOKEN_KINDS

JOB = 'job="$job"'
RATE = "$__rate_interval"
HOUR = "1h"
"""What happens rarely: over a shorter time its rate would be spikes between zeros."""


def build() -> builders.Dashboard:
    """Is it up, does it keep up, does it reach people, what does it take."""
    found = board(
        "Selfwatch / Service health",
        SERVICE,
        "Selfwatch itself: database, queue, event loop, schedule, notices, budget, retention, and its scrapes.",
        hours=6,
        only=None,
    ).with_variable(label_variable("job", "Scrape job", "selfwatch_database_up", many=False))
    for title, panels in (
        ("Is it up?", _up()),
        ("Does it keep up?", _keeping_up()),
        ("Does it reach people?", _reaching()),
        ("What does it take?", _taking()),
    ):
        found = found.with_row(builders.Row(title))
        for panel in panels:
            found = found.with_panel(panel)
    return found


def _up() -> list[AnyPanel]:
    good_if_one = ((None, "red"), (1.0, "green"))
    return [
        number(
            small(title="Scraped", why="Whether Prometheus reaches every process of Selfwatch."),
            Ask(expr=f"min(up{{{JOB}}})"),
            steps=good_if_one,
            mappings=yes_or_no(good=1),
            none="never",
            trend=False,
        ),
        number(
            small(title="Database usable", why="While it cannot, Selfwatch tries again and loses nothing."),
            Ask(expr=f"min(selfwatch_database_up{{{JOB}}})"),
            steps=good_if_one,
            mappings=yes_or_no(good=1),
            trend=False,
        ),
        number(
            small(title="Offline", why="Nobody can be reached from here: no endpoint is blamed meanwhile."),
            Ask(expr=f"max(selfwatch_offline{{{JOB}}})"),
            mappings=yes_or_no(good=0),
            trend=False,
        ),
        number(
            small(title="Configuration holds", why="Whether the configuration read last is in force."),
            Ask(expr=f"min(selfwatch_config_last_reload_successful{{{JOB}}})"),
            steps=good_if_one,
            mappings=yes_or_no(good=1),
            trend=False,
        ),
        number(
            small(title="Up for", why="Since the process that runs shortest was started.", unit="s", decimals=0),
            Ask(expr=f"min(time() - process_start_time_seconds{{{JOB}}})"),
            trend=False,
        ),
        number(
            small(
                title="Own alerts",
                why="About the installation, by Selfwatch's own rules: offline, a drill that failed.",
                decimals=0,
            ),
            Ask(expr=f'count(selfwatch_alert_state{{{JOB}, endpoint=""}} == 2) or vector(0)'),
            steps=((None, "green"), (1.0, "red")),
            trend=False,
        ),
    ]


def _keeping_up() -> list[AnyPanel]:
    return [
        lines(
            Frame(
                title="Runs that wait for a worker",
                why="A queue that only grows needs more workers, or longer intervals.",
                decimals=0,
            ),
            Ask(expr=f"max(selfwatch_queue_depth{{{JOB}}})", legend="waiting"),
            lo=0,
        ),
        lines(
            Frame(
                title="Start of scheduled runs after their slot",
                why="How late the newest scheduled run of each plan began: the middle endpoint, and the latest.",
                unit="s",
            ),
            Ask(expr=f"quantile(0.5, selfwatch_slot_lateness_seconds{{{JOB}}})", legend="median"),
            Ask(expr=f"max(selfwatch_slot_lateness_seconds{{{JOB}}})", legend="latest"),
            lo=0,
        ),
        lines(
            Frame(
                title="Due runs within an hour",
                why="What became of each time a run was due: ran, late, or skipped.",
                unit="short",
            ),
            Ask(expr=f"sum by (state) (increase(selfwatch_slots_total{{{JOB}}}[{HOUR}]))", legend="{{state}}"),
            lo=0,
            stacked=True,
            overrides=[
                ("/^ran$/", {"color": fixed("green")}),
                ("/^late$/", {"color": fixed("yellow")}),
                ("/^skipped$/", {"color": fixed("red")}),
            ],
        ),
        lines(
            Frame(
                title="Lateness of the event loop",
                why="How late it wakes up from a short sleep, and the most CPU time "
                "of its own thread in one late wake-up, in 5 minutes. Late without being busy: the machine is crowded.",
                unit="s",
            ),
            Ask(expr=f"max(selfwatch_event_loop_lag_max_seconds{{{JOB}}})", legend="latest wake-up"),
            Ask(expr=f"max(selfwatch_event_loop_busy_max_seconds{{{JOB}}})", legend="busy itself"),
            Ask(
                expr="histogram_quantile(0.99, sum by (le) "
                f"(rate(selfwatch_event_loop_lag_seconds_bucket{{{JOB}}}[{RATE}])))",
                legend="99 % stay below",
            ),
            lo=0,
        ),
        lines(
            Frame(title="Duration of a scrape", why="How long Prometheus waits for the metrics.", unit="s"),
            Ask(expr=f"max by (instance) (scrape_duration_seconds{{{JOB}}})", legend="{{instance}}"),
            lo=0,
        ),
        lines(
            Frame(
                title="Series a scrape",
                why="How many series Selfwatch exports; they grow with endpoints.",
                unit="short",
                decimals=0,
            ),
            Ask(expr=f"max by (instance) (scrape_samples_scraped{{{JOB}}})", legend="{{instance}}"),
            lo=0,
        ),
    ]


def _reaching() -> list[AnyPanel]:
    return [
        lines(
            Frame(
                title="Outbox: notices that wait",
                why="Waiting for their first delivery, or for another attempt.",
                decimals=0,
            ),
            Ask(expr=f"max by (notifier) (selfwatch_notifications_pending{{{JOB}}})", legend="{{notifier}}"),
            lo=0,
        ),
        lines(
            Frame(
                title="Outbox: notices given up",
                why="They were not delivered. GET /api/v1/deliveries?state=dead has "
                "the reasons; each can be sent again.",
                decimals=0,
            ),
            Ask(expr=f"max by (notifier) (selfwatch_notifications_dead{{{JOB}}})", legend="{{notifier}}"),
            lo=0,
            hi=1,
        ),
        lines(
            Frame(title="Attempts to deliver within an hour", why="By notifier and outcome.", unit="short"),
            Ask(
                expr=f"sum by (notifier, outcome) (increase(selfwatch_notifications_total{{{JOB}}}[{HOUR}]))",
                legend="{{notifier}}: {{outcome}}",
            ),
            lo=0,
            stacked=True,
        ),
    ]


def _taking() -> list[AnyPanel]:
    return [
        lines(
            Frame(title="Memory", why="Resident memory of each process.", unit="bytes"),
            Ask(expr=f"process_resident_memory_bytes{{{JOB}}}", legend="{{instance}}"),
            lo=0,
        ),
        lines(
            Frame(title="CPU", why="Cores in use by each process.", decimals=2),
            Ask(expr=f"rate(process_cpu_seconds_total{{{JOB}}}[{RATE}])", legend="{{instance}}"),
            lo=0,
        ),
        lines(
            Frame(title="Open files and sockets", why="Of each process.", unit="short", decimals=0),
            Ask(expr=f"process_open_fds{{{JOB}}}", legend="{{instance}}"),
            lo=0,
        ),
        lines(
            Frame(title="Size of the database", why="Its file, its log, and what is in use of it.", unit="bytes"),
            Ask(expr=f"max by (part) (selfwatch_database_bytes{{{JOB}}})", legend="{{part}}"),
            lo=0,
        ),
        lines(
            Frame(
                title="Rows removed by retention within an hour",
                why="Replies emptied and answers deleted, because of their age or for space.",
                decimals=0,
            ),
            Ask(
                expr=f"sum by (what) (increase(selfwatch_retention_removed_rows_total{{{JOB}}}[{HOUR}]))",
                legend="{{what}}",
            ),
            lo=0,
            hi=1,
        ),
        lines(
            Frame(
                title="Budget of all endpoints",
                why="USD spent in this UTC day and month; the limit where there is one.",
                unit="currencyUSD",
                decimals=2,
            ),
            Ask(
                expr=f'max by (period) (selfwatch_budget_spent{{{JOB}, endpoint="", unit="usd"}})',
                legend="spent this {{period}}",
            ),
            Ask(
                expr=f'max by (period) (selfwatch_budget_limit{{{JOB}, endpoint="", unit="usd"}})',
                legend="limit of a {{period}}",
            ),
            lo=0,
            hi=1,
            overrides=[("/^limit of/", {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}})],
        ),
        lines(
            Frame(
                title="Tokens within an hour, all endpoints",
                why="Asked and answered, and what the judge took.",
                unit="short",
                width=12,
            ),
            Ask(expr=f"sum by (kind) (increase(selfwatch_tokens_total{{{JOB}}}[{HOUR}]))", legend="{{kind}}"),
            lo=0,
            stacked=True,
            overrides=[(f"/^{kind}$/", {"displayName": name}) for kind, name in TOKEN_KINDS.items()],
        ),
        lines(
            Frame(title="Answers within an hour, all endpoints", why="Scored, or why not.", unit="short", width=12),
            Ask(expr=f"sum by (outcome) (increase(selfwatch_answers_total{{{JOB}}}[{HOUR}]))", legend="{{outcome}}"),
            lo=0,
            stacked=True,
            overrides=[("/^scored$/", {"color": fixed("green")})],
        ),
    ]
