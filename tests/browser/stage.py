"""Where the browser tests play: an installation whose models are the loopback provider's, and its chains."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.loopback.recording import Call
from tests.loopback.script import Script
from tests.loopback.server import LoopbackProvider
from tests.servers import Server, installation

# Each agent has a model of its own, so that the provider's side of it can be told apart; all three wires.
MODELS = {
    "Ada": "openai/gpt-4.1",
    "Ben": "anthropic/claude-haiku-4-5",
    "Cleo": "gemini/gemini-3.8-flash",
    "Dan": "openai/gpt-5-mini",
}
PARALLEL, CONDITIONAL = "parallel", "conditional"
CHAINS: dict[str, list[dict[str, str]]] = {
    "Solo": [{"name": "Ada"}],
    "Pair": [{"name": "Ada", "connection_type": PARALLEL}, {"name": "Ben", "connection_type": PARALLEL}],
    "Trio": [
        {"name": "Ada", "connection_type": PARALLEL},
        {"name": "Ben", "connection_type": PARALLEL},
        {"name": "Cleo", "connection_type": PARALLEL},
        {"name": "Dan"},
    ],
    "Panel": [
        {
            "name": "Ada",
            "connection_type": PARALLEL,
            "system_prompt": "You are careful.",
            "prompt": "Judge: {{input}}",
        },
        {"name": "Ben", "connection_type": PARALLEL},
        {"name": "Dan", "prompt": "The critics:\n\n{{previous}}\n\nAbout {{input}}, says {{agents.ada}}"},
    ],
    "Gate": [
        {"name": "Ada"},
        {"name": "Ben", "connection_type": CONDITIONAL, "condition": 'contains("heron")'},
        {"name": "Dan"},
    ],
}
OWNER = "alice"
IMPORT = """
import json, pathlib
from chains import actions
from chains.chainfile import parse_chain_file
from chains.models import User
owner = User.objects.get(username={owner!r})
for text in json.loads(pathlib.Path({path!r}).read_text()):
    actions.import_chain(owner=owner, file=parse_chain_file(text))
"""
# A run that an earlier test left behind would stand in the next one's lists, and take its time.
END_RUNS = """
import time
from chains import actions
from chains.models import Run
for run in Run.objects.live():
    actions.stop_run(run=run)
deadline = time.monotonic() + 20
while Run.objects.live().exists():
    assert time.monotonic() < deadline, "a run does not stop"
    time.sleep(0.05)
"""


class Stage:
    """The installation, the provider behind it, and who has chains there."""

    def __init__(self, server: Server, loopback: LoopbackProvider) -> None:
        self.server = server
        self.loopback = loopback
        self._cookies: dict[str, str] = {}

    def cookie_of(self, person: str) -> str:
        """Return what logs a person in; they are made on first use."""
        if person not in self._cookies:
            self._cookies[person] = self.server.session_cookie(person)
        return self._cookies[person]

    def clear(self) -> None:
        """Forget scripts and calls, and end what still runs."""
        self.server.do(END_RUNS)
        self.loopback.reset()

    def play(self, **scripts: Script) -> None:
        """Let agents answer like this from now on: ``play(Ada=Script(tps=40))``."""
        for name, script in scripts.items():
            self.loopback.script(model_id(name), dataclasses.replace(script, tag=script.tag or name))

    def calls_of(self, agent: str) -> list[Call]:
        """Return the calls that this agent's provider saw."""
        return self.loopback.calls_of(model_id(agent))

    def hang_up_of(self, agent: str) -> float:
        """Wait until this agent's provider was hung up on; return when, by ``time.monotonic()``."""
        moment = self.loopback.wait_for_hang_up(model_id(agent)).hung_up_at
        assert moment is not None
        return moment

    @contextmanager
    def switched_off(self, model: str) -> Iterator[None]:
        """Let nobody use a model of the catalogue meanwhile."""
        change = (
            "from chains.models import LanguageModel as M; M.objects.filter(model_id={!r}).update(enabled={})"
        )
        self.server.do(change.format(model, False))
        yield
        self.server.do(change.format(model, True))

    def import_chains(self) -> None:
        """Give the chains to their owner."""
        self.cookie_of(OWNER)
        path = self.server.folder / "chains.json"
        path.write_text(json.dumps([json.dumps(chain_file(name)) for name in CHAINS]))
        self.server.do(IMPORT.format(owner=OWNER, path=str(path)))


def model_id(agent: str) -> str:
    """Return the model of an agent as the provider knows it."""
    return MODELS[agent].partition("/")[2]


def chain_file(name: str) -> dict[str, Any]:
    """Return one of the chains as a chain file."""
    agents = [{"model": MODELS[agent["name"]], **agent} for agent in CHAINS[name]]
    return {"format": "chainchat/1", "name": name, "agents": agents}


@contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """Have an installation that calls a loopback provider."""
    with LoopbackProvider() as loopback, installation(folder, loopback.environment()) as server:
        stage = Stage(server, loopback)
        stage.import_chains()
        yield stage
