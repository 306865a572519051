"""The commands that bring chains in and out, read models and make tokens."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chains import actions
from chains.models import ApiToken, Chain, ChainVersion, LanguageModel, Provider, User
from tests.integration.pages_cast import chain_of, model
from tests.loopback import LoopbackProvider, Script

pytestmark = pytest.mark.django_db

CRITICS: dict[str, Any] = {
    "format": "chainchat/1",
    "name": "Critics",
    "agents": [
        {"name": "Ada", "model": "simulated/fast", "connection_type": "parallel"},
        {"name": "Ben", "model": "simulated/fast", "connection_type": "parallel"},
    ],
}


def run(*arguments: str) -> str:
    """Run a command and return what it printed on stdout."""
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a chain file and return its path."""

    def write(document: object) -> str:
        path = tmp_path / "chain.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


@pytest.fixture(autouse=True)
def fast_model(db: None) -> LanguageModel:
    return model("fast")


class TestImporting:
    def test_the_last_word_is_the_slug(self, alice: User, write: Any):
        assert run("import_chain", write(CRITICS), "--owner", "alice").split()[-1] == "critics"
        assert Chain.objects.visible_to(alice).get().name == "Critics"

    def test_the_same_file_again_publishes_nothing(self, alice: User, write: Any):
        for _ in range(2):
            assert run("import_chain", write(CRITICS), "--owner", "alice").split()[-1] == "critics"
        assert ChainVersion.objects.count() == 1

    def test_a_changed_file_publishes_the_next_version(self, alice: User, write: Any):
        run("import_chain", write(CRITICS), "--owner", "alice")
        changed = CRITICS | {"agents": CRITICS["agents"][:1]}
        assert "version 2" in run("import_chain", write(changed), "--owner", "alice")

    def test_every_fault_is_named_with_its_path_and_nothing_changes(self, alice: User, write: Any):
        run("import_chain", write(CRITICS), "--owner", "alice")
        agents = [
            {"name": "Ada", "model": "simulated/fast", "temprature": 1},
            {"name": "Ben", "model": "simulated/fast", "temperature": "hot"},
        ]
        with pytest.raises(CommandError) as refusal:
            run("import_chain", write(CRITICS | {"name": "Other", "agents": agents}), "--owner", "alice")
        assert "agents[0].temprature: unknown key; did you mean temperature?" in str(refusal.value)
        assert "agents[1].temperature: must be a number" in str(refusal.value)
        assert Chain.objects.get().name == "Critics"
        assert ChainVersion.objects.count() == 1

    def test_a_model_that_is_missing_is_a_fault_with_its_path(self, alice: User, write: Any):
        agents = [{"name": "Ada", "model": "acme/none"}]
        with pytest.raises(CommandError, match=r"agents\[0\]\.model: acme/none is not in the catalogue"):
            run("import_chain", write(CRITICS | {"agents": agents}), "--owner", "alice")
        assert not Chain.objects.exists()

    def test_a_chain_that_could_not_run_is_refused(self, alice: User, write: Any):
        agents = [{"name": "Ada", "model": "simulated/fast", "connection_type": "conditional"}]
        with pytest.raises(CommandError, match=r"agents\[0\]\.condition"):
            run("import_chain", write(CRITICS | {"agents": agents}), "--owner", "alice")

    def test_what_is_no_json_is_refused_with_its_place(self, alice: User, write: Any):
        with pytest.raises(CommandError, match="line 1"):
            run("import_chain", write("{nonsense"), "--owner", "alice")

    def test_a_file_that_is_not_there_is_named(self, alice: User, tmp_path: Path):
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            run("import_chain", str(tmp_path / "missing.json"), "--owner", "alice")

    def test_an_owner_who_is_not_there_is_named(self, write: Any):
        with pytest.raises(CommandError, match="There is no user “carol”"):
            run("import_chain", write(CRITICS), "--owner", "carol")


class TestExporting:
    def test_what_is_exported_can_be_imported_and_is_the_same(self, alice: User, write: Any):
        run("import_chain", write(CRITICS), "--owner", "alice")
        exported = run("export_chain", "critics", "--owner", "alice")
        assert json.loads(exported)["format"] == "chainchat/1"
        run("import_chain", write(exported), "--owner", "alice")
        assert ChainVersion.objects.count() == 1

    def test_another_persons_chain_is_not_there(self, alice: User, bob: User):
        chain_of(alice)
        chain_of(bob, name="Mine")
        with pytest.raises(CommandError, match="bob has no chain “critics”; bob has these: mine"):
            run("export_chain", "critics", "--owner", "bob")


class TestTokens:
    def test_the_secret_is_printed_alone_and_works(self, alice: User):
        secret = run("create_api_token", "alice", "--name", "laptop").strip()
        token = ApiToken.objects.find(secret)
        assert token is not None
        assert (token.user, token.name) == (alice, "laptop")

    def test_who_may_not_log_in_gets_none(self, alice: User):
        User.objects.update(is_active=False)
        with pytest.raises(CommandError, match="may not log in"):
            run("create_api_token", "alice")
        assert not ApiToken.objects.exists()

    def test_a_name_that_is_too_long_is_refused(self, alice: User):
        with pytest.raises(CommandError, match="100 characters"):
            run("create_api_token", "alice", "--name", "x" * 101)


class TestSyncing:
    @pytest.fixture
    def provider(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackProvider]:
        with LoopbackProvider() as running:
            for variable, value in running.environment().items():
                monkeypatch.setenv(variable, value)
            yield running

    def test_each_ready_providers_own_list_is_read(self, provider: LoopbackProvider):
        provider.script("listed-by-itself", Script())
        run("sync_models")
        labels = {one.label for one in LanguageModel.objects.filter(model_id="listed-by-itself")}
        assert "openai/listed-by-itself" in labels
        new = LanguageModel.objects.labelled("openai/listed-by-itself").get()
        assert (new.enabled, new.input_price) == (True, None)

    def test_a_second_time_adds_nothing(self, provider: LoopbackProvider):
        run("sync_models")
        count = LanguageModel.objects.count()
        assert "0 new" in run("sync_models", "openai")
        assert LanguageModel.objects.count() == count

    def test_a_provider_that_fails_keeps_no_other_from_being_read(
        self, provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
    ):
        provider.script("listed-by-itself", Script())
        monkeypatch.setenv("XAI_API_KEY", "secret")
        actions.load_defaults()
        Provider.objects.filter(slug="xai").update(base_url="http://127.0.0.1:1/v1")
        err = io.StringIO()
        with pytest.raises(CommandError, match=r"1 of \d lists could not be read"):
            call_command("sync_models", stdout=io.StringIO(), stderr=err)
        assert "xai: xAI could not be reached at 127.0.0.1" in err.getvalue()
        assert "secret" not in err.getvalue()
        assert LanguageModel.objects.labelled("openai/listed-by-itself").exists()

    def test_a_provider_without_its_key_says_which(self):
        Provider.objects.create(slug="openai", name="OpenAI", kind="openai", key_variable="OPENAI_API_KEY")
        with pytest.raises(CommandError, match="OpenAI cannot be called: set OPENAI_API_KEY first"):
            run("sync_models", "openai")

    def test_an_unknown_provider_is_answered_with_those_that_are_there(self):
        with pytest.raises(CommandError, match="These are there: simulated"):
            run("sync_models", "acme")
