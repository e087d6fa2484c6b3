"""Peers live in environments of their own, made once in a folder under the user's temp dir, outside the project's."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSTALL_SECONDS = 600


class PeerUnavailableError(RuntimeError):
    """A peer cannot be installed here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment with one package at one version, and `others` beside it as pip names them."""

    package: str
    version: str
    others: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        return Path(tempfile.gettempdir()) / f"selfwatch-bench-{self.package}"

    @property
    def python(self) -> tuple[str, ...]:
        """Its interpreter. -I keeps the worker's folder off its path, and PYTHONPATH too."""
        return (str(self.folder / "bin" / "python"), "-I")

    def install(self) -> None:
        """Make it, unless it is there. Raises PeerUnavailableError."""
        if self.folder.exists() and self.folder.stat().st_uid != os.getuid():
            raise PeerUnavailableError(f"{self.folder} belongs to another user: remove it")
        if self._installed():
            return
        self._must([sys.executable, "-m", "venv", "--clear", str(self.folder)])
        wanted = (f"{self.package}=={self.version}", *self.others)
        self._must([*self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
        if not self._installed():
            raise PeerUnavailableError(
                f"pip reported success, but {self.package} {self.version} cannot be found in {self.folder}"
            )

    def _installed(self) -> bool:
        ask = f"from importlib.metadata import version; print(version({self.package!r}))"
        try:
            ran = subprocess.run([*self.python, "-c", ask], capture_output=True, text=True, check=False)
        except OSError:
            return False
        return ran.stdout.strip() == self.version

    def _must(self, command: Sequence[str]) -> None:
        what = f"{self.package} {self.version} cannot be installed"
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerUnavailableError(f"{what}: {error}") from error
        if ran.returncode:
            raise PeerUnavailableError(f"{what}: {last_line(ran.stderr or ran.stdout)}")


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
