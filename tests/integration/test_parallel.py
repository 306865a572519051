"""Parallel means parallel: real processes, a real provider on this machine, and its clock as the judge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Call, LoopbackProvider
from tests.servers import Server, installation

# One call's answer: some three seconds, as a real one takes.
PACE = "first=0.2,tps=45,tokens=126"
LIMITS = (
    "from chains.models import Provider;"
    "Provider.objects.filter(slug='openai').update(first_token_limit=1.0, idle_limit=1.0)"
)
ADD_MODELS = (
    "from chains.models import LanguageModel, Provider;"
    "p = Provider.objects.get(slug='openai');"
    "LanguageModel.objects.bulk_create([LanguageModel(provider=p, model_id=m, name=m) for m in {models!r}],"
    " ignore_conflicts=True)"
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: LoopbackProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with installation(tmp_path_factory.mktemp("parallel"), **provider.environment()) as running:
        yield running


class Author:
    """Somebody who writes chain files, imports them and runs them from the command line."""

    def __init__(self, site: Server, provider: LoopbackProvider, folder: Path) -> None:
        self.site, self.provider, self.folder = site, provider, folder
        site.session_cookie("alice")

    def imports(self, name: str, *agents: dict[str, Any], **settings: Any) -> str:
        models = sorted({agent["model"].removeprefix("openai/") for agent in agents})
        done = self.site.manage("shell", "--no-imports", "-c", ADD_MODELS.format(models=models))
        assert done.returncode == 0, done.stderr
        file = self.folder / f"{name}.json"
        file.write_text(
            json.dumps({"format": "chainchat/1", "name": name, "agents": list(agents), **settings})
        )
        done = self.site.manage("import_chain", str(file), "--owner", "alice")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    def runs(self, slug: str, text: str = "a message") -> dict[str, Any]:
        self.provider.reset()
        self.outcome = self.site.manage("run_chain", slug, "--owner", "alice", "--input", text, "--json")
        found: dict[str, Any] = json.loads(self.outcome.stdout)
        return found


@pytest.fixture
def author(site: Server, provider: LoopbackProvider, tmp_path: Path) -> Author:
    return Author(site, provider, tmp_path)


def group(count: int, pace: str = PACE) -> list[dict[str, Any]]:
    return [
        {"name": f"Agent {n}", "model": f"openai/loop:tag=w{n}x,{pace}", "prompt": "", "connection_type": "parallel"}
        for n in range(count)
    ]


def slowest_ms(calls: list[Call]) -> float:
    """The provider's clock: from the first request that came to the last byte that left."""
    return (max(call.last_byte_at or 0.0 for call in calls) - min(call.arrived for call in calls)) * 1000


@pytest.mark.parametrize("count", [2, 4, 8, 16, 64])
def test_a_group_takes_as_long_as_its_slowest_member(author: Author, count: int) -> None:
    result = author.runs(author.imports(f"group of {count}", *group(count)))
    assert result["status"] == "completed"
    assert len(author.provider.calls) == count
    assert result["wall_ms"] <= 1.05 * slowest_ms(author.provider.calls)


def test_each_column_holds_its_own_text_and_nothing_of_the_others(author: Author) -> None:
    result = author.runs(author.imports("own text", *group(16, "tps=400,tokens=60")))
    for number, step in enumerate(result["steps"]):
        assert step["text"].split() == [f"w{number}x-{n}" for n in range(60)]


def test_all_requests_of_sixteen_reach_the_provider_together(author: Author) -> None:
    slug = author.imports("together", *group(16, "first=0.3,tokens=3"))
    spreads = []
    # A machine that is busy with something else may spoil one of them.
    for _ in range(3):
        author.runs(slug)
        arrivals = [call.arrived for call in author.provider.calls]
        spreads.append(max(arrivals) - min(arrivals))
    assert min(spreads) <= 0.020


def test_a_group_with_faults_goes_on_with_what_succeeded_and_names_each_fault(author: Author) -> None:
    assert author.site.manage("shell", "--no-imports", "-c", LIMITS).returncode == 0
    models = {
        "Broken": "loop:tag=broken,fault=status,status=500",
        "Silent": "loop:tag=silent,fault=hang_headers",
        "Cut": "loop:tag=cut,tokens=20,fault=cut,after=5",
        "Fine": "loop:tag=fine,tokens=12,tps=20",
    }
    agents = [
        {"name": name, "model": f"openai/{model}", "prompt": "", "connection_type": "parallel"}
        for name, model in models.items()
    ]
    last = {"name": "Last", "model": "openai/loop:tag=last,echo=1", "prompt": "{{previous}}"}
    result = author.runs(author.imports("faults", *agents, last | {"connection_type": "direct"}))

    steps = {step["name"]: step for step in result["steps"]}
    assert {name: step["status"] for name, step in steps.items()} == {
        "Broken": "failed",
        "Silent": "failed",
        "Cut": "interrupted",
        "Fine": "completed",
        "Last": "completed",
    }
    assert "500" in steps["Broken"]["error"]
    assert "no text within" in steps["Silent"]["error"]
    assert "before the answer was complete" in steps["Cut"]["error"]
    assert steps["Cut"]["text"].split() == [f"cut-{n}" for n in range(5)]
    assert steps["Last"]["text"].count("FAILED: ") == 3
    assert "fine-11" in steps["Last"]["text"]
    assert "cut-4" not in steps["Last"]["text"]
    # The exact number of calls: what brought no token is tried three times, what was cut is not.
    calls = {name: len(author.provider.calls_of(model)) for name, model in models.items()}
    assert calls == {"Broken": 3, "Silent": 3, "Cut": 1, "Fine": 1}
    for name in ("Broken", "Silent", "Cut"):
        assert f"({name}) failed after" in author.outcome.stderr
