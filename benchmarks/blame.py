"""`selfwatch` with a witness: what stood on the loop's stack while the loop was late, and how long each GC pause was.

`python -m benchmarks.blame serve ...` in place of `selfwatch serve ...`; one JSON object a line on stderr at the end.
The witness is a thread: it looks 100 times a second, which costs the service a little.
"""

import atexit
import gc
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from service import loop_lag
from service.cli import main as selfwatch

LOOK_S = 0.01
LATE_S = 0.05
DEPTH = 5
ROOT = str(Path(__file__).parent.parent)


class Witness:
    """`stacks`: looks at a loop that was late, by what it did; `pauses`: of the garbage collector, in seconds."""

    def __init__(self) -> None:
        self.thread_id = threading.get_ident()
        self.beat = time.perf_counter()
        self.late: list[tuple[float, float, str]] = []
        self.pauses: list[tuple[int, float]] = []
        self._seen: Counter[str] = Counter()
        self._gc_began = 0.0

    def on_gc(self, phase: str, info: dict[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._gc_began = now
        elif now - self._gc_began > LATE_S / 5:
            self.pauses.append((info["generation"], now - self._gc_began))

    def look(self) -> None:
        while True:
            time.sleep(LOOK_S)
            if time.perf_counter() - self.beat > LATE_S / 2:
                frame = sys._current_frames().get(self.thread_id)  # noqa: SLF001 (the only way to see another thread's stack)
                self._seen[_stack(frame)] += 1

    def woke(self, late_s: float, busy_s: float) -> None:
        if late_s > LATE_S:
            self.late.append((late_s, busy_s, self._seen.most_common(1)[0][0] if self._seen else "not seen"))
        self._seen.clear()
        self.beat = time.perf_counter()

    def tell(self) -> None:
        for late_s, busy_s, stack in sorted(self.late, reverse=True)[:40]:
            shown = {"late_ms": round(1000 * late_s), "busy_ms": round(1000 * busy_s), "stack": stack}
            print(json.dumps(shown), file=sys.stderr)
        for generation, took in sorted(self.pauses, key=lambda one: -one[1])[:10]:
            print(json.dumps({"gc_generation": generation, "pause_ms": round(1000 * took)}), file=sys.stderr)


def _stack(frame: FrameType | None) -> str:
    """Innermost first; of files that are not ours, only the innermost."""
    found: list[str] = []
    while frame is not None and len(found) < DEPTH:
        name = frame.f_code.co_filename
        ours = name.startswith(ROOT) and ".venv" not in name
        if ours or not found:
            short = name.removeprefix(ROOT).split("site-packages/")[-1].lstrip("/")
            found.append(f"{short}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(found)


def main() -> None:
    witness = Witness()

    class Witnessed(loop_lag.LoopLag):
        def start(self) -> None:
            super().start()
            witness.beat = time.perf_counter()
            threading.Thread(target=witness.look, daemon=True).start()

        def observe(self, late_s: float, busy_s: float, now: float) -> None:
            super().observe(late_s, busy_s, now)
            witness.woke(late_s, busy_s)

    from service import wiring  # noqa: PLC0415 (late: what it imports is not ours to time)

    vars(wiring)["LoopLag"] = Witnessed
    gc.callbacks.append(witness.on_gc)
    atexit.register(witness.tell)
    selfwatch()


if __name__ == "__main__":
    main()
