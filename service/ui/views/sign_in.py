"""What the page to sign in shows."""

from dataclasses import dataclass

from service.ui.views.base import Page


@dataclass(frozen=True, kw_only=True)
class SignInPage(Page):
    """`next`: where it leads, a path of ours. `wrong`: why the last attempt failed. `ended`: a session is over.
    `look_again`: the path to load at once, where the browser may have held a session back."""

    template = "sign_in"
    styles = ("css/sign_in.css",)
    section = ""
    path = "/sign-in"
    live: bool = False
    next: str = "/"
    wrong: str = ""
    ended: bool = False
    look_again: str = ""

    @property
    def title(self) -> str:
        return "Sign in"
