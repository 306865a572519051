"""A program that runs chains over the API of a served installation, and reads the answers as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.servers import Server

SHORT = 12  # tokens
CHAINS: dict[str, list[dict[str, Any]]] = {
    "pair": [{"name": "Ada", "max_output_tokens": SHORT}, {"name": "Ben", "prompt": "Judge it."}],
    "critics": [
        {"name": "Ada", "connection_type": "parallel", "max_output_tokens": SHORT},
        {"name": "Ben", "connection_type": "parallel", "max_output_tokens": SHORT},
    ],
    "gate": [
        {"name": "Ada", "max_output_tokens": SHORT},
        {"name": "Ben", "connection_type": "conditional", "condition": "empty"},
    ],
    "broken": [{"name": "Ada", "model": "simulated/broken"}],
    "slow": [{"name": "Ada", "model": "simulated/slow"}],
}
RUNS = """
import json
from chains.models import Run, StepAttempt
def told(run):
    calls = StepAttempt.objects.filter(step__run=run).order_by("step__index", "number")
    texts = list(calls.values_list("text", flat=True))
    return dict(id=run.pk, status=run.status, output=run.output, texts=texts)
runs = Run.objects.filter(session__owner__username={owner!r}).order_by("id")
print(json.dumps([told(run) for run in runs]))
"""


@dataclass
class Answer:
    """A stream as it was read: its text, when each piece came, and the last objects of it."""

    texts: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    is_done: bool = False

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def run(self) -> int:
        """Return the id of the run that gave it."""
        return int(self.objects[0]["id"].removeprefix("chatcmpl-"))

    def take(self, line: str) -> None:
        if line == "data: [DONE]":
            self.is_done = True
        elif line.startswith("data: "):
            self.objects.append(json.loads(line.removeprefix("data: ")))
            for choice in self.objects[-1].get("choices", []):
                if text := choice["delta"].get("content"):
                    self.texts.append(text)
                    self.times.append(time.monotonic())


def command(*arguments: str) -> str:
    """Return the code that runs a command of ``manage.py``."""
    return f"from django.core.management import call_command; call_command(*{arguments!r})"


class Program:
    """A program of one person, with a token."""

    def __init__(self, server: Server, person: str) -> None:
        self.server = server
        self.person = person
        server.session_cookie(person)
        self.token = server.do(command("create_api_token", person))
        self.http = httpx.Client(
            base_url=server.url,
            trust_env=False,
            timeout=60,
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def import_chains(self) -> None:
        for slug, agents in CHAINS.items():
            chain = {"format": "chainchat/1", "name": slug.title(), "slug": slug}
            file = self.server.folder / f"{slug}.json"
            file.write_text(
                json.dumps(chain | {"agents": [{"model": "simulated/fast"} | one for one in agents]})
            )
            self.server.do(command("import_chain", str(file), "--owner", self.person))

    def ask(self, model: str, **fields: Any) -> httpx.Response:
        return self.http.post("/v1/chat/completions", json=question(model, **fields))

    def stream(
        self, model: str, until: Callable[[Answer], bool] = lambda answer: False, **fields: Any
    ) -> Answer:
        """Read a stream to its end, or hang up when ``until`` holds."""
        answer = Answer()
        body = question(model, stream=True, **fields)
        with self.http.stream("POST", "/v1/chat/completions", json=body) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            for line in response.iter_lines():
                answer.take(line)
                if until(answer):
                    break
        return answer

    def runs(self) -> list[dict[str, Any]]:
        """Read this person's runs from the server's database."""
        return json.loads(self.server.do(RUNS.format(owner=self.person)))

    def run(self, run_id: int) -> dict[str, Any]:
        return next(run for run in self.runs() if run["id"] == run_id)

    def ended_run(self, run_id: int) -> dict[str, Any]:
        """Wait until a run has ended, and read it."""
        deadline = time.monotonic() + 20
        while (run := self.run(run_id))["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, run
        return run


def question(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Is it so?"}]} | fields
