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

    Enabling or disabling a plugin replaces the processes one by one; requests in hand are finished.
    """
    from keyun.serve import Plan, Supervisor

    console.require_set_up()
    web, key = console.runtime.config.web, console.runtime.config.secret_file
    if not key.is_file():
        raise ConfigError(f"{key} is missing; run `keyun init` to create it")
    if strict:
        console.site.plugins.raise_faults()
    plan = Plan(
        instance=console.instance,
        host=host or web["host"],
        port=port or web["port"],
        workers=workers or web["workers"],
        threads=web["threads"],
        jobs=jobs,
    )
    state_file = console.runtime.config.state_file
    console.close()
    raise SystemExit(Supervisor(plan, state_file).run())


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
