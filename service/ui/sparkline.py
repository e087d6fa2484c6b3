"""Drift over the last runs as a line that fits beside a number. Pure function to SVG."""

from collections.abc import Sequence

from markupsafe import Markup

from service.ui import format as fmt
from service.ui.charts import linear
from service.ui.parts import ArmView
from service.ui.svg import points, tag

WIDTH, HEIGHT, EDGE = 104.0, 24.0, 3.0
DOMAIN = (-0.15, 1.25)
"""As the bar beside it; drift beyond is drawn at the edge."""


def sparkline(arm: ArmView) -> Markup:
    """Drift of the last runs, the oldest at the left, between base (0) and misaligned (1). Empty for fewer than two."""
    known = [value for value in arm.trend if value is not None]
    if len(known) < 2:
        return Markup("")
    x = linear((0, len(arm.trend) - 1), (EDGE, WIDTH - EDGE))
    y = linear(DOMAIN, (HEIGHT - 1, 1))
    ends = [tag("line", class_="end", x1=0.0, x2=WIDTH, y1=y(at), y2=y(at)) for at in (0.0, 1.0)]
    measured = [[(x(at), y(value)) for at, value in part] for part in _parts(arm.trend)]
    lines = [tag("polyline", class_="line", points=points(part), fill="none") for part in measured if len(part) > 1]
    last = [part for part in measured if part][-1][-1]
    dot = tag("circle", class_="dot", cx=last[0], cy=last[1], r="2.4")
    words = (
        f"{fmt.ARM_LABELS[arm.arm]} drift over the last {len(arm.trend)} runs: from {fmt.number(known[0])} to "
        f"{fmt.number(known[-1])}, at most {fmt.number(max(known))}"
    )
    return tag(
        "svg", tag("title", words), *ends, *lines, dot,
        class_="spark", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img", aria_label=words,
    )  # fmt: skip


def _parts(trend: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Neighbours that were measured: a gap in the data is a gap in the line."""
    parts: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(trend):
        if value is None:
            parts.append([])
        else:
            parts[-1].append((at, value))
    return parts
