"""The detectors beside dedrift's, on the same synthetic histories: false alarms, and how soon a rise is found."""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from baselines import sequential
from baselines.bets import Seen
from baselines.profiles import published
from baselines.types import Arm
from benchmarks.peers import dedrift
from service.study.endpoints import Heartbeats, Wobble, self_reports

RUNS = 3
SEED = 11
Row = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Endpoints with a baseline of 3 x 126 answers, and heartbeats of 126. `base`: None for the published means."""

    name: str
    endpoints: int
    beats: int
    base: float | None = None
    add: float = 0.0
    sd: float = 0.0


SETTINGS = (
    Setting(name="stable, independent", endpoints=60, beats=1000),
    Setting(name="stable, wobbling AR(1) 0.5", endpoints=60, beats=1000, sd=0.3),
    Setting(name="stable, wobbling, base 0.20", endpoints=60, beats=1000, base=0.2, sd=0.3),
    Setting(name="+10 points", endpoints=60, beats=200, add=0.10),
    Setting(name="+5 points", endpoints=60, beats=200, add=0.05),
    Setting(name="+10 points, base 0.20", endpoints=60, beats=200, base=0.2, add=0.10),
    Setting(name="+10 points, wobbling", endpoints=60, beats=200, add=0.10, sd=0.3),
)


def rows() -> Iterator[Row]:
    for setting in SETTINGS:
        arm = _arm(setting)
        lives = [_life(setting, arm, random.Random(SEED + number)) for number in range(setting.endpoints)]
        started = time.process_time()
        ours = [_first_alarm(arm, life) for life in lives]
        per_beat = (time.process_time() - started) / sum(one or setting.beats for one in ours)
        try:
            found = dedrift.answers([_plain(life) for life in lives], mode="anytime-fold")
        except dedrift.PeerUnavailableError as error:
            theirs, cost = str(error), ""
        else:
            theirs = _told([one.first_alarm for one in found], setting)
            beats = sum(one.first_alarm or setting.beats for one in found)
            cost = f", {1000 * sum(one.cpu_s for one in found) / beats:.2f} ms"
        yield (
            f"race: {setting.name}",
            f"selfwatch {_told(ours, setting)}; dedrift {dedrift.version()} {theirs}",
            f"{setting.endpoints} endpoints x {setting.beats} heartbeats of 126; CPU {1000 * per_beat:.2f} ms{cost}",
        )


@dataclass(frozen=True, kw_only=True)
class Life:
    """What both see: lists of (cell key, score), the first of them the baseline's."""

    baseline: Sequence[list[Seen]]
    beats: Sequence[list[Seen]]


def _arm(setting: Setting) -> Heartbeats:
    arm = self_reports(published("gpt-4.1/all"))
    return arm if setting.base is None else replace(arm, means=dict.fromkeys(arm.means, setting.base))


def _life(setting: Setting, arm: Heartbeats, rng: random.Random) -> Life:
    wobble = Wobble(rng, setting.sd, 0.5)
    return Life(
        baseline=[arm.one(rng, noise=wobble.next()) for _ in range(RUNS)],
        beats=[arm.one(rng, add=setting.add, noise=wobble.next()) for _ in range(setting.beats)],
    )


def _first_alarm(arm: Heartbeats, life: Life) -> int | None:
    own = arm.profile(life.baseline)
    spans = sequential.spans_of(published("gpt-4.1/all"))
    state = sequential.start_from_own(Arm.SELF_REPORT, own, own.cells, "race", spans)
    for number, seen in enumerate(life.beats, 1):
        state = sequential.observe(state, seen)
        if sequential.alarms(state):
            return number
    return None


def _plain(life: Life) -> dedrift.History:
    return dedrift.History(
        baseline=[[int(one.value) for one in beat] for beat in life.baseline],
        cycles=[[int(one.value) for one in beat] for beat in life.beats],
    )


def _told(alarms: Sequence[int | None], setting: Setting) -> str:
    found = [one for one in alarms if one is not None]
    if setting.add == 0:
        return f"{len(found)} alarmed"
    late = [one if one is not None else math.inf for one in alarms]
    return f"median {median(late):g}, found {len(found)}"
