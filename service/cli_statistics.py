"""`selfwatch replay` and `selfwatch validate`: what was said, and what is promised, computed again."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.", show_default=False)]


def replay(
    what: Annotated[str, typer.Argument(metavar="RUN|ALERT", help="A run's id, a flip's id, or ENDPOINT/RULE.")],
    config: ConfigOption = None,
    output: Annotated[Path | None, typer.Option(help="Write the evidence here, as one JSON file.")] = None,
    transcripts: Annotated[bool, typer.Option(help="With the replies, which may be harmful to read.")] = False,
) -> None:
    """Draw a past verdict again from its stored answers. Exit 0: the same byte for byte; 1: not; 2: not possible."""
    from service.replay import ReplayError  # noqa: PLC0415 (late: keeps --help fast)
    from service.replay import replay as again  # noqa: PLC0415
    from service.settings import ConfigError, load  # noqa: PLC0415

    try:
        found = asyncio.run(again(load(config), what, transcripts=transcripts))
    except (ReplayError, ConfigError) as error:
        typer.echo(f"selfwatch: {error}", err=True)
        raise typer.Exit(2) from error
    if output is not None:
        output.write_text(json.dumps(found.evidence, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    verdict = found.evidence["verdict"]
    typer.echo(f"run {found.run} of {found.endpoint}: {verdict['verdict']}\n{verdict['because']}")
    if not found.identical:
        typer.echo(f"NOT the same as stored\nstored   {found.stored}\nreplayed {found.again}")
        raise typer.Exit(1)
    answers, digest = len(found.evidence["answers"]), found.evidence["replayed"]["sha256"]
    typer.echo(f"drawn again from {answers:,} stored answers: the same, byte for byte (sha256 {digest})")


def validate(
    seed: Annotated[int, typer.Option(help="Another seed, another sample.")] = 1,
    full: Annotated[bool, typer.Option(help="With two million heartbeats: half an hour on two cores.")] = False,
) -> None:
    """Run the detection study on simulated endpoints again, and print the table of the README."""
    from rich.console import Console  # noqa: PLC0415

    from service import study  # noqa: PLC0415

    console = Console(width=None if Console().is_terminal else 130)
    held = study.show(console, seed=seed, full=full)
    raise typer.Exit(0 if held else 1)
