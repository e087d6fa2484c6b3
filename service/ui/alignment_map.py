"""The alignment map: what each endpoint says against what it does. A pure function to SVG; every text is escaped."""

from collections.abc import Sequence

from markupsafe import Markup

from service.ui import format as fmt
from service.ui.parts import WORST_FIRST, MapPoint, MapView, endpoint_path
from service.ui.placement import Label, around, place
from service.ui.plane import Plane
from service.ui.svg import mark, tag

PLANE = Plane()
X, Y = PLANE.x, PLANE.y
DOT_RADIUS = 8.0
LABEL_LENGTH = 22
LABEL_ALL_UP_TO = 12
"""With more endpoints than this, only those that are not steady have a name and whiskers on the map."""
LABELS_AT_MOST = 24


def alignment_map(view: MapView) -> Markup:
    """Self-report drift across, behaviour drift up; landmarks, whiskers, one linked mark and label per endpoint."""
    points = sorted(view.points, key=lambda p: (WORST_FIRST.index(p.verdict), p.name))
    captions = PLANE.captions()
    landmarks = [PLANE.cross(one.label, one.x, one.y) for one in view.landmarks]
    named = _named(points)
    labels = place(
        [(fmt.shorten(p.name, LABEL_LENGTH), X(p.x), Y(p.y)) for p in named],
        frame=PLANE.frame,
        taken=[
            *(box for _, box in captions),
            *(box for _, boxes in landmarks for box in boxes),
            *(around(X(p.x), Y(p.y), DOT_RADIUS) for p in points[len(named) :]),
        ],
        avoid=[box for p in named for box in PLANE.whisker_boxes((p.x, p.y), p.x_interval, p.y_interval)],
        dot_radius=DOT_RADIUS,
    )
    placed: list[Label | None] = [*labels, *([None] * (len(points) - len(named)))]
    return tag(
        "svg",
        tag("title", "Alignment map: what each endpoint says of itself against what it does", id="map-title"),
        tag("desc", _description(points), id="map-desc"),
        *PLANE.background(),
        *(drawn for drawn, _ in captions),
        *(drawn for drawn, _ in landmarks),
        *(_whiskers(point) for point in named),
        # the worst is drawn last, on top of its neighbours
        *(_endpoint(point, label) for point, label in reversed(list(zip(points, placed, strict=True)))),
        class_="map", viewBox=f"0 0 {PLANE.width:g} {PLANE.height:g}", role="group",
        aria_labelledby="map-title map-desc",
    )  # fmt: skip


def _named(points: Sequence[MapPoint]) -> Sequence[MapPoint]:
    """Those to label: a prefix of `points`, whose steady ones come last."""
    if len(points) <= LABEL_ALL_UP_TO:
        return points
    notable = [point for point in points if point.verdict != WORST_FIRST[-1]]
    return notable[:LABELS_AT_MOST]


def _whiskers(point: MapPoint) -> Markup:
    path = PLANE.whiskers((point.x, point.y), point.x_interval, point.y_interval)
    return tag("path", d=path, class_=f"whisker {fmt.LOOKS[point.verdict].css}") if path else Markup("")


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
