"""What the command line says of itself."""

from importlib.metadata import version

from typer.testing import CliRunner

from service.cli import app


def test_it_tells_its_version() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"selfwatch {version('selfwatch')}\n")
