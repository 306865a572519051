"""Write a chain as a chain file."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chains import actions
from chains.chainfile import dump_chain_file
from chains.management.chain_choice import own_chain
from chains.management.people import person


class Command(BaseCommand):
    """Print the newest version of a chain as a chain file."""

    help = "Prints a chain's newest version as a chain file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the chain and its owner."""
        parser.add_argument("slug", help="The chain's slug.")
        parser.add_argument("--owner", required=True, metavar="USER", help="The login name of its owner.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the file and nothing else."""
        chain = own_chain(person(options["owner"]), options["slug"])
        try:
            file = actions.export_chain(chain=chain)
        except actions.ActionError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(dump_chain_file(file), ending="")
