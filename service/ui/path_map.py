"""The alignment map of one endpoint: its way past the paper's models. A pure function to SVG; every text is escaped."""

from collections.abc import Sequence
from math import dist

from markupsafe import Markup

from baselines.types import Arm, State
from service.ui import format as fmt
from service.ui.parts import run_path
from service.ui.placement import Box, Label, around, place
from service.ui.plane import Interval, Plane
from service.ui.svg import mark, points, tag
from service.ui.views.trajectory import Reading, Step, Trajectory, Variant

STEPS_AT_MOST = 24
"""Dots of the way: more would be a scribble."""
LEAST, MOST = (-0.55, -0.3), (1.3, 1.9)
"""How far the lower and the upper end of the axes move to hold what is shown. Beyond, it is drawn at the edge."""
MARGIN = 0.25
"""Around what is shown, so that the names of the quarters stand clear of it."""
VARIANT_RADIUS = 4.5
STEP_RADIUS = 4.0
SHOWN_ARROW_PX = 16.0
"""Shorter legs have no room for an arrow."""
AGES = 4
"""Classes of age, age-0 the newest: older fades."""
SHAPES = {
    State.BASE: "M-4.5,0 a4.5,4.5 0 1 0 9,0 a4.5,4.5 0 1 0 -9,0",
    State.MISALIGNED: "M0,-5 L5,0 L0,5 L-5,0 Z",
    State.REALIGNED: "M0,-5 L4.8,4 H-4.8 Z",
}
"""A shape for each state, so that they differ without colour."""


def path_map(view: Trajectory) -> Markup:
    """Self-report drift across, behaviour drift up; numbered landmarks, and the way with a linked dot for each run."""
    steps = shown_steps(view)
    plane = plane_of(view)
    captions = plane.captions()
    crosses = [plane.cross(state, *at) for state, at in _states(view)]
    return tag(
        "svg",
        tag("title", "Alignment map of this endpoint: what it says against what it does, over time", id="path-title"),
        tag("desc", _description(steps), id="path-desc"),
        *plane.background(),
        *(drawn for drawn, _ in captions),
        *(drawn for drawn, _ in crosses),
        *_variants(plane, view, steps, [box for _, box in captions] + [box for _, two in crosses for box in two]),
        *_way(plane, steps),
        class_="map path-map", viewBox=f"0 0 {plane.width:g} {plane.height:g}", role="group",
        aria_labelledby="path-title path-desc",
    )  # fmt: skip


def shown_steps(view: Trajectory) -> list[Step]:
    """The runs on the map, oldest first: those that measured both arms, evenly chosen, the newest among them."""
    both = [step for step in view.steps if step.both is not None]
    if len(both) <= STEPS_AT_MOST:
        return both
    return [both[-1 - index * len(both) // STEPS_AT_MOST] for index in reversed(range(STEPS_AT_MOST))]


def plane_of(view: Trajectory) -> Plane:
    """A plane that holds landmarks and way, as far as the ends of its axes may move."""
    reached = [arm.drift for step in shown_steps(view) for arm in step.both or ()]
    reached += [value for one in view.variants for value in (one.x, one.y)]
    low = min([LEAST[1] + MARGIN, *reached]) - MARGIN
    high = max([MOST[0] - MARGIN, *reached]) + MARGIN
    return Plane(domain=(max(low, LEAST[0]), min(high, MOST[1])))


def _states(view: Trajectory) -> list[tuple[State, tuple[float, float]]]:
    said, done = view.landmarks.get(Arm.SELF_REPORT, {}), view.landmarks.get(Arm.BEHAVIOUR, {})
    return [(state, (said[state], done[state])) for state in said if state in done]


def _variants(plane: Plane, view: Trajectory, steps: Sequence[Step], taken: Sequence[Box]) -> list[Markup]:
    way = [around(*_pixel(plane, step.both), STEP_RADIUS) for step in steps if step.both]
    newest = steps[-1].both if steps else None
    whiskers = _whisker_boxes(plane, newest) if newest else []
    groups: dict[tuple[int, int], list[Variant]] = {}
    for one in view.variants:  # those at the edge may fall on one spot: they share a label
        groups.setdefault((round(plane.x(one.x)), round(plane.y(one.y))), []).append(one)
    labels = place(
        [(", ".join(str(one.number) for one in group), float(x), float(y)) for (x, y), group in groups.items()],
        frame=plane.frame, taken=taken, avoid=[*way, *whiskers], dot_radius=VARIANT_RADIUS + 1,
    )  # fmt: skip
    marks = [
        tag("g", tag("title", variant_words(one)), _shape(plane, one), class_=f"variant {one.state}")
        for one in view.variants
    ]
    return marks + [part for label in labels if label is not None for part in _number(label)]


def _number(label: Label) -> list[Markup]:
    parts = []
    if label.leader is not None:
        x1, y1, x2, y2 = label.leader
        parts.append(tag("line", class_="leader", x1=x1, y1=y1, x2=x2, y2=y2))
    middle = (label.box.left + label.box.right) / 2
    text = tag("text", label.text, class_="number", x=middle, y=label.box.bottom - 3, text_anchor="middle")
    return [*parts, text]


def _shape(plane: Plane, one: Variant) -> Markup:
    at = f"translate({plane.x(one.x):.1f} {plane.y(one.y):.1f})"
    inside = plane.inside(one.x, one.y)
    return tag("path", d=SHAPES[one.state], transform=at, class_="shape" if inside else "shape beyond")


def variant_icon(state: State) -> Markup:
    """The landmark's shape, for its line in the legend, where its name stands beside it."""
    shape = tag("path", d=SHAPES[state], class_="shape")
    return tag(
        "svg", shape, class_=f"icon variant {state}", viewBox="-8 -8 16 16", aria_hidden="true", focusable="false"
    )


def variant_words(one: Variant) -> str:
    return f"{one.number}: {one.label}; self-report {fmt.number(one.x)}, behaviour {fmt.number(one.y)}"


def _way(plane: Plane, steps: Sequence[Step]) -> list[Markup]:
    """Legs with arrows, then intervals, then dots: the newest on top of all."""
    at = [_pixel(plane, step.both) for step in steps if step.both]
    parts = []
    for index in range(1, len(at)):
        age = _age(index, len(at))
        parts.append(tag("polyline", class_=f"leg age-{age}", points=points([at[index - 1], at[index]])))
        parts.append(_arrow(at[index - 1], at[index], age))
    parts += [_interval(plane, step, _age(index, len(at))) for index, step in enumerate(steps)]
    parts += [_dot(plane, step, _age(index, len(at))) for index, step in enumerate(steps)]
    return parts


def _age(index: int, count: int) -> int:
    """0 for the newest alone, then in equal parts to the oldest."""
    back = count - 1 - index
    return 0 if back == 0 else 1 + min((back - 1) * AGES // max(count - 1, 1), AGES - 1)


def _arrow(start: tuple[float, float], end: tuple[float, float], age: int) -> Markup:
    length = dist(start, end)
    if length < SHOWN_ARROW_PX:
        return Markup("")
    dx, dy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    x, y = start[0] + dx * length * 0.58, start[1] + dy * length * 0.58
    tip, left, right = (x + dx * 5, y + dy * 5), (x - dy * 4, y + dx * 4), (x + dy * 4, y - dx * 4)
    return tag("polygon", class_=f"arrow age-{age}", points=points([tip, left, right]))


def _interval(plane: Plane, step: Step, age: int) -> Markup:
    """Whiskers around the newest; around older ones an ellipse as wide and as high as their intervals."""
    if step.both is None:
        return Markup("")
    said, done = step.both
    if age == 0:
        path = plane.whiskers((said.drift, done.drift), said.interval, done.interval)
        return tag("path", d=path, class_=f"whisker newest {fmt.LOOKS[step.verdict].css}") if path else Markup("")
    across, up = said.interval, done.interval
    if across is None or up is None:
        return Markup("")
    left, right, low, high = plane.x(across[0]), plane.x(across[1]), plane.y(up[0]), plane.y(up[1])
    return tag("ellipse", class_=f"interval age-{age}", cx=(left + right) / 2, cy=(low + high) / 2,
               rx=max((right - left) / 2, 1.0), ry=max((low - high) / 2, 1.0))  # fmt: skip


def _dot(plane: Plane, step: Step, age: int) -> Markup:
    if step.both is None:
        return Markup("")
    x, y = _pixel(plane, step.both)
    said = step_words(step)
    if age == 0:
        drawn = tag("g", mark(step.verdict, x, y), class_="now")
    else:
        drawn = tag("circle", class_=f"step age-{age} {fmt.LOOKS[step.verdict].css}", cx=x, cy=y, r=STEP_RADIUS)
    return tag("a", tag("title", said), drawn, href=run_path(step.run_id), aria_label=said, class_="point")


def step_words(step: Step) -> str:
    """`2026-11-24 09:30:15 UTC, heartbeat: steady; self-report 0.02 (-0.06 to 0.10), behaviour ...`."""
    told = [f"{fmt.exact(step.at)}, {step.plan}: {fmt.LOOKS[step.verdict].label}"]
    if step.both is not None:
        told += [f"{name} {_value(one)}" for name, one in zip(("self-report", "behaviour"), step.both, strict=True)]
    return "; ".join(told)


def _value(one: Reading) -> str:
    return fmt.number(one.drift) + (f" ({fmt.interval(*one.interval)})" if one.interval is not None else "")


def _pixel(plane: Plane, both: tuple[Reading, Reading] | None) -> tuple[float, float]:
    if both is None:
        raise ValueError("a run without both arms has no place on the map")
    return plane.x(both[0].drift), plane.y(both[1].drift)


def _whisker_boxes(plane: Plane, both: tuple[Reading, Reading]) -> list[Box]:
    said: Interval | None = both[0].interval
    return plane.whisker_boxes((both[0].drift, both[1].drift), said, both[1].interval)


def _description(steps: Sequence[Step]) -> str:
    if not steps:
        return "No run in this span has measured both arms."
    newest = steps[-1]
    told = f"0 is base, 1 is misaligned. Newest: {step_words(newest)}."
    return told if len(steps) == 1 else f"{told} It began at: {step_words(steps[0])}."
