"""How long the command line takes to answer, and what serving costs at rest."""

import subprocess
import sys
import time
from statistics import median

REPEATS = 5
IMPORTS = {
    "selfwatch --help": """
import sys
sys.argv = ["selfwatch", "--help"]
from service.cli import main
try:
    main()
except SystemExit:
    pass
""",
    "import of the serving process": "import service.serve",
}
MEMORY = "\nprint([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"


def rows() -> list[tuple[str, str, str]]:
    found = []
    for name, code in IMPORTS.items():
        times, memory = [], 0
        for _ in range(REPEATS):
            began = time.perf_counter()
            out = subprocess.run([sys.executable, "-c", code + MEMORY], capture_output=True, text=True, check=True)
            times.append(time.perf_counter() - began)
            memory = int(out.stdout.split()[-1]) // 1024
        found.append((name, f"{median(times):.2f} s", f"{memory} MB peak, median of {REPEATS}"))
    return found
