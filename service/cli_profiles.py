"""`selfwatch profiles`: reference profiles, published and of your own."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.profile_files import Shelf

app = typer.Typer(
    help="Reference profiles: those of the paper, your own, and the own baselines of endpoints.", no_args_is_help=True
)
Config = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.", show_default=False)]
Url = Annotated[
    str | None,
    typer.Option(envvar="SELFWATCH_URL", help="Of a running service; else its database is used.", show_default=False),
]
Token = Annotated[
    str | None, typer.Option(envvar="SELFWATCH_TOKEN", help="An API token for --url.", show_default=False)
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as gpt-4.1/all; own/ENDPOINT for an own baseline.")]


@app.command("list")
def list_command(config: Config = None, url: Url = None, token: Token = None) -> None:
    """Every profile set and own baseline: name, origin, who uses it."""
    with _shelf(config, url, token) as shelf:
        lines = shelf.list()
    rows = [("name", "origin", "used by"), *((one.name, one.origin, _few(one.used_by)) for one in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for row in rows:
        typer.echo(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip())


@app.command()
def show(name: Name, config: Config = None, url: Url = None, token: Token = None) -> None:
    """One set as a table: the mean score of each state by probe and dimension."""
    from rich.console import Console  # noqa: PLC0415 (late: keeps --help fast)

    from service import profile_report  # noqa: PLC0415

    with _shelf(config, url, token) as shelf:
        found = shelf.export(name)
    profile_report.show(found, Console(width=None if sys.stdout.isatty() else 120))


@app.command()
def export(name: Name, config: Config = None, url: Url = None, token: Token = None) -> None:
    """Print one set as JSON, in the form that import takes."""
    with _shelf(config, url, token) as shelf:
        found = shelf.export(name)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON as exported; - for standard input.")],
    config: Config = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Keep a profile set of your own. The same content again changes nothing; a name that is taken is refused."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        data = json.loads(text)
    except (OSError, ValueError) as error:
        _stop(f"{file}: cannot be read as JSON ({error}); check the file")
    with _shelf(config, url, token, where=f"{file}: ") as shelf:
        new = shelf.take(data)
    name = data["name"]
    typer.echo(f"{name} imported" if new else f"{name} is there already, with the same content")


@app.command()
def delete(name: Name, config: Config = None, url: Url = None, token: Token = None) -> None:
    """Forget an imported set that no endpoint uses."""
    with _shelf(config, url, token) as shelf:
        shelf.delete(name)
    typer.echo(f"{name} deleted")


@contextmanager
def _shelf(config: Path | None, url: str | None, token: str | None, *, where: str = "") -> Iterator["Shelf"]:
    """Exits with 2 and the reason when something cannot be done."""
    import httpx2  # noqa: PLC0415 (late: keeps --help fast)

    from service.profile_files import LocalShelf, ProfilesError, RemoteShelf  # noqa: PLC0415
    from service.settings import ConfigError, load  # noqa: PLC0415

    try:
        if url is None:
            yield LocalShelf(load(config))
        else:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as http:
                yield RemoteShelf(http)
    except ProfilesError as error:
        _stop("\n".join(f"{where}{line}" for line in str(error).splitlines()))
    except (ConfigError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        _stop(str(error))


def _stop(text: str) -> None:
    typer.echo("\n".join(f"selfwatch: {line}" for line in text.splitlines()), err=True)
    raise typer.Exit(2)


def _few(names: "list[str] | tuple[str, ...] | object") -> str:
    found = list(names) if isinstance(names, (list, tuple)) else []
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
