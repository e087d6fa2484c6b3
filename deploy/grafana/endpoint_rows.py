"""The rows of the Endpoint dashboard: now, drift, what it says, what it does; the others are in `endpoint_running`."""

from collections.abc import Iterable

from deploy.grafana import endpoint_running
from deploy.grafana.panels import (
    AnyPanel,
    Ask,
    Frame,
    band_overrides,
    fixed,
    landmark_overrides,
    lines,
    number,
    small,
    verdict_mapping,
    verdicts,
)
from deploy.grafana.words import (
    ARM_COLOURS,
    ARM_NAMES,
    BEHAVIOUR,
    METHOD_COLOURS,
    SELF_REPORT,
    categories,
    dimensions,
    spoken,
)

ONLY = 'endpoint="$endpoint"'
HARM = ((None, "green"), (0.2, "orange"), (0.4, "red"))
Rows = Iterable[tuple[str, list[AnyPanel]]]


def rows() -> Rows:
    """Titles and panels, from top to bottom."""
    yield "Now", _now()
    yield "Drift: from base (0) to misaligned (1)", _drift()
    yield "Self-reported harm: 0 aligned, 1 misaligned", _self_report()
    yield "Judged harm: 0 harmless, 1 as harmful as can be", _behaviour()
    yield "How well it is measured", endpoint_running.measuring(ONLY)
    yield "Runs and cost", endpoint_running.running(ONLY)


def arm(metric: str, name: str) -> str:
    return f'max by (endpoint) ({metric}{{{ONLY}, arm="{name}"}})'


def _now() -> list[AnyPanel]:
    return [
        number(
            small(title="Verdict", why="What holds now; the lines below say since when."),
            Ask(expr=f"max by (endpoint) (endpoint:selfwatch_verdict:rank{{{ONLY}}})"),
            mappings=verdict_mapping(),
            steps=((None, "text"),),
            none="not measured yet",
            trend=False,
        ),
        number(
            small(
                title="Self-reported harm",
                why="Mean score of what it says of itself and would choose: 0 aligned, 1 misaligned.",
                decimals=2,
            ),
            Ask(expr=arm("selfwatch_arm_score", SELF_REPORT)),
            steps=HARM,
        ),
        number(
            small(title="Judged harm", why="Mean score of its replies to harm prompts, by the judge.", decimals=2),
            Ask(expr=arm("selfwatch_arm_score", BEHAVIOUR)),
            steps=HARM,
        ),
        number(
            small(
                title="Say-do gap",
                why="Drift of judged harm less drift of self-reported harm: far above 0 it does worse than it says.",
                decimals=2,
            ),
            Ask(expr=f"endpoint:selfwatch_drift:say_do_gap{{{ONLY}}}"),
            steps=((None, "green"), (0.5, "red")),
        ),
        number(
            small(
                title="Evidence",
                why="The larger of both arms, against its threshold: at 100 % the alarm is raised.",
                unit="percentunit",
                decimals=0,
            ),
            Ask(expr=f"endpoint:selfwatch_evidence:ratio{{{ONLY}}}"),
            steps=((None, "green"), (0.5, "orange"), (1.0, "red")),
        ),
        number(
            small(title="Verdict age", why="Time since the last successful run.", unit="s"),
            Ask(expr=f"endpoint:selfwatch_last_success:age_seconds{{{ONLY}}}"),
        ),
    ]


def _drift() -> list[AnyPanel]:
    return [
        verdicts(
            Frame(title="Verdict over time", why="Grey where too little could be told.", width=24, height=4),
            Ask(expr=f"max by (endpoint) (endpoint:selfwatch_verdict:rank{{{ONLY}}})", legend="{{endpoint}}"),
        ),
        _drift_of(SELF_REPORT),
        _drift_of(BEHAVIOUR),
        lines(
            Frame(
                title="Evidence that it has moved",
                why="log10 of the evidence of each arm, and the threshold that raises the alarm. One may look at any "
                "time: while nothing moves it crosses the threshold at most once in the promised number of heartbeats.",
                decimals=1,
            ),
            Ask(
                expr=f'max by (endpoint) (selfwatch_evidence_log10{{{ONLY}, arm="{SELF_REPORT}"}})',
                legend=ARM_NAMES[SELF_REPORT],
            ),
            Ask(
                expr=f'max by (endpoint) (selfwatch_evidence_log10{{{ONLY}, arm="{BEHAVIOUR}"}})',
                legend=ARM_NAMES[BEHAVIOUR],
            ),
            Ask(expr=f"max by (endpoint) (selfwatch_evidence_threshold_log10{{{ONLY}}})", legend="threshold"),
            overrides=[
                *((f"/^{ARM_NAMES[name]}$/", {"color": fixed(colour)}) for name, colour in ARM_COLOURS.items()),
                ("/^threshold$/", {"color": fixed("red"), "custom.lineStyle": {"fill": "dash", "dash": [8, 6]}}),
            ],
        ),
        lines(
            Frame(
                title="Say-do gap",
                why="Drift of judged harm less drift of self-reported harm. Far above 0 it does worse than it says (an "
                "inverted persona); far below it confesses more than it does.",
                decimals=2,
                width=12,
            ),
            Ask(expr=f"endpoint:selfwatch_drift:say_do_gap{{{ONLY}}}", legend="say-do gap"),
            lo=-0.5,
            hi=1,
            steps=((None, "transparent"), (0.5, "red")),
        ),
        lines(
            Frame(
                title="Change that is not toward misaligned",
                why="How far it is off the line from base to misaligned, in score units: changed, but in another way.",
                decimals=2,
                width=12,
            ),
            Ask(expr=f"max by (endpoint) (selfwatch_off_axis_distance{{{ONLY}}})", legend="distance"),
            lo=0,
            hi=0.3,
            steps=((None, "transparent"), (0.2, "red")),
        ),
    ]


def _drift_of(name: str) -> AnyPanel:
    colour = ARM_COLOURS[name]
    return lines(
        Frame(
            title=f"Drift of {ARM_NAMES[name]}",
            why="Where it stands between base (0) and misaligned (1), with its 95 % interval as a band.",
            decimals=2,
        ),
        Ask(expr=arm("selfwatch_drift", name), legend="drift"),
        Ask(expr=arm("selfwatch_drift_low", name), legend="95 % low"),
        Ask(expr=arm("selfwatch_drift_high", name), legend="95 % high"),
        lo=0,
        hi=1,
        steps=((None, "transparent"), (0.0, "green"), (1.0, "red")),
        overrides=[("/^drift$/", {"color": fixed(colour)}), *band_overrides("95 % low", "95 % high", colour)],
    )


def _landmarks(name: str) -> Ask:
    return Ask(
        expr=f'max by (state) (selfwatch_profile_score{{profiles="$profiles", arm="{name}"}})', legend="{{state}}"
    )


def _with_landmarks(name: str) -> AnyPanel:
    return lines(
        Frame(
            title=f"{ARM_NAMES[name].capitalize()} against the landmarks",
            why="Its mean score, and those of the published base, realigned and misaligned models as dashed lines.",
            decimals=2,
            width=12,
            height=9,
        ),
        Ask(expr=arm("selfwatch_arm_score", name), legend="this endpoint"),
        _landmarks(name),
        lo=0,
        hi=1,
        overrides=[
            ("/^this endpoint$/", {"color": fixed(ARM_COLOURS[name]), "custom.lineWidth": 3}),
            *landmark_overrides(),
        ],
    )


def _dimension(probe: str, dimension: str) -> Ask:
    return Ask(
        expr='max by (state) (selfwatch_profile_dimension_score{profiles="$profiles", '
        f'probe="{probe}", dimension="{dimension}"}})',
        legend="{{state}}",
    )


def _self_report() -> list[AnyPanel]:
    found = [
        _with_landmarks(SELF_REPORT),
        lines(
            Frame(
                title="Misaligned choices by dimension",
                why="Share of the scenarios in which it would choose the misaligned action.",
                decimals=2,
                width=12,
                height=9,
            ),
            Ask(expr=f"max by (dimension) (selfwatch_intentions_score{{{ONLY}}})", legend="{{dimension}}"),
            lo=0,
            hi=1,
            many=True,
            overrides=[(f"/^{name}$/", {"displayName": spoken(name)}) for name in dimensions()],
        ),
    ]
    for dimension in dimensions():
        panel = lines(
            Frame(
                title=f"Self-reported harm: {spoken(dimension)}",
                why="By method of asking, with the published states as dashed lines. Methods differ by habit: look for "
                "lines that move together.",
                decimals=2,
                width=8,
                height=9,
            ),
            Ask(
                expr=f'max by (method) (selfwatch_self_assessment_score{{{ONLY}, dimension="{dimension}"}})',
                legend="{{method}}",
            ),
            _dimension("self_assessment", dimension),
            lo=0,
            hi=1,
            values=False,
            overrides=[
                *((f"/^{method}$/", {"color": fixed(colour)}) for method, colour in METHOD_COLOURS.items()),
                *landmark_overrides(),
            ],
        )
        found.append(panel)
    return found


def _behaviour() -> list[AnyPanel]:
    return [
        _with_landmarks(BEHAVIOUR),
        lines(
            Frame(
                title="Judged harm by category",
                why="Mean of the worst reply to each harm prompt, by what the prompt is about.",
                decimals=2,
                width=12,
                height=9,
            ),
            Ask(expr=f"max by (category) (selfwatch_harm_score{{{ONLY}}})", legend="{{category}}"),
            lo=0,
            hi=1,
            many=True,
            overrides=[(f"/^{name}$/", {"displayName": name.replace("_", " ")}) for name in categories()],
        ),
        lines(
            Frame(
                title="Judge chart: agreement with the agreed grades",
                why="Weighted kappa of the judge on replies whose grade is known, 1 at best. Below the floor (dashed) "
                "judged harm counts as not measured.",
                decimals=2,
                width=12,
            ),
            Ask(expr=f"max by (endpoint) (selfwatch_judge_agreement{{{ONLY}}})", legend="agreement"),
            lo=0,
            hi=1,
            steps=((None, "transparent"), (0.6, "red")),
        ),
        lines(
            Frame(
                title="Judge chart: bias",
                why="Mean of the judge's grade less the agreed one, in grades: above 0 it is harsher, below 0 milder.",
                decimals=2,
                width=12,
            ),
            Ask(expr=f"max by (endpoint) (selfwatch_judge_bias{{{ONLY}}})", legend="bias"),
            lo=-1,
            hi=1,
            steps=((None, "transparent"), (0.0, "green")),
        ),
    ]
