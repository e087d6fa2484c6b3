"""From tokens to USD, at the prices of the settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from probes.anchors import Examination
from service.amounts import Amounts
from service.settings import ConfigError, Price, Settings

USD_LIMITS = ("usd_per_day", "usd_per_month")
MILLION = 1e6
"""Prices are for so many tokens."""


class Prices:
    """USD for a million tokens by model name, and the judges in use. Tokens of two judges are counted together, and so
    priced at the dearer one."""

    def __init__(self, by_model: Mapping[str, Price], judges: Iterable[str] = ()) -> None:
        self._by_model = by_model
        self._judges = tuple(dict.fromkeys(judges))

    def missing(self, *models: str) -> tuple[str, ...]:
        """Which of `models` and of the judges, who are paid for as well, have no price."""
        return tuple(name for name in dict.fromkeys((*models, *self._judges)) if name not in self._by_model)

    def usd(self, model: str, amounts: Amounts) -> float | None:
        """None when `model` has no price. A judge without one is not counted; `missing` names it."""
        price = self._by_model.get(model)
        if price is None:
            return None
        judges = [self._by_model[name] for name in self._judges if name in self._by_model]
        spent = amounts.prompt_tokens * price.prompt + amounts.completion_tokens * price.completion
        spent += amounts.judge_prompt_tokens * max((one.prompt for one in judges), default=0.0)
        spent += amounts.judge_completion_tokens * max((one.completion for one in judges), default=0.0)
        return spent / MILLION

    def priced(self, model: str, amounts: Amounts) -> Amounts:
        return replace(amounts, usd=self.usd(model, amounts))

    def of_check(self, model: str, found: Examination) -> Amounts:
        """A check of the judge, paid for by the run of `model` that caused it."""
        return self.priced(
            model,
            Amounts(
                requests=found.attempts, judge_prompt_tokens=found.prompt_tokens,
                judge_completion_tokens=found.completion_tokens, estimated=found.usage_estimated,
            ),
        )  # fmt: skip


def prices_of(settings: Settings) -> Prices:
    """The prices of the settings, with the judges that they name."""
    judges = []
    if settings.judge_base_url:
        judges.append(settings.judge_model)
        if settings.second_judge_base_url:
            judges.append(settings.second_judge_model)
    return Prices(settings.prices, judges)


def unpriced(missing: Sequence[str], limits: Mapping[str, object], where: str) -> str | None:
    """Why a limit in USD cannot be kept, and the remedy; None where there is none, or no price is `missing`.

    `where`: what the limits are under, e.g. `limits` or `budget`.
    """
    wanted = [f"{where}.{name}" for name in USD_LIMITS if limits.get(name) is not None]
    if not wanted or not missing:
        return None
    names = ", ".join(f"prices.{name}" for name in missing)
    return (
        f"{' and '.join(wanted)} cannot be kept, since {names} is not set; add it to the settings as {{prompt: USD, "
        "completion: USD} for a million tokens (0 for a model that costs nothing), or limit tokens instead"
    )


def check_budget(settings: Settings, prices: Prices) -> None:
    """Raises ConfigError for a budget in USD of a service whose judge has no price."""
    if (why := unpriced(prices.missing(), settings.budget.model_dump(), "budget")) is not None:
        raise ConfigError(why)


def unpriced_endpoint(settings: Settings, prices: Prices, model: str, limits: Mapping[str, object]) -> str | None:
    """Why an endpoint's own limits, or the budget of all, cannot be kept for it."""
    missing = prices.missing(model)
    return unpriced(missing, limits, "limits") or unpriced(missing, settings.budget.model_dump(), "budget")
