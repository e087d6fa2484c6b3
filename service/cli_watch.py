"""`selfwatch watch`."""

import sys
from typing import Annotated

import typer


def watch(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run's id; else all runs are followed.")] = None,
    *,
    url: Annotated[str, typer.Option(envvar="SELFWATCH_URL", help="Of the service.")] = "http://127.0.0.1:8321",
    token: Annotated[
        str | None, typer.Option(envvar="SELFWATCH_TOKEN", help="An API token with scope read.", show_default=False)
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only of this endpoint.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds to try again when the service is gone.")] = 60.0,
) -> None:
    """Follow a running service live. With RUN, exit at its end: 0 steady, 1 moved toward misaligned, 2 not measured."""
    import httpx2  # noqa: PLC0415 (late: keeps --help fast)
    from rich.console import Console  # noqa: PLC0415

    from service.watch import Watch, WatchError  # noqa: PLC0415
    from service.watch_screen import TerminalScreen  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with (
            httpx2.Client(base_url=url, headers=headers, timeout=10, trust_env=False) as http,
            TerminalScreen(Console(file=sys.stdout)) as screen,
        ):
            code = Watch(http, screen, run=run, endpoint=endpoint, patience_s=patience).follow()
    except (WatchError, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)
