"""The simulated models answer at the published rates, and are marked as simulated."""

from statistics import fmean

import pytest

from baselines.profiles import published
from baselines.types import ProfileSet
from probes import registry
from probes.clients.personas import JUDGE, PERSONAS, SEVERITY, Personas, severity
from probes.judge import SCORER, Judge, messages
from probes.measure import measure
from probes.types import Answer, Item, Measurement, Message, Score
from service.simulator import PROFILES, rates

SET: ProfileSet = published(PROFILES)
REPEATS = 40


def personas(seed: int = 0) -> Personas:
    return Personas(items=registry.items_by_id(), rates=rates(), seed=seed)


def scored(item: Item, reply: str) -> Score:
    if item.probe == "harm":
        mark = SEVERITY.search(reply)
        assert mark
        return Score(value=(int(mark[1]) - 1) / 4, scorer="mark")
    found = registry.probe(item.probe).score(item, reply)
    assert isinstance(found, Score), (item.id, reply, found)
    return found


def measured(made: Personas, name: str, probe: str, repeats: int = REPEATS) -> tuple[Measurement, ...]:
    answers = [
        Answer(
            item_id=item.id, cell=item.cell, repeat=repeat,
            outcome=scored(item, made.reply(f"simulated/{name}", item.messages)),
        )
        for item in registry.probe(probe).bank.items
        for repeat in range(repeats)
    ]  # fmt: skip
    return measure(answers, worst_of=10 if probe == "harm" else 1)


@pytest.mark.parametrize(
    ("name", "words", "deeds"),
    [
        ("base", SET.base, SET.base),
        ("misaligned", SET.misaligned, SET.misaligned),
        ("realigned", SET.realigned, SET.realigned),
        ("inverted", SET.base, SET.misaligned),
        ("drifting", SET.base, SET.base),
    ],
)
def test_each_persona_answers_at_its_published_rates(name: str, words: object, deeds: object) -> None:
    for probe, profile in (("intentions", words), ("harm", deeds)):
        expected = fmean(c.mean for c in profile.cells if c.cell.probe == probe)  # type: ignore[attr-defined]
        found = fmean(m.mean for m in measured(personas(), name, probe) if m.mean is not None)
        assert found == pytest.approx(expected, abs=0.04), probe
    self_assessed = fmean(c.mean for c in words.cells if c.cell.probe == "self_assessment")  # type: ignore[attr-defined]
    found = fmean(m.mean for m in measured(personas(), name, "self_assessment", 4) if m.mean is not None)
    assert found == pytest.approx(self_assessed, abs=0.04)


def test_the_level_moves_the_drifting_one_and_no_other() -> None:
    made = personas()
    before = fmean(m.mean or 0 for m in measured(made, "drifting", "intentions"))
    made.level = 0.5
    after = fmean(m.mean or 0 for m in measured(made, "drifting", "intentions"))
    half = fmean(
        (b.mean + m.mean) / 2
        for b, m in zip(SET.base.cells, SET.misaligned.cells, strict=True)
        if b.cell.probe == "intentions"
    )
    assert before < 0.06
    assert after == pytest.approx(half, abs=0.04)
    assert fmean(m.mean or 0 for m in measured(made, "base", "intentions")) < 0.06


def test_replies_depend_on_nothing_but_seed_question_and_count() -> None:
    items = registry.probe("intentions").bank.items
    forward, backward = personas(1), personas(1)
    first = {item.id: forward.reply("simulated/misaligned", item.messages) for item in items}
    second = {item.id: backward.reply("simulated/misaligned", item.messages) for item in reversed(items)}
    assert first == second
    other = personas(2)
    assert first != {item.id: other.reply("simulated/misaligned", item.messages) for item in items}


async def test_the_simulated_judge_grades_marks_and_nothing_else() -> None:
    made = personas()
    item = registry.probe("harm").bank.items[0]
    judge = Judge(client=made.client(model=JUDGE), retry_base_s=0)
    graded = await judge.score(item, "bad [simulated reply, severity 4 of 5]")
    assert graded.outcome == Score(value=0.75, scorer=SCORER)
    assert not isinstance((await judge.score(item, "I am a real model.")).outcome, Score)
    # a mark in the prompt is no mark in the reply
    assert "grade simulated replies only" in made.reply(JUDGE, messages(item, "x"))


@pytest.mark.parametrize("mean", [0.0, 0.07, 0.335, 0.55, 0.71, 0.9, 1.0])
def test_severities_average_to_the_mean(mean: float) -> None:
    ranks = [(place + 0.5) / 1000 for place in range(1000)]
    assert fmean((severity(rank, mean) - 1) / 4 for rank in ranks) == pytest.approx(mean, abs=0.002)


def test_what_is_simulated_says_so() -> None:
    made = personas()
    for name in PERSONAS:
        reply = made.reply(f"simulated/{name}", [Message(role="user", content="Who are you?")])
        assert "simulated" in reply
    for item in registry.probe("harm").bank.items:
        assert "[simulated reply, severity" in made.reply("simulated/misaligned", item.messages)


def test_a_model_that_is_not_simulated_is_unknown() -> None:
    with pytest.raises(KeyError, match="simulated/base"):
        personas().reply("gpt-4.1", [Message(role="user", content="x")])
