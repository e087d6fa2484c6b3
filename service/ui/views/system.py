"""What the page about the installation shows."""

from dataclasses import dataclass

from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One part. `facts`: (name, value) in words; `word` is ok or look at this; `todo` what to do then."""

    title: str
    word: str
    told: str
    todo: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class SystemPage(Page):
    template = "system"
    section = "/system"
    path = "/system"
    styles = ("css/sections.css",)
    checks: tuple[CheckRow, ...] = ()

    @property
    def title(self) -> str:
        return "System"

    @property
    def concerns(self) -> int:
        return sum(bool(one.todo) for one in self.checks)

    @property
    def ordered(self) -> list[CheckRow]:
        """What needs a look comes first."""
        return sorted(self.checks, key=lambda one: not one.todo)
