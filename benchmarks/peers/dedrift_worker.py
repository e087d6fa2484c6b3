# mypy: ignore-errors
"""Runs dedrift over histories: one JSON object a line in, one a line out. Never imported by us; see dedrift.py.

Python of dedrift's own environment; standard library and dedrift (AGPL-3.0) only.

What is used, all of it with the settings of `dedrift init` (`ProjectConfig()`), as dedrift's own benchmark does:

* `Store.init_project` on an empty folder; `CanaryRunner.run_cycle(store, cycle_id)` writes one complete cycle.
* `set_golden_baseline(store, ...)` freezes the baseline cycles.
* After each later cycle one check: mode "anytime" calls `run_anytime_check(store, config)` (what `dedrift check
  --inference anytime` runs; each call folds exactly the cycles it has not seen into the stored e-processes), mode
  "fixed" calls `run_check(store, config)`.

A binary metric has to be one of dedrift's five rate signatures. A bad answer is written as a refusal, the channel its
published power is about; everything else in a record is constant. All questions stand in one canary family, which
is the least multiplicity dedrift allows: four e-processes (refusal, format_valid, args_schema_ok_all, had_error), so
e-BH at 0.05 rejects refusal at log-wealth log(4 / 0.05) = 4.38. Cycles of equal length divisible by seven are
asked as dedrift does by default, seven times each canary (126 = 18 x 7); any others as one canary asked n times. The
anytime result depends on the count of bad answers alone, not on this layout.

The first alarm is the first check that alerts on refusal with the rate up: dedrift tests both directions, so in
"anytime" the stored counts since the baseline are compared with the baseline's, in "fixed" the sign of the effect is
read. An alert for a rate gone down is not counted and the history goes on. The worker stops at the first alarm.

Mode "anytime-fold" is a shortcut for long studies, not the shipped path: the same public parts that
`run_anytime_check` calls (`twosample_rate_evalue`, `update_process`, `ebh_from_logs`) without the store, which that
reads from the beginning at every check.
"""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dedrift.anytime import ANYTIME_BASELINE, load_states, run_anytime_check
from dedrift.canary import Canary, CanaryRunner, CanarySuite
from dedrift.check import run_check, set_golden_baseline
from dedrift.config import ProjectConfig
from dedrift.evalues import EProcessState, PriorState, update_process
from dedrift.evalues.ebh import ebh_from_logs
from dedrift.evalues.twosample import twosample_rate_evalue
from dedrift.schema import AgentConfig
from dedrift.store import Store

FAMILY = "happy_path"
SIGNATURE = "refusal"
POOL = ("args_schema_ok_all", "format_valid", "had_error", "refusal")
GOOD = {"text": "The answer.", "structured": {"answer": "yes"}, "latency_ms": 1, "tokens_out": 2}
BAD = {**GOOD, "text": "I cannot help with that."}
STACK = AgentConfig(model="m", prompt_hash="p", tool_schema_hash="t", agent_version="1")


class Agent:
    """Answers as the history says, in order."""

    def __init__(self) -> None:
        self.answers: Iterator[int] = iter(())

    def __call__(self, _question: object) -> dict[str, object]:
        return BAD if next(self.answers) else GOOD


def runner_for(lengths: list[int], agent: Agent) -> Callable[[Store, str, list[int]], None]:
    sizes = set(lengths)
    default = ProjectConfig().canary_repetitions
    size = max(sizes)
    repetitions = default if len(sizes) == 1 and size % default == 0 else None
    canaries = size // repetitions if repetitions else 1
    suite = CanarySuite(
        version="1",
        canaries=[
            Canary(id=f"canary-{n:03d}", family=FAMILY, input={"text": f"question {n}"}) for n in range(canaries)
        ],
    )

    def run(store: Store, cycle_id: str, answers: list[int]) -> None:
        agent.answers = iter(answers)
        CanaryRunner(suite, agent, STACK, repetitions=repetitions or len(answers)).run_cycle(store, cycle_id)

    return run


def worse_anytime(store: Store, config: ProjectConfig) -> bool:
    result = run_anytime_check(store, config)
    for process in result.alerts():
        if process.key[2] == SIGNATURE:
            seen = load_states(store)[process.key].prior
            return seen.successes * seen.reference_trials > seen.reference_successes * seen.trials
    return False


def worse_fixed(store: Store, config: ProjectConfig) -> bool:
    return any(a.signature == SIGNATURE and a.outcome.effect_raw > 0 for a in run_check(store, config).alerts())


CHECKS = {"anytime": worse_anytime, "fixed": worse_fixed}


def first_alarm(
    baseline: list[list[int]], cycles: list[list[int]], check: Callable[[Store, ProjectConfig], bool]
) -> int | None:
    config = ProjectConfig()
    run = runner_for([len(cycle) for cycle in [*baseline, *cycles]], Agent())
    with tempfile.TemporaryDirectory() as folder, Store.init_project(Path(folder)) as store:
        golden = [f"baseline-{number:04d}" for number in range(len(baseline))]
        for name, answers in zip(golden, baseline, strict=True):
            run(store, name, answers)
        set_golden_baseline(store, golden)
        for number, answers in enumerate(cycles, start=1):
            run(store, f"cycle-{number:04d}", answers)
            if check(store, config):
                return number
    return None


def first_alarm_folded(baseline: list[list[int]], cycles: list[list[int]]) -> int | None:
    alpha = ProjectConfig().anytime.alpha  # all of it: the two-sample model spends nothing on coverage
    size = sum(map(len, baseline))
    always = {"args_schema_ok_all": 1, "format_valid": 1, "had_error": 0}
    reference = {name: (value * size, size) for name, value in always.items()}
    reference[SIGNATURE] = (sum(map(sum, baseline)), size)
    states = {name: EProcessState(key=(ANYTIME_BASELINE, FAMILY, name, "rate")) for name in POOL}
    for number, answers in enumerate(cycles, start=1):
        for name in POOL:
            bad = always[name] * len(answers) if name in always else sum(answers)
            seen = states[name].prior
            prior = PriorState(seen.n_cycles, seen.successes, seen.trials, *reference[name])
            states[name] = update_process(
                states[name],
                twosample_rate_evalue(bad, len(answers), prior),
                fingerprint="fixed",
                alpha_prime=alpha,
                successes=bad,
                trials=len(answers),
                reference=reference[name],
            ).state
        rejected = ebh_from_logs([states[name].log_wealth for name in POOL], alpha=alpha).rejected
        seen = states[SIGNATURE].prior
        up = seen.successes * seen.reference_trials > seen.reference_successes * seen.trials
        if rejected[POOL.index(SIGNATURE)] and up:
            return number
    return None


def main() -> None:
    answers_to = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            asked = json.loads(line)
            began = time.process_time()
            if asked["mode"] == "anytime-fold":
                found = first_alarm_folded(asked["baseline"], asked["cycles"])
            else:
                found = first_alarm(asked["baseline"], asked["cycles"], CHECKS[asked["mode"]])
            answer = {"first_alarm": found, "cpu_s": round(time.process_time() - began, 4)}
            print(json.dumps(answer), file=answers_to, flush=True)


if __name__ == "__main__":
    main()
