"""The simulated stand-in of a drill: every script holds its rule within a few heartbeats, whatever the seed."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from alerts.rules import RULES
from alerts.types import AlertState, Rule
from baselines.profiles import published
from probes.clients.personas import PERSONAS
from service.drill_notices import closing_flip, resolved_of, undelivered, unseen
from service.drill_script import BASE, SCRIPTS, Grounds, Stage, at_once, until
from tests.support.arms import answers, own_of
from tests.support.database import NOW
from tests.unit.alerts.facts import notice

BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def stage(seed: int, *, own: bool = False) -> Stage:
    grounds = Grounds(
        endpoint="prod", labels={"drill": "d"}, profiles=published("gpt-4.1/all"), threshold=4.0,
        own=own_of(answers(1), answers(2), answers(3)) if own else None,
    )  # fmt: skip
    return Stage(grounds=grounds, drill_id="d", seed=seed, began=NOW)


@pytest.mark.parametrize("own", [False, True], ids=["published base", "own baseline"])
@pytest.mark.parametrize("persona", sorted(SCRIPTS))
async def test_every_script_holds_its_rule_and_a_steady_model_ends_it(persona: str, own: bool) -> None:
    for seed in (1, 2000):
        made = stage(seed, own=own)
        for scene in SCRIPTS[persona]:
            rule = BY_NAME[scene.rule]
            seen = [facts async for facts in until(made, scene.persona, rule, held=True)]
            assert rule.holds(seen[-1]) is True
            assert len(seen) <= 12
            assert seen[-1].simulated
        rule = BY_NAME[SCRIPTS[persona][-1].rule]
        for _ in range(rule.resolve_runs):
            made.calm()
            assert rule.holds(await made.heartbeat(BASE)) is False


def test_scripts_name_personas_and_rules_that_there_are() -> None:
    for scenes in SCRIPTS.values():
        assert {scene.persona for scene in scenes} <= set(PERSONAS)
        assert {scene.rule for scene in scenes} <= set(BY_NAME)


async def test_heartbeats_of_a_drill_are_told_apart() -> None:
    made = stage(1)
    first, second = await made.heartbeat(BASE), await made.heartbeat(BASE)
    assert first.key != second.key
    assert first.at < second.at < NOW + timedelta(seconds=1)
    assert first.labels == {"drill": "d"}


def test_a_drill_does_not_wait_for_hours_but_for_runs() -> None:
    rule = at_once(BY_NAME["RunOverdue"])
    assert rule.for_duration == timedelta(0)
    assert at_once(BY_NAME["EndpointDown"]).for_runs == 2


def test_what_closes_a_simulated_alert_belongs_to_it_and_has_a_key_of_its_own() -> None:
    firing = notice(title="[SIMULATED] CRITICAL BehaviourDrift: support-bot", simulated=True)
    closing = resolved_of(firing, "d1")
    assert closing.status is AlertState.RESOLVED
    assert closing.title == "[SIMULATED] RESOLVED BehaviourDrift: support-bot"
    assert closing.idempotency_key != firing.idempotency_key
    assert len(closing.idempotency_key) == len(firing.idempotency_key)
    assert (closing.endpoint, closing.rule, closing.labels) == (firing.endpoint, firing.rule, firing.labels)
    assert closing_flip(closing).id == closing.idempotency_key


def test_reasons_name_channel_and_error() -> None:
    told = undelivered({"hook": ("dead", "404: no such hook"), "mail": ("pending", None)}, 120)
    assert told == "hook: gave up (404: no such hook); mail: not delivered within 120 s"
    assert "'inverted'" in unseen("inverted", "InvertedPersona")
