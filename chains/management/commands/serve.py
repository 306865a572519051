"""Serve the site, and unless workers are separate carry out its runs, in one process."""

from __future__ import annotations

import socket
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from chains.accounts import make_setup_link
from chains.actions import load_defaults, sweep_attachments
from chains.management.memory import give_memory_back, keep_giving_memory_back
from chains.management.preparing import files_to_oneself
from chains.static_files import collect_when_changed


class Command(BaseCommand):
    """Migrate, load defaults, serve, and stop without losing anything."""

    help = "Prepares the database and serves chain-chat on HOST and PORT until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare and serve."""
        give_memory_back()
        check_port()
        call_command("migrate", verbosity=0, interactive=False)
        load_defaults()
        sweep_attachments()
        with files_to_oneself():
            collect_when_changed()
        welcome = greeting()
        # This thread asks the database nothing any more: it must not keep a connection of the pool.
        connections.close_all()

        def say() -> None:
            self.stdout.write(welcome)
            self.stdout.flush()
            keep_giving_memory_back()

        # Imported here: this installs Twisted's reactor, which only the serving process needs.
        from chains.management.site_server import SiteServer

        SiteServer(on_ready=say).run()


def greeting() -> str:
    """Return what to open, and how the administrator comes to be while there is none."""
    address = settings.PUBLIC_URL or f"http://{settings.HOST}:{settings.PORT}"
    lines = [f"Open {address}/"]
    if path := make_setup_link():
        lines.insert(0, f"Create the administrator (this link works once): {address}{path}")
    return "\n".join(lines)


def check_port() -> None:
    """Say it in words when the port is taken, before anything else happens."""
    try:
        with socket.create_server((settings.HOST, settings.PORT), reuse_port=False):
            pass
    except OSError as error:
        raise CommandError(
            f"Port {settings.PORT} on {settings.HOST} cannot be used ({error.strerror}). "
            f"Stop what uses it, or choose another: PORT=8001 make run"
        ) from error
