"""Somebody who writes chains for a served installation and runs them from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import LoopbackProvider, Script
from tests.servers import ROOT, Server

IMPORT = """
import json, pathlib
from chains import actions
from chains.chainfile import parse_chain_file
from chains.models import LanguageModel, Provider, User
given = json.loads(pathlib.Path({path!r}).read_text())
openai = Provider.objects.get(slug="openai")
models = [LanguageModel(provider=openai, model_id=name, name=name) for name in given["models"]]
LanguageModel.objects.bulk_create(models, ignore_conflicts=True)
owner = User.objects.get(username={owner!r})
for chain in given["chains"]:
    actions.import_chain(owner=owner, file=parse_chain_file(json.dumps(chain)))
"""


@dataclass(frozen=True)
class Agent:
    """An agent that has a model of its own, named like itself: scripts and calls tell them apart by it."""

    name: str
    connection: str = "parallel"
    settings: dict[str, Any] = field(default_factory=dict)

    def as_written(self) -> dict[str, Any]:
        """Return it as it stands in a chain file. Its prompt is empty: it gets the bare message."""
        named = {"name": self.name, "model": f"openai/{self.name}", "connection_type": self.connection}
        return {**named, "prompt": "", **self.settings}


def group(count: int) -> list[Agent]:
    """Return that many agents that run at the same time."""
    return [Agent(f"w{number}x") for number in range(count)]


# Comes after a group and repeats what it got, when its script says so.
LAST = Agent("last", "direct", {"prompt": "{{previous}}"})


class Author:
    """Writes chains whose models are the loopback provider's. The person exists already."""

    def __init__(self, site: Server, provider: LoopbackProvider, person: str = "alice") -> None:
        self.site, self.provider, self.person = site, provider, person

    def writes(self, **chains: list[Agent]) -> None:
        """Publish chains; each is found under its name as the slug."""
        agents = [agent for chain in chains.values() for agent in chain]
        given = {
            "models": sorted({agent.name for agent in agents}),
            "chains": [chain_file(name, chain) for name, chain in chains.items()],
        }
        path = self.site.folder / "chains.json"
        path.write_text(json.dumps(given))
        self.does(IMPORT.format(path=str(path), owner=self.person))

    def plays(self, script: Script, *names: str) -> None:
        """Let these agents answer like this from now on; each names itself in every word."""
        for name in names:
            self.provider.script(name, script)

    def does(self, code: str) -> str:
        """Run Python inside the installation, as an operator may, and return what it printed."""
        return self.site.do(code)

    def runs(self, slug: str, text: str = "a message") -> tuple[dict[str, Any], str]:
        """Run a chain by command to its end; return the object on stdout, and stderr."""
        with self.begins(slug, text) as process:
            out, err = process.communicate()
        return json.loads(out), err

    def begins(self, slug: str, text: str = "a message") -> subprocess.Popen[str]:
        """Begin to run a chain by command, for a program."""
        command = [sys.executable, "manage.py", "run_chain", slug, "--owner", self.person, "--input", text]
        return subprocess.Popen(
            [*command, "--json"], cwd=ROOT, env=self.site.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def chain_file(name: str, agents: list[Agent]) -> dict[str, Any]:
    """Return a chain file whose slug is the chain's name."""
    written = [agent.as_written() for agent in agents]
    return {"format": "chainchat/1", "name": name, "slug": name, "agents": written}
