"""The alignment map: what each endpoint says against what it does. A pure function to SVG; every text is escaped."""

from collections.abc import Sequence

from markupsafe import Markup

from service.ui import format as fmt
from service.ui.charts import linear
from service.ui.parts import WORST_FIRST, Landmark, MapPoint, MapView, endpoint_path
from service.ui.placement import LINE_HEIGHT, Box, Label, around, place, text_width
from service.ui.svg import mark, tag

WIDTH, HEIGHT = 420.0, 410.0
FRAME = Box(left=44.0, top=10.0, right=WIDTH - 8, bottom=HEIGHT - 44)
DOMAIN = (-0.15, 1.3)
HALF = 0.5
"""Halfway from base to misaligned: where the quarters meet. A guide for the eye; the verdict rests on evidence."""
DOT_RADIUS = 8.0
LABEL_LENGTH = 22
LABEL_ALL_UP_TO = 12
"""With more endpoints than this, only those that are not steady have a name and whiskers on the map."""
LABELS_AT_MOST = 24

X = linear(DOMAIN, (FRAME.left, FRAME.right))
Y = linear(DOMAIN, (FRAME.bottom, FRAME.top))

QUARTERS: tuple[tuple[tuple[str, ...], str, bool, bool], ...] = (
    (("steady",), "steady", False, False),
    (("says so, does not act", "self-report shift"), "says", True, False),
    (("acts, does not say so", "inverted persona"), "acts", False, True),
    (("says so and acts", "coherent misalignment"), "both", True, True),
)
"""(caption lines, class, in the right half, in the upper half)"""


def alignment_map(view: MapView) -> Markup:
    """Self-report drift across, behaviour drift up; landmarks, whiskers, one linked mark and label per endpoint."""
    points = sorted(view.points, key=lambda p: (WORST_FIRST.index(p.verdict), p.name))
    captions = [_caption(*quarter) for quarter in QUARTERS]
    landmarks = [_landmark(landmark) for landmark in view.landmarks]
    named = _named(points)
    labels = place(
        [(fmt.shorten(p.name, LABEL_LENGTH), X(p.x), Y(p.y)) for p in named],
        frame=FRAME,
        taken=[
            *(box for _, box in captions),
            *(box for _, boxes in landmarks for box in boxes),
            *(around(X(p.x), Y(p.y), DOT_RADIUS) for p in points[len(named) :]),
        ],
        avoid=[box for p in named for box in _whisker_boxes(p)],
        dot_radius=DOT_RADIUS,
    )
    placed: list[Label | None] = [*labels, *([None] * (len(points) - len(named)))]
    return tag(
        "svg",
        tag("title", "Alignment map: what each endpoint says of itself against what it does", id="map-title"),
        tag("desc", _description(points), id="map-desc"),
        *_background(),
        *(drawn for drawn, _ in captions),
        *(drawn for drawn, _ in landmarks),
        *(_whiskers(point) for point in named),
        # the worst is drawn last, on top of its neighbours
        *(_endpoint(point, label) for point, label in reversed(list(zip(points, placed, strict=True)))),
        class_="map", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="group", aria_labelledby="map-title map-desc",
    )  # fmt: skip


def _named(points: Sequence[MapPoint]) -> Sequence[MapPoint]:
    """Those to label: a prefix of `points`, whose steady ones come last."""
    if len(points) <= LABEL_ALL_UP_TO:
        return points
    notable = [point for point in points if point.verdict != WORST_FIRST[-1]]
    return notable[:LABELS_AT_MOST]


def _background() -> list[Markup]:
    parts = [
        tag(
            "rect", class_=f"quarter {css}", x=X(HALF) if right else FRAME.left, y=FRAME.top if upper else Y(HALF),
            width=(FRAME.right - X(HALF)) if right else (X(HALF) - FRAME.left),
            height=(Y(HALF) - FRAME.top) if upper else (FRAME.bottom - Y(HALF)),
        )
        for _, css, right, upper in QUARTERS
    ]  # fmt: skip
    parts.append(tag("line", class_="direction", x1=X(0), y1=Y(0), x2=X(1), y2=Y(1)))
    for value in (0.0, 0.5, 1.0):
        parts.append(tag("line", class_="grid", x1=X(value), x2=X(value), y1=FRAME.top, y2=FRAME.bottom))
        parts.append(tag("line", class_="grid", x1=FRAME.left, x2=FRAME.right, y1=Y(value), y2=Y(value)))
        parts.append(
            tag("text", f"{value:g}", class_="tick", x=X(value), y=FRAME.bottom + 15, text_anchor="middle")
        )  # fmt: skip
        parts.append(tag("text", f"{value:g}", class_="tick", x=FRAME.left - 6, y=Y(value) + 4, text_anchor="end"))
    middle_x, middle_y = (FRAME.left + FRAME.right) / 2, (FRAME.top + FRAME.bottom) / 2
    parts.append(
        tag("text", "self-report drift: what it says →", class_="axis", x=middle_x, y=HEIGHT - 9, text_anchor="middle")
    )
    parts.append(
        tag("text", "behaviour drift: what it does →", class_="axis", text_anchor="middle",
            transform=f"translate(13 {middle_y:g}) rotate(-90)")
    )  # fmt: skip
    return parts


def _caption(lines: tuple[str, ...], css: str, right: bool, upper: bool) -> tuple[Markup, Box]:
    x = FRAME.right - 8 if right else FRAME.left + 8
    height = len(lines) * LINE_HEIGHT
    top = FRAME.top + 5 if upper else FRAME.bottom - 5 - height
    width = max(text_width(line) for line in lines)
    drawn = [
        tag("text", line, class_=f"caption {css}" if i == 0 else "caption second", x=x,
            y=top + (i + 1) * LINE_HEIGHT - 3, text_anchor="end" if right else "start")
        for i, line in enumerate(lines)
    ]  # fmt: skip
    box = Box(left=x - width if right else x, top=top, right=x if right else x + width, bottom=top + height)
    return Markup("").join(drawn), box


def _landmark(landmark: Landmark) -> tuple[Markup, tuple[Box, Box]]:
    x, y = X(landmark.x), Y(landmark.y)
    cross = tag("path", d=f"M{x - 5:.1f},{y:.1f} h10 M{x:.1f},{y - 5:.1f} v10", class_="cross")
    # steady endpoints crowd around base: its label goes below and to the left, out of their way
    at_base = landmark.x <= 0 and landmark.y <= 0
    end, bottom = (x - 8, y + 19) if at_base else (x + text_width(landmark.label) / 2, y - 8)
    text = tag("text", landmark.label, class_="landmark-label", x=end, y=bottom - 3, text_anchor="end")
    name = tag("title", f"{landmark.label}: the published state")
    label = Box(left=end - text_width(landmark.label), top=bottom - 13, right=end, bottom=bottom)
    return tag("g", name, cross, text, class_="landmark"), (around(x, y, 6), label)


def _whiskers(point: MapPoint) -> Markup:
    x, y = X(point.x), Y(point.y)
    path = ""
    if point.x_interval is not None:
        low, high = X(point.x_interval[0]), X(point.x_interval[1])
        path += f"M{low:.1f},{y - 3:.1f} v6 M{low:.1f},{y:.1f} H{high:.1f} M{high:.1f},{y - 3:.1f} v6 "
    if point.y_interval is not None:
        low, high = Y(point.y_interval[0]), Y(point.y_interval[1])
        path += f"M{x - 3:.1f},{low:.1f} h6 M{x:.1f},{low:.1f} V{high:.1f} M{x - 3:.1f},{high:.1f} h6"
    return tag("path", d=path.strip(), class_=f"whisker {fmt.LOOKS[point.verdict].css}") if path else Markup("")


def _whisker_boxes(point: MapPoint) -> list[Box]:
    x, y = X(point.x), Y(point.y)
    boxes = []
    if point.x_interval is not None:
        boxes.append(Box(left=X(point.x_interval[0]), right=X(point.x_interval[1]), top=y - 3, bottom=y + 3))
    if point.y_interval is not None:
        boxes.append(Box(left=x - 3, right=x + 3, top=Y(point.y_interval[1]), bottom=Y(point.y_interval[0])))
    return boxes


def _endpoint(point: MapPoint, label: Label | None) -> Markup:
    said = (
        f"{point.name}: {fmt.LOOKS[point.verdict].label}; self-report drift {_value(point.x, point.x_interval)}, "
        f"behaviour drift {_value(point.y, point.y_interval)}" + ("; not reached lately" if point.stale else "")
    )
    parts = [tag("title", said), mark(point.verdict, X(point.x), Y(point.y), stale=point.stale)]
    if label is not None:
        if label.leader is not None:
            x1, y1, x2, y2 = label.leader
            parts.append(tag("line", class_="leader", x1=x1, y1=y1, x2=x2, y2=y2))
        middle = (label.box.left + label.box.right) / 2
        parts.append(
            tag("text", label.text, class_="name", x=middle, y=label.box.bottom - 3, text_anchor="middle")
        )  # fmt: skip
    return tag("a", *parts, class_="point", href=endpoint_path(point.name), aria_label=said)


def _value(value: float, interval: tuple[float, float] | None) -> str:
    return fmt.number(value) + (f" ({fmt.interval(*interval)})" if interval is not None else "")


def _description(points: Sequence[MapPoint]) -> str:
    if not points:
        return "No endpoint has been measured on both arms yet."
    said = [
        f"{p.name}: self-report {fmt.number(p.x)}, behaviour {fmt.number(p.y)}, {fmt.LOOKS[p.verdict].label}"
        for p in points[:LABELS_AT_MOST]
    ]
    return "0 is base, 1 is misaligned. " + "; ".join(said) + "."
