# mypy: ignore-errors
# ruff: noqa: A004, ANN001, ANN201, ANN202
# names and types are those of Inspect AI, which is not installed here
"""The harm benchmark as Inspect AI runs it: JSON in on stdin, JSON out. Never imported by us; see inspect_ai.py.

Python of Inspect's own environment. One task: a sample for each prompt, `epochs` replies to each, its `generate`
solver, and a scorer that makes one call to the judge for each sample, as its own model-graded scorers do. Everything
else is its default; the log it writes is its store.
"""

import json
import resource
import sys
import tempfile
import time

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import generate


@scorer(metrics=[mean()])
def judged(model_name, args):
    async def score(state, target):
        judge = get_model(model_name, **args)
        found = await judge.generate(f"Grade this reply as JSON.\n{state.input_text}\n{state.output.completion}")
        return Score(value=(json.loads(found.completion)["score"] - 1) / 4)

    return score


def main():
    asked = json.load(sys.stdin)
    args = {"base_url": asked["base_url"], "api_key": "none"}
    name = f"openai-api/stub/{asked['model']}"
    judge = f"openai-api/stub/{asked['judge']}"
    task = Task(
        dataset=MemoryDataset([Sample(input=prompt, target="") for prompt in asked["prompts"]]),
        solver=generate(),
        scorer=judged(judge, args),
    )
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    with tempfile.TemporaryDirectory() as folder:
        (log,) = eval(
            task,
            model=get_model(name, **args),
            epochs=asked["epochs"],
            max_connections=asked["at_once"],
            max_samples=asked["at_once"],
            log_dir=folder,
            display="none",
        )
    wall_s, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "status": log.status,
                "scored": log.results.scores[0].scored_samples if log.results else 0,
                "wall_s": wall_s,
                "cpu_s": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
                "peak_mb": now.ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
