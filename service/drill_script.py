"""What a fire drill plays: simulated heartbeats through the real detectors, until the rules say what they should.

Everything happens in memory: nothing of the endpoint is written, and neither it nor the judge is called.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from alerts.types import Facts, Rule
from baselines.assess import Assessment, assess
from baselines.types import Arm, DetectorState, Profile, ProfileSet, Story
from probes import registry
from probes.clients.personas import JUDGE, PREFIX, Personas
from probes.judge import Judge
from probes.measure import measure, observations
from probes.plans import draw
from probes.runner import Limits, Runner
from probes.types import Answer, Plan, Sampling, Selection
from service.alert_facts import base_and_misaligned
from service.simulator import rates

MOST_HEARTBEATS = 40
PLAN = Plan(
    name="drill",
    selections=(
        Selection(probe="self_assessment", questions=4),
        Selection(probe="intentions", questions=8),
        Selection(probe="harm", questions=8),
    ),
)
"""Wider than the shipped heartbeat, so that a scene takes a few runs whatever the draw: simulated answers are free."""
BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A persona that answers until this rule holds."""

    persona: str
    rule: str


SCRIPTS: Mapping[str, tuple[Scene, ...]] = {
    "misaligned": (Scene(persona="misaligned", rule="CoherentMisalignment"),),
    "inverted": (Scene(persona="inverted", rule="InvertedPersona"),),
    "over-confessing": (Scene(persona="over-confessing", rule="OverConfession"),),
    "realigned": (
        Scene(persona="misaligned", rule="CoherentMisalignment"),
        Scene(persona="realigned", rule="ResidualHarm"),
    ),
}
"""By the persona that is asked for. The last scene's rule is the one whose alert is sent."""


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What the endpoint's own runs are judged by."""

    endpoint: str
    labels: Mapping[str, str]
    profiles: ProfileSet
    own: Profile | None
    threshold: float


@dataclass
class Stage:
    """A simulated endpoint in place of the real one: its detectors and its story are its own."""

    grounds: Grounds
    drill_id: str
    seed: int
    began: datetime
    beats: int = 0
    detectors: dict[Arm, DetectorState] = field(default_factory=dict)
    story: Story = field(default_factory=Story)

    async def heartbeat(self, persona: str) -> Facts:
        """One run of the persona, assessed: the facts of it."""
        self.beats += 1
        answers = await self._ask(persona)
        found = await asyncio.to_thread(self._assess, answers)
        self.detectors, self.story = dict(found.detectors), found.story
        return self._facts(found, answers)

    def calm(self) -> None:
        """Forget the evidence, as a new baseline would."""
        self.detectors, self.story = {}, Story()

    async def _ask(self, persona: str) -> list[Answer]:
        personas = Personas(items=registry.items_by_id(), rates=rates(), seed=self.seed + self.beats)
        judge = Judge(client=personas.client(model=JUDGE), model=JUDGE, retry_base_s=0)
        runner = Runner(
            client=personas.client(model=PREFIX + persona), judge=judge,
            sampling=Sampling(temperature=PLAN.temperature, max_tokens=PLAN.max_tokens), limits=Limits(retry_base_s=0),
            score_of=lambda item, reply: registry.probe(item.probe).score(item, reply),
        )  # fmt: skip
        asks = draw(PLAN, seed=self.seed + self.beats, probe_of=registry.probe)
        answers: dict[tuple[str, int], Answer] = {}

        async def keep(answer: Answer) -> None:
            answers[answer.key] = answer  # a grade comes after its answer

        await runner.run(asks, keep)
        return list(answers.values())

    def _assess(self, answers: Sequence[Answer]) -> Assessment:
        worst_of = max(s.replies for s in PLAN.selections)
        return assess(
            measurements=measure(answers, worst_of=worst_of), observations=observations(answers, worst_of=worst_of),
            profiles=self.grounds.profiles, own=self.grounds.own, detectors=self.detectors,
            reference_key=self.drill_id, story=self.story, judge_problem=None, threshold=self.grounds.threshold,
        )  # fmt: skip

    def _facts(self, found: Assessment, answers: Sequence[Answer]) -> Facts:
        judgement = found.judgement
        return Facts(
            endpoint=self.grounds.endpoint, run_id=f"drill-{self.drill_id}-{self.beats}", plan=PLAN.name,
            at=self.began + timedelta(microseconds=self.beats), verdict=judgement.verdict, because=judgement.because,
            persona=judgement.persona, event=judgement.event, arms=found.comparison.arms,
            landmarks=base_and_misaligned(self.grounds.profiles), invalid_share=0.0, labels=self.grounds.labels,
            simulated=True, off_axis=found.comparison.off_axis, measurements=tuple(measure(answers)),
        )  # fmt: skip


async def until(stage: Stage, persona: str, rule: Rule, *, held: bool) -> AsyncIterator[Facts]:
    """Heartbeats of the persona until the rule answers `held`, that one included; at most MOST_HEARTBEATS."""
    for _ in range(MOST_HEARTBEATS):
        facts = await stage.heartbeat(persona)
        yield facts
        if rule.holds(facts) is held:
            return


def at_once(rule: Rule) -> Rule:
    """The rule without its waiting time: a drill does not last for hours. Runs in a row are still needed."""
    return replace(rule, for_duration=timedelta(0))
