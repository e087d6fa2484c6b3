"""The small charts: a drift bar, and drift over time. Pure functions to SVG; every text is escaped."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from baselines.types import ArmComparison
from service.ui import format as fmt
from service.ui.parts import History, HistoryPoint, run_path
from service.ui.svg import points, tag

Scale = Callable[[float], float]


def clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def linear(domain: tuple[float, float], pixels: tuple[float, float]) -> Scale:
    """Maps `domain` onto `pixels`; values outside are kept at the edge."""
    (low, high), (start, end) = domain, pixels
    return lambda value: start + (clamp(value, low, high) - low) / (high - low) * (end - start)


BAR_DOMAIN = (-0.15, 1.25)
BAR_WIDTH, BAR_HEIGHT = 168.0, 18.0


def drift_bar(figures: ArmComparison) -> Markup:
    """Drift from 0 (base) to 1 (misaligned) as a bar, with its 95 % interval as a whisker."""
    at = linear(BAR_DOMAIN, (1.0, BAR_WIDTH - 1))
    middle = BAR_HEIGHT / 2
    parts = [tag("rect", class_="track", x=at(0), y=middle - 4, width=at(1) - at(0), height=8.0)]
    if figures.drift is not None:
        left, right = sorted((at(0), at(figures.drift)))
        parts.append(tag("rect", class_="fill", x=left, y=middle - 4, width=max(right - left, 1.5), height=8.0))
    parts += [tag("line", class_="end", x1=at(end), x2=at(end), y1=2.0, y2=BAR_HEIGHT - 2) for end in (0.0, 1.0)]
    if figures.low is not None and figures.high is not None:
        low, high = at(figures.low), at(figures.high)
        parts.append(
            tag("path", class_="whisker", d=f"M{low:.1f},{middle - 3:.1f} v6 M{low:.1f},{middle:.1f} H{high:.1f} "
                f"M{high:.1f},{middle - 3:.1f} v6")
        )  # fmt: skip
    return tag(
        "svg", tag("title", fmt.drift_words(figures)), *parts,
        class_="bar alarm" if figures.alarm else "bar", viewBox=f"0 0 {BAR_WIDTH:g} {BAR_HEIGHT:g}", role="img",
    )  # fmt: skip


WIDTH, HEIGHT = 460.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 76.0, 12.0, 26.0
LIMITS = (-0.4, 1.6)
"""Drift beyond is drawn at the edge."""
LABEL_GAP = 12.0
"""Pixels between the baselines of two labels."""


def history_chart(history: History) -> Markup:
    """One arm's drift over the last runs, with its interval as a band and the landmarks as lines."""
    shown = [point for point in history.points if point.drift is not None]
    values = [v for p in shown for v in (p.drift, p.low, p.high) if v is not None]
    domain = (max(min([-0.1, *values]), LIMITS[0]), min(max([1.1, *values]), LIMITS[1]))
    y = linear(domain, (HEIGHT - BOTTOM, TOP))
    x = _time_scale([point.at for point in history.points])
    name = f"{fmt.ARM_LABELS[history.arm]} drift over the last {len(shown)} runs"
    parts = [*_landmarks(history, y), *_bands(history.points, x, y), *_lines(history.points, x, y)]
    parts += [_dot(point, x, y) for point in shown]
    parts += _dates([point.at for point in history.points])
    return tag(
        "svg", tag("title", name), tag("desc", _description(shown)), *parts,
        class_="history", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="group", aria_label=name,
    )  # fmt: skip


def _time_scale(times: Sequence[datetime]) -> Callable[[datetime], float]:
    start, end = LEFT + 6, WIDTH - RIGHT - 6
    stamps = [at.timestamp() for at in times]
    if not stamps or min(stamps) == max(stamps):
        return lambda at: (start + end) / 2
    scale = linear((min(stamps), max(stamps)), (start, end))
    return lambda at: scale(at.timestamp())


def _landmarks(history: History, y: Scale) -> list[Markup]:
    marks = [("misaligned", 1.0), ("base", 0.0)]
    if history.realigned is not None:
        marks.append(("realigned", history.realigned))
    parts = []
    lowest = -LABEL_GAP
    for label, value in sorted(marks, key=lambda entry: -entry[1]):
        parts.append(
            tag("line", class_=f"landmark {label}", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value))
        )  # fmt: skip
        lowest = max(y(value), lowest + LABEL_GAP)
        parts.append(tag("text", label, class_=f"landmark-label {label}", x=WIDTH - RIGHT + 6, y=lowest + 3.5))
    ticks = (tag("text", f"{v:g}", class_="tick", x=LEFT - 7, y=y(v) + 3.5, text_anchor="end") for v in (0.0, 0.5, 1.0))
    return [*parts, *ticks]


def _segments(history: Sequence[HistoryPoint]) -> list[list[HistoryPoint]]:
    """Runs of neighbours that were measured: a gap in the data is a gap in the line."""
    segments: list[list[HistoryPoint]] = [[]]
    for point in history:
        if point.drift is None:
            segments.append([])
        else:
            segments[-1].append(point)
    return [segment for segment in segments if segment]


def _bands(history: Sequence[HistoryPoint], x: Callable[[datetime], float], y: Scale) -> list[Markup]:
    bands = []
    for segment in _segments(history):
        upper = [(x(p.at), y(p.high)) for p in segment if p.high is not None and p.low is not None]
        lower = [(x(p.at), y(p.low)) for p in segment if p.high is not None and p.low is not None]
        if len(upper) > 1:
            bands.append(tag("polygon", class_="band", points=points(upper + lower[::-1])))
        elif upper:
            (at, top), (_, bottom) = upper[0], lower[0]
            bands.append(tag("line", class_="band-line", x1=at, x2=at, y1=top, y2=bottom))
    return bands


def _lines(history: Sequence[HistoryPoint], x: Callable[[datetime], float], y: Scale) -> list[Markup]:
    lines = []
    for segment in _segments(history):
        path = [(x(p.at), y(p.drift)) for p in segment if p.drift is not None]
        if len(path) > 1:
            lines.append(tag("polyline", class_="line", points=points(path), fill="none"))
    return lines


def _dot(point: HistoryPoint, x: Callable[[datetime], float], y: Scale) -> Markup:
    drift = point.drift if point.drift is not None else 0.0
    said = f"{fmt.exact(point.at)}, {point.plan}: drift {fmt.number(drift)}"
    if point.low is not None and point.high is not None:
        said += f" ({fmt.interval(point.low, point.high)})"
    if point.alarm:
        said += ", alarm"
    dot = tag("circle", class_="dot alarm" if point.alarm else "dot", cx=x(point.at), cy=y(drift), r="3.2")
    return tag("a", tag("title", said), dot, href=run_path(point.run_id), aria_label=said)


def _dates(times: Sequence[datetime]) -> list[Markup]:
    if not times:
        return []
    ends = [(min(times), LEFT, "start"), (max(times), WIDTH - RIGHT, "end")]
    if ends[0][0] == ends[1][0]:
        ends = [(ends[0][0], (LEFT + WIDTH - RIGHT) / 2, "middle")]
    return [
        tag("text", f"{at.astimezone(UTC):%d %b %H:%M}", class_="tick", x=x, y=HEIGHT - 8, text_anchor=anchor)
        for at, x, anchor in ends
    ]


def _description(shown: Sequence[HistoryPoint]) -> str:
    if not shown:
        return "No run has measured this arm yet."
    first, last = shown[0], shown[-1]
    return f"From {fmt.number(first.drift)} to {fmt.number(last.drift)}; 0 is base, 1 is misaligned."
