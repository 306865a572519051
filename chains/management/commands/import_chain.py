"""Bring a chain file in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains import actions
from chains.chainfile import ChainFileError
from chains.management.people import person


class Command(BaseCommand):
    """Make a chain of a file, or a new version of the chain that has its slug."""

    help = "Imports a chain file and prints the chain's slug as its last word. A faulty file changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and whose chain it becomes."""
        parser.add_argument("file", help="The chain file, or - for standard input.")
        parser.add_argument("--owner", required=True, metavar="USER", help="The login name of its owner.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, or say every fault with its path."""
        owner = person(options["owner"])
        data = _read(options["file"])
        try:
            result = actions.import_chain(owner=owner, file=actions.read_chain_file(data))
        except ChainFileError as error:
            faults = "\n".join(f"  {fault}" for fault in error.faults)
            raise CommandError(
                f"{options['file']} was not imported, nothing has changed:\n{faults}"
            ) from error
        except actions.ActionError as error:
            raise CommandError(str(error)) from error
        what = "Published" if result.changed else "Nothing to publish, the same as"
        self.stdout.write(f"{what} version {result.version.number} of {result.chain.slug}")


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
