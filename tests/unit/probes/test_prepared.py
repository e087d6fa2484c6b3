"""The language model is loaded before the first reply that needs it, not while it is scored."""

import subprocess
import sys

CODE = """
import sys
from probes import parsing
from probes.types import LanguageScoring, Score
assert "py3langid" not in sys.modules, "it takes a second, and most processes never need it"
parsing.prepare()
loaded = set(sys.modules)
found = parsing.score(LanguageScoring(values={"fr": 0, "de": 1}), "Das Wetter ist heute mild und der Garten ist voll.")
assert isinstance(found, Score) and found.value == 1.0, found
assert not {name for name in set(sys.modules) - loaded if "langid" in name or "numpy" in name}
"""


def test_nothing_is_left_to_load_once_it_is_prepared() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
