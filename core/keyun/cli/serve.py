"""``keyun serve`` and ``keyun worker``."""

from __future__ import annotations

import signal
import threading

import click

from keyun.cli.console import Console, pass_console
from keyun.errors import ConfigError


@click.command()
@click.option("--host", help="Address to listen on; default from keyun.toml [web].")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on; default from keyun.toml [web]."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes; default from keyun.toml [web].")
@click.option("--jobs/--no-jobs", default=True, help="Also run one background worker.")
@click.option("--strict", is_flag=True, help="Refuse to start while an enabled plugin has a problem.")
@pass_console
def serve(
    console: Console, host: str | None, port: int | None, workers: int | None, jobs: bool, strict: bool
) -> None:
    """Run the web server and one background worker until interrupted.

    When a plugin is enabled, disabled or upgraded, new processes take over as soon as they are built; the
    old ones finish what they hold. What cannot be built is refused, and the old ones serve on.
    """
    from keyun.plugins import state
    from keyun.serving.supervisor import Plan, Supervisor

    console.require_set_up()
    web, key = console.runtime.config.web, console.runtime.config.secret_file
    if not key.is_file():
        raise ConfigError(f"{key} is missing; run `keyun init` to create it")
    # A damaged file stops the start; later, what runs goes on.
    state.load(console.runtime.config.state_file)
    plan = Plan(
        instance=console.instance,
        host=host or web["host"],
        port=port or web["port"],
        workers=workers or web["workers"],
        threads=web["threads"],
        jobs=jobs,
        strict=strict,
    )
    console.close()
    raise SystemExit(Supervisor(plan).run())


@click.command()
@pass_console
def worker(console: Console) -> None:
    """Run a background worker until interrupted; a job in hand is finished first."""
    from keyun import logs
    from keyun.jobs import Worker

    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Worker(console.site).run(stop)
