"""The command line. Heavy imports wait until their command runs: `--help` answers at once."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from service import cli_statistics, cli_watch
from service.cli_db import app as db_app
from service.cli_items import app as items_app
from service.cli_profiles import app as profiles_app

app = typer.Typer(
    name="selfwatch",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
token_app = typer.Typer(help="API tokens.", no_args_is_help=True)
app.add_typer(token_app, name="token")
app.add_typer(items_app, name="items")
app.add_typer(db_app, name="db")
app.add_typer(profiles_app, name="profiles")
app.command()(cli_statistics.replay)
app.command()(cli_statistics.validate)
app.command()(cli_watch.watch)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.", show_default=False)]


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 (late: keeps --help fast)

        typer.echo(f"selfwatch {version('selfwatch')}")
        raise typer.Exit


@app.callback()
def selfwatch(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version and exit.")
    ] = False,
) -> None:
    """Watches deployed language models: what they say of themselves, and what they do."""


def main() -> None:
    """Entry point of the `selfwatch` command."""
    app()


def _settings(config: Path | None, **flags: object) -> "object":
    from service.settings import ConfigError, load  # noqa: PLC0415 (late: keeps --help fast)

    try:
        return load(config, **flags)
    except ConfigError as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8321.")] = None,
    quit_with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """API, pages, metrics, scheduler and workers in one process."""
    from service import log  # noqa: PLC0415
    from service.serve import run  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415

    settings = _settings(config, host=host, port=port)
    assert isinstance(settings, Settings)  # noqa: S101 (for the type checker)
    log.configure(settings.log_level, settings.log_format)
    run(settings, quit_with_parent=quit_with_parent)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the pages; 0 takes a free one.")] = 8321,
    minutes: Annotated[float | None, typer.Option(help="Stop by itself after this long.")] = None,
) -> None:
    """Simulated endpoints and a simulated judge, watched live. Nothing is kept."""
    from service.demo.run import run_demo  # noqa: PLC0415

    raise typer.Exit(run_demo(port=port, minutes=minutes))


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8322,
    latency_ms: Annotated[float, typer.Option(help="How long each reply takes.")] = 0.0,
    quit_with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """An OpenAI-compatible server of simulated personas and a simulated judge."""
    from service import simulator  # noqa: PLC0415

    simulator.serve(host=host, port=port, latency_s=latency_ms / 1000, quit_with_parent=quit_with_parent)


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(help="YAML file with settings.")]) -> None:
    """Exit 0 when the file is good, else 2 with every mistake: file, path in it, value, remedy."""
    from service.checks import check_file  # noqa: PLC0415
    from service.settings import ConfigError  # noqa: PLC0415

    try:
        summary = asyncio.run(check_file(file))
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    typer.echo(summary)


@app.command()
def plan(
    name: Annotated[str, typer.Argument(metavar="PLAN", help="heartbeat, full, or one of your own.")],
    *,
    config: ConfigOption = None,
    endpoint: Annotated[str | None, typer.Option(help="Quote it for this registered endpoint.")] = None,
    every: Annotated[str | None, typer.Option(help="Quote it on this schedule: PT15M, or a cron line.")] = None,
    usd_in: Annotated[float | None, typer.Option(help="Price of a million prompt tokens.")] = None,
    usd_out: Annotated[float | None, typer.Option(help="Price of a million completion tokens.")] = None,
) -> None:
    """What a plan asks: questions, calls, tokens, price; and, on a schedule, the smallest shift that it finds."""
    from rich.console import Console  # noqa: PLC0415

    from service import plan_report  # noqa: PLC0415
    from service.plans import plans_of  # noqa: PLC0415
    from service.settings import ConfigError, Settings  # noqa: PLC0415

    settings = _settings(config)
    assert isinstance(settings, Settings)  # noqa: S101 (for the type checker)
    try:
        plans = plans_of(settings)
    except ConfigError as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error
    if name not in plans:
        typer.echo(f"selfwatch: unknown plan {name!r}; known: {', '.join(sorted(plans))}", err=True)
        raise typer.Exit(2)
    console = Console(width=None if Console().is_terminal else 120)
    plan_report.show(plan_report.report(plans[name]), console, usd_in=usd_in, usd_out=usd_out)
    from service import quoting  # noqa: PLC0415

    try:
        quoting.show(settings, plans, name, console, endpoint=endpoint, every=every)
    except ValueError as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error


@token_app.command("create")
def token_create(
    scope: Annotated[str, typer.Option(help="Comma separated: read, transcripts, write, admin.")] = "read",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    config: ConfigOption = None,
) -> None:
    """Print a new API token, once."""
    from service.settings import Settings  # noqa: PLC0415
    from service.tokens import make_token  # noqa: PLC0415

    settings = _settings(config)
    assert isinstance(settings, Settings)  # noqa: S101 (for the type checker)
    try:
        typer.echo(asyncio.run(make_token(settings, scope.split(","), name)))
    except ValueError as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    main()
