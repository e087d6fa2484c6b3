"""`selfwatch db`: care of the database."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Care of the database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `vacuum` a command of its own."""


@app.command()
def vacuum(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.", show_default=False)] = None,
) -> None:
    """Write the database anew without the space of what was removed. Stop the service first; needs free disk."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 (late: keeps --help fast)

    from service.settings import ConfigError, load  # noqa: PLC0415
    from service.storage.vacuum import VacuumError  # noqa: PLC0415
    from service.storage.vacuum import vacuum as write_anew  # noqa: PLC0415

    try:
        file = Path(make_url(load(config).sqlalchemy_url()).database or "")
        typer.echo(f"writing {file} anew ...", err=True)
        done = write_anew(file)
    except (ConfigError, VacuumError) as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(
        f"{done.before / 1e6:,.1f} MB before, {done.after / 1e6:,.1f} MB now; retention gives space back by itself"
    )
