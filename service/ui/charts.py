"""The drift bar, and scales from values to pixels. Pure functions to SVG; every text is escaped."""

from collections.abc import Callable

from markupsafe import Markup

from baselines.types import ArmComparison
from service.ui import format as fmt
from service.ui.svg import tag

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
