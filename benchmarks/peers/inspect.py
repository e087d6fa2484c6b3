"""Inspect AI (MIT) as a peer: the harm benchmark in a process and an environment of its own, never imported.

What of it is used is told at the top of `inspect_worker.py`.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks import stub
from benchmarks.peers.environment import Environment, last_line
from benchmarks.process import Measured

VERSION = "0.3.285"
ENVIRONMENT = Environment(package="inspect-ai", version=VERSION, others=("openai==3.54.0",))
WORKER = Path(__file__).with_name("inspect_worker.py")


def measured(url: str, prompts: Sequence[str], *, epochs: int, at_once: int) -> Measured:
    """Every prompt `epochs` times, each reply judged. Raises PeerUnavailableError, and RuntimeError when it fails."""
    ENVIRONMENT.install()
    asked = {
        "base_url": url, "model": stub.MODEL, "judge": stub.JUDGE, "prompts": list(prompts), "epochs": epochs,
        "at_once": at_once,
    }  # fmt: skip
    before = stub.stats(url)
    command = [*ENVIRONMENT.python, str(WORKER)]
    ran = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"inspect failed: {last_line(ran.stderr)}")
    told = json.loads(ran.stdout.splitlines()[-1])
    counted = stub.stats(url)
    counted.subtract(before)
    calls = len(prompts) * epochs
    if told["status"] != "success" or (counted["asked"], counted["judged"]) != (calls, calls):
        raise RuntimeError(f"inspect: {told['status']}, {dict(counted)}; each should be {calls}")
    return Measured(wall_s=told["wall_s"], cpu_s=told["cpu_s"], peak_mb=told["peak_mb"], calls=2 * calls)
