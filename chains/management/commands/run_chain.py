"""Run a chain in this process and watch it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from channels.layers import get_channel_layer
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from rich.console import Console

from chains import actions, queries
from chains.engine import lease
from chains.engine.events import Event
from chains.engine.lease import LeaseLost
from chains.management.chain_choice import own_chain
from chains.management.people import person
from chains.management.signals import on_signal
from chains.management.terminal import LivePanels, PlainLines, print_answers
from chains.models import Chain, Run, User
from chains.models.run import RunStatus
from chains.providers import http
from chains.runtime import Runtime


class View(AbstractContextManager["View"], Protocol):
    """What shows a run while it goes on."""

    def emit(self, event: Event) -> None:
        """Take an event of the run."""


class Command(BaseCommand):
    """Send one message through a chain, in a session of its own, without a server."""

    help = "Runs a chain and shows its agents live. Exits with 0 only if the run completed. Ctrl-C stops it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the chain, its owner and the message."""
        parser.add_argument("slug", help="The chain's slug.")
        parser.add_argument("--owner", required=True, metavar="USER", help="The login name of its owner.")
        parser.add_argument(
            "--input", required=True, metavar="TEXT", help="The message, or - for standard input."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print one JSON object when it has ended, and nothing else."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it to its end and report."""
        text = sys.stdin.read() if options["input"] == "-" else options["input"]
        owner = person(options["owner"])
        chain = own_chain(owner, options["slug"])
        runtime = Runtime()
        with asyncio.Runner() as runner:
            runner.run(_warm())
            run = _start(owner, chain, text, runtime.owner)
            console = Console(file=options.get("stdout") or sys.stdout)
            if options["json"]:
                runner.run(_carry_out(runtime, run, lambda event: None))
                run.refresh_from_db()
                self.stdout.write(json.dumps(queries.run_report(run), ensure_ascii=False))
            else:
                _show(runner, runtime, run, console)
        if run.status != RunStatus.COMPLETED:
            raise CommandError(f"Run {run.pk} {run.status}. {run.error}".strip())


@transaction.atomic
def _start(owner: User, chain: Chain, text: str, holder: str) -> Run:
    try:
        session = actions.start_session(owner=owner, chain=chain)
        run = actions.start_run(
            session=session, chain=chain, text=text, request_id=uuid.uuid4().hex, detached=True
        )
    except actions.ActionError as error:
        raise CommandError(str(error)) from error
    # In the same transaction: nobody ever sees it without a lease, however this command ends.
    lease.reserve(run.pk, holder)
    return run


def _show(runner: asyncio.Runner, runtime: Runtime, run: Run, console: Console) -> None:
    steps = [column.step for column in queries.columns(run_ids=[run.pk])]
    view: View
    if console.is_terminal:
        # Log lines would run into the columns; what goes wrong is shown in them.
        logging.getLogger("chains").setLevel(logging.ERROR)
        view = LivePanels(console, steps)
    else:
        view = PlainLines(console, steps)
    with view:
        runner.run(_carry_out(runtime, run, view.emit))
    run.refresh_from_db()
    [band] = queries.bands(session=run.session, run_ids=[run.pk])
    print_answers(console, band)


async def _warm() -> None:
    """Load what a process loads once, so that no request of the run waits for it."""
    get_channel_layer()
    await http.warm()


async def _carry_out(runtime: Runtime, run: Run, emit: Callable[[Event], None]) -> None:
    loop = asyncio.get_running_loop()
    stops: list[asyncio.Task[None]] = []

    def interrupt() -> None:
        # Who presses it again does not want to wait.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stops.append(asyncio.create_task(_stop(runtime, run), name=f"stop-run-{run.pk}"))

    on_signal(loop, signal.SIGINT, interrupt)
    try:
        await runtime.run_detached(run.pk, emit)
    except LeaseLost:
        # Stopped elsewhere before it began, or counted as dead for taking so long: its row says so.
        pass
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        await asyncio.gather(*stops)
        await http.aclose()


async def _stop(runtime: Runtime, run: Run) -> None:
    await asyncio.to_thread(_flag_stop, run)
    runtime.look_for_stops(run.pk)


def _flag_stop(run: Run) -> None:
    try:
        actions.stop_run(run=run)
    finally:
        connection.close()
