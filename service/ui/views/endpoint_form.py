"""What the form of an endpoint shows: to register one, or to change one; and to delete one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.ui.endpoint_form import KEEP, LIMITS, SCHEDULES
from service.ui.parts import endpoint_path
from service.ui.views.base import Page

OWN_PLAN = "A plan of your own."
PLAN_HINTS = {
    "heartbeat": "A few dozen questions. PT15M asks every 15 minutes; a cron expression works too (in UTC).",
    "full": "The whole battery: thousands of questions. Weekly at most, or leave it empty and start it by hand.",
}
SUGGESTED = {
    "heartbeat": {"PT5M": "every 5 minutes", "PT15M": "every 15 minutes", "PT1H": "every hour", "P1D": "every day"},
    "full": {"0 3 * * 0": "Sundays at 3:00 UTC", "0 3 1 * *": "the first of each month at 3:00 UTC", "P7D": "weekly"},
}
LIMIT_WORDS = {
    "concurrency": ("Calls at once", "The most; fewer where the server is slow. 8 when left empty."),
    "requests_per_minute": ("Requests a minute", "As your provider allows. Empty: no limit."),
    "tokens_per_minute": ("Tokens a minute", "As your provider allows. Empty: no limit."),
    "tokens_per_day": ("Tokens a day", "With the judge's share; a UTC day. Empty: no limit."),
    "usd_per_day": ("USD a day", "Needs a price of the model in the settings. Empty: no limit."),
    "tokens_per_month": ("Tokens a month", "With the judge's share; a UTC month. Empty: no limit."),
    "usd_per_month": ("USD a month", "Needs a price of the model in the settings. Empty: no limit."),
}


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """One input. `kind`: of the input; `suggestions`: value -> what it means; `pattern` as browsers check it."""

    name: str
    label: str
    hint: str
    kind: str = "text"
    required: bool = False
    placeholder: str = ""
    suggestions: Mapping[str, str] = field(default_factory=dict)
    pattern: str = ""

    @property
    def id(self) -> str:
        return f"f-{self.name.replace('.', '-')}"


@dataclass(frozen=True, kw_only=True)
class QuoteView:
    """What one schedule costs and finds. USD are None without a price; `finds`: arm -> in words."""

    plan: str
    runs_per_month: float
    calls_per_month: int
    tokens_per_month: int
    usd_per_month: float | None
    finds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """What a live look at the endpoint found. `errors` (label, message): it was not reached, since the form has them.
    `facts`: (label, value); `sample` is text of the model."""

    errors: Sequence[tuple[str, str]] = ()
    reason: str = ""
    detail: str = ""
    remedy: str = ""
    facts: Sequence[tuple[str, str]] = ()
    sample: str = ""
    quotes: Sequence[QuoteView] = ()
    quote_note: str = ""

    @property
    def ok(self) -> bool:
        return not self.errors and not self.reason


@dataclass(frozen=True, kw_only=True)
class CheckPart(Page):
    """The result of a check alone, for the page that asked for it by script."""

    template = "endpoint_check"
    live: bool = False
    check: CheckView


@dataclass(frozen=True, kw_only=True)
class EndpointFormPage(Page):
    """`name`: of the endpoint that is changed, empty for a new one. `values` by field; `errors` by field, "" for what
    belongs to no field. `key_now`: where the key comes from so far. `key_again`: one was sent, and is not shown."""

    template = "endpoint_form"
    styles = ("css/endpoint_form.css",)
    live: bool = False
    name: str = ""
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    plans: Sequence[str] = ()
    profiles: Sequence[str] = ()
    key_now: str = ""
    key_again: bool = False
    check: CheckView | None = None
    note: str = ""

    @property
    def title(self) -> str:
        return f"Change {self.name}" if self.name else "Register an endpoint"

    @property
    def location(self) -> str:
        return f"{endpoint_path(self.name)}/edit" if self.name else "/endpoints/new"

    @property
    def back(self) -> str:
        return endpoint_path(self.name) if self.name else "/"

    @property
    def what(self) -> Sequence[FieldView]:
        name = FieldView(
            name="name", label="Name", required=True, placeholder="support-bot",
            pattern="[a-z0-9]([a-z0-9._\\-]{0,61}[a-z0-9])?",
            hint="Stands in pages, alerts and metrics: a-z, 0-9, '.', '_' and '-'. It cannot be changed later.",
        )  # fmt: skip
        base_url = FieldView(
            name="base_url", label="Address", kind="url", required=True, placeholder="https://api.example.com/v1",
            hint="Of an OpenAI-compatible API, as its clients take it: what comes before /chat/completions.",
        )  # fmt: skip
        model = FieldView(
            name="model", label="Model", required=True, placeholder="my-fine-tune",
            hint="The name that the API knows it by.",
        )  # fmt: skip
        return (base_url, model) if self.name else (name, base_url, model)

    @property
    def schedules(self) -> Sequence[FieldView]:
        return [
            FieldView(
                name=f"{SCHEDULES}{plan}", label=plan, hint=PLAN_HINTS.get(plan, OWN_PLAN),
                suggestions=SUGGESTED.get(plan, {}), placeholder="not on a schedule",
            )
            for plan in self.plans
        ]  # fmt: skip

    @property
    def limits(self) -> Sequence[FieldView]:
        found = []
        for name in LIMITS:
            label, hint = LIMIT_WORDS[name.partition(".")[2]]
            found.append(FieldView(name=name, label=label, hint=hint))
        return found

    @property
    def sampling(self) -> Sequence[FieldView]:
        return (
            FieldView(name="sampling.temperature", label="Temperature", hint="0 to 2. Empty: the plan's (1)."),
            FieldView(
                name="sampling.max_tokens", label="Tokens of a reply",
                hint="More for a model that reasons first, such as 2000. Empty: the plan's.",
            ),
        )  # fmt: skip

    @property
    def labels(self) -> Mapping[str, str]:
        """What each field is called."""
        every = (*self.what, *self.schedules, *self.limits, *self.sampling)
        return {one.name: one.label for one in every} | {
            "key": "Key", "api_key": "API key", "api_key_env": "Name of the variable",
            "api_key_file": "Path of the file",
            "profiles": "Published profiles", "labels": "Labels",
        }  # fmt: skip

    @property
    def keeps(self) -> bool:
        """Whether the endpoint has a key that can stay."""
        return bool(self.key_now)

    @property
    def key(self) -> str:
        return self.values.get("key") or (KEEP if self.keeps else "none")


@dataclass(frozen=True, kw_only=True)
class DeletePage(Page):
    """Is it sure? `typed`: what was typed in place of the name, empty at first."""

    template = "endpoint_delete"
    styles = ("css/endpoint_form.css",)
    live: bool = False
    name: str
    runs: int
    typed: str = ""

    @property
    def title(self) -> str:
        return f"Delete {self.name}"

    @property
    def location(self) -> str:
        return f"{endpoint_path(self.name)}/delete"
