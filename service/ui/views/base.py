"""What every page knows. Values only.

Every datetime is aware. What may be missing is None or empty, and the pages say so in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode

from service.security import Holder

PART = "part"
"""The query parameter that asks for the page body alone, e.g. `/?part=body`."""
LIVE = "live"
"""The query parameter that stops the refreshing of a page, `/?live=0`."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What every page knows. `now` is when its values were read; `live` pages refresh their body by themselves.

    A page names its `template` (without `_` and `.html`), its own files below static/ (`styles`, `scripts`: modules),
    and the `section` of the site that it belongs to, by that section's path.
    """

    now: datetime
    live: bool = True
    viewer: Holder | None = None
    """Who is signed in; None where nobody has to: on loopback, and on pages for everybody."""
    template: ClassVar[str]
    styles: ClassVar[tuple[str, ...]] = ()
    scripts: ClassVar[tuple[str, ...]] = ()
    section: ClassVar[str] = "/"
    path: ClassVar[str] = "/"
    still: ClassVar[bool] = False
    """Nothing on the page changes by itself, so it never refreshes."""

    @property
    def title(self) -> str:
        """Stands in the tab of a browser; the name of the product follows."""
        return ""

    def address(self, **query: str) -> str:
        """This page's own path with `query` set."""
        own = self.own_query() | query
        return self.location + (f"?{urlencode(own)}" if own else "")

    @property
    def location(self) -> str:
        return self.path

    def own_query(self) -> dict[str, str]:
        return {}

    def may(self, scope: str) -> bool:
        """Whether the reader may do what needs `scope`: a page shows only what would work."""
        return self.viewer is None or scope in self.viewer.scopes


@dataclass(frozen=True, kw_only=True)
class RunbookPage(Page):
    """What to do about one alert: `text` is Markdown of ours."""

    template = "runbook"
    section = "/alerts"
    live: bool = False
    name: str
    text: str

    @property
    def title(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class ErrorPage(Page):
    """Something could not be shown. `remedy` says what the reader can do, `links` (label -> path) where; `reference`
    is what to look for in the log."""

    template = "error"
    section = ""
    live: bool = False
    status: int
    heading: str
    detail: str = ""
    remedy: str = ""
    reference: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.status} {self.heading}"
