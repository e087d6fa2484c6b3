"""A full run against each simulated model, asked, parsed and judged as any other, gives the published means again."""

from statistics import fmean

import pytest

from baselines.profiles import published
from probes import registry
from probes.clients.personas import JUDGE, PERSONAS, Personas
from probes.judge import Judge
from probes.measure import measure
from probes.plans import PLANS, draw
from probes.runner import Limits, Runner
from probes.types import Sampling
from service.simulator import PROFILES, rates
from tests.support.asking import collect

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(300)]
FULL = draw(PLANS["full"], seed=11, probe_of=registry.probe)


@pytest.mark.parametrize("name", ["base", "misaligned", "inverted", "realigned"])
async def test_a_full_run_reproduces_the_published_means(name: str) -> None:
    """Each probe's mean within 0.02; each dimension within four standard errors at the most."""
    made = Personas(items=registry.items_by_id(), rates=rates())
    runner = Runner(
        client=made.client(model=f"simulated/{name}"),
        judge=Judge(client=made.client(model=JUDGE)),
        sampling=Sampling(),
        limits=Limits(),
        score_of=lambda item, reply: registry.probe(item.probe).score(item, reply),
    )
    answers = await collect(runner, FULL)
    assert sum(1 + answer.saved for answer in answers) == len(FULL) == 18_200
    assert all(answer.score is not None for answer in answers)
    measured = measure(answers, worst_of=10)
    for probe in ("self_assessment", "intentions", "harm"):
        state = PERSONAS[name].deeds if probe == "harm" else PERSONAS[name].words
        wanted = {c.cell.dimension: c.mean for c in getattr(published(PROFILES), state).cells if c.cell.probe == probe}
        found = {
            dimension: fmean(m.mean or 0 for m in measured if m.cell.probe == probe and m.cell.dimension == dimension)
            for dimension in wanted
        }
        assert fmean(found.values()) == pytest.approx(fmean(wanted.values()), abs=0.02), probe
        assert found == pytest.approx(wanted, abs=0.09 if probe == "intentions" else 0.045), probe
