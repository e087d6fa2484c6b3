"""One pool of memory for all threads, where the C library can do that."""

import subprocess
import sys

CODE = """
import re, threading
from pathlib import Path
from service.memory import share_pools
assert share_pools() == {shared}
def work():
    kept = [bytearray(n % 900 + 100) for n in range(200_000)]
    done.wait()
done = threading.Event()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
done.set()
for thread in threads: thread.join()
"""


def test_threads_share_what_is_free() -> None:
    """The program's own check: it ends well only if the C library took the setting."""
    code = CODE.format(shared=sys.platform.startswith("linux"))
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
