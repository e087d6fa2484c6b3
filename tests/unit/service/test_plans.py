"""The plans of an installation: over probes and variants that exist."""

from pathlib import Path

import pytest

from service.checks import check_file
from service.plans import plans_of
from service.settings import ConfigError, PlanConfig, Settings


def settings(**plans: dict[str, object]) -> Settings:
    return Settings(plans={name: PlanConfig.model_validate({"probes": probes}) for name, probes in plans.items()})


def test_own_plans_stand_beside_the_shipped_ones() -> None:
    found = plans_of(settings(moral={"moral_self_assessment": {"questions": 3}}))
    assert set(found) == {"heartbeat", "full", "moral"}


def test_a_plan_may_replace_a_shipped_one_and_choose_variants() -> None:
    found = plans_of(settings(heartbeat={"self_assessment": {"questions": 2, "variants": ["es-it"]}}))
    assert found["heartbeat"].selections[0].variants == ("es-it",)


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ({"honesty": {"questions": 1}}, "plans.x: .*unknown probe 'honesty'; known: harm, intentions, moral"),
        ({"harm": {"questions": 1, "variants": ["es-it"]}}, "plans.x: .*harm: unknown variant 'es-it'; it has none"),
        (
            {"self_assessment": {"questions": 1, "variants": ["fr-xx"]}},
            "unknown variant 'fr-xx'; known: es-it, fr-de, pl-tr, pt-nl",
        ),
    ],
)
async def test_what_is_not_known_is_named_with_what_is(probes: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        plans_of(settings(x=probes))
    file = tmp_path / "config.yaml"
    file.write_text(f"plans: {{x: {{probes: {probes}}}}}".replace("'", '"'))
    with pytest.raises(ConfigError, match=said) as caught:
        await check_file(file)
    assert str(file) in str(caught.value)
