"""What a user can do with chains: make, import, export, open a demo, keep, delete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chains import actions
from chains.chainfile import ChainFile, ChainFileError, demo_chain_files, dump_chain_file, parse_chain_file
from chains.models import Chain, ChainVersion, LanguageModel, Provider, User
from tests.integration.pages_cast import (
    CONDITIONAL,
    PARALLEL,
    agent,
    chain_of,
    complete,
    model,
    run_in,
    session_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def file() -> ChainFile:
    model("fast")
    return ChainFile(
        name="Three critics",
        slug="critics",
        description="What it is for.",
        on_failure="continue",
        agents=(
            agent("Ada", PARALLEL),
            agent("Ben", PARALLEL, "otherwise"),
            replace(
                agent("Editor", CONDITIONAL, "length > 10"),
                prompt="Edit {{previous}}",
                system_prompt="You edit.",
                temperature=0.0,
                max_output_tokens=500,
            ),
        ),
    )


def with_agent(file: ChainFile, place: int, **changes: object) -> ChainFile:
    agents = list(file.agents)
    agents[place] = replace(agents[place], **changes)  # type: ignore[arg-type]
    return replace(file, agents=tuple(agents))


class TestImporting:
    def test_a_file_becomes_a_published_chain_that_says_the_same(self, alice: User, file: ChainFile):
        result = actions.import_chain(owner=alice, file=file)
        assert (result.changed, result.version.number) == (True, 1)
        assert result.version.published_at is not None
        assert actions.export_chain(chain=result.chain) == file

    def test_the_same_file_again_publishes_nothing(self, alice: User, file: ChainFile):
        first = actions.import_chain(owner=alice, file=file)
        again = actions.import_chain(owner=alice, file=parse_chain_file(dump_chain_file(file)))
        assert (again.chain, again.version, again.changed) == (first.chain, first.version, False)
        assert ChainVersion.objects.count() == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": "Adele"},
            {"prompt": "Another"},
            {"system_prompt": "Another"},
            {"condition": "length > 11"},
            {"temperature": None},
            {"max_output_tokens": 501},
            {"model": "simulated/slow"},
        ],
        ids=str,
    )
    def test_any_change_of_an_agent_publishes_the_next_version(
        self, alice: User, file: ChainFile, changes: dict[str, object]
    ):
        model("slow")
        first = actions.import_chain(owner=alice, file=file)
        result = actions.import_chain(owner=alice, file=with_agent(file, 2, **changes))
        assert (result.chain, result.version.number, result.changed) == (first.chain, 2, True)
        assert [one.name for one in first.version.agents.all()] == ["Ada", "Ben", "Editor"]

    def test_other_changes_of_what_runs_publish_too(self, alice: User, file: ChainFile):
        actions.import_chain(owner=alice, file=file)
        for number, changed in enumerate(
            (replace(file, on_failure="stop"), replace(file, agents=file.agents[:2]), file), start=2
        ):
            assert actions.import_chain(owner=alice, file=changed).version.number == number

    def test_a_new_description_changes_the_chain_and_publishes_nothing(self, alice: User, file: ChainFile):
        actions.import_chain(owner=alice, file=file)
        result = actions.import_chain(owner=alice, file=replace(file, name="Trio", description="New."))
        assert (result.chain.name, result.chain.description, result.changed) == ("Trio", "New.", False)

    def test_an_archived_chain_comes_back(self, alice: User, file: ChainFile):
        chain = actions.import_chain(owner=alice, file=file).chain
        actions.start_session(owner=alice, chain=chain)
        actions.delete_chain(chain=chain)
        assert not Chain.objects.active().exists()
        actions.import_chain(owner=alice, file=file)
        assert Chain.objects.active().get() == chain

    def test_everybody_has_slugs_of_their_own(self, alice: User, bob: User, file: ChainFile):
        mine = actions.import_chain(owner=alice, file=file).chain
        theirs = actions.import_chain(owner=bob, file=with_agent(file, 0, prompt="Mine")).chain
        assert mine != theirs
        assert actions.export_chain(chain=mine) == file

    def test_a_file_without_a_slug_finds_its_chain_by_its_name(self, alice: User, file: ChainFile):
        nameless = replace(file, slug="")
        assert actions.import_chain(owner=alice, file=nameless).chain.slug == "three-critics"
        assert not actions.import_chain(owner=alice, file=nameless).changed

    def test_names_without_latin_letters_do_not_meet(self, alice: User, file: ChainFile):
        first, second = (replace(file, slug="", name=name) for name in ("批評家", "編集者"))
        chain = actions.import_chain(owner=alice, file=first).chain
        assert actions.import_chain(owner=alice, file=second).chain != chain
        assert actions.import_chain(owner=alice, file=first).chain == chain

    def test_each_missing_model_is_a_fault_with_its_path(self, alice: User, file: ChainFile):
        faulty = with_agent(with_agent(file, 0, model="simulated/fasst"), 2, model="acme/none")
        with pytest.raises(ChainFileError) as refusal:
            actions.import_chain(owner=alice, file=faulty)
        first, second = refusal.value.faults
        assert first.path == "agents[0].model"
        assert "did you mean simulated/fast?" in first.message
        assert second.path == "agents[2].model"
        assert "ask an administrator" in second.message

    def test_a_faulty_file_changes_nothing_of_the_chain_that_is_there(self, alice: User, file: ChainFile):
        actions.import_chain(owner=alice, file=file)
        faulty = with_agent(replace(file, name="Other", description=""), 0, model="acme/none")
        with pytest.raises(ChainFileError):
            actions.import_chain(owner=alice, file=faulty)
        assert actions.export_chain(chain=Chain.objects.get()) == file

    def test_the_default_model_is_the_first_real_one(
        self, alice: User, file: ChainFile, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("ACME_KEY", "secret")
        acme = Provider.objects.create(slug="acme", name="Acme", kind="openai", key_variable="ACME_KEY")
        LanguageModel.objects.create(provider=acme, model_id="one", name="One")
        result = actions.import_chain(owner=alice, file=with_agent(file, 0, model="default"))
        labels = [one.model.label for one in result.version.agents.all() if one.model]
        assert labels == ["acme/one", "simulated/fast", "simulated/fast"]

    def test_without_any_model_it_says_what_to_do(self, alice: User, file: ChainFile):
        LanguageModel.objects.all().delete()
        with pytest.raises(actions.ActionError, match="set the key of a provider"):
            actions.import_chain(owner=alice, file=with_agent(file, 0, model="default"))


class TestDemos:
    def test_a_demo_is_copied_once_for_each_person(self, alice: User, bob: User):
        model("fast")
        chain = actions.open_demo(owner=alice, slug="three-critics")
        assert actions.open_demo(owner=alice, slug="three-critics") == chain
        theirs = actions.open_demo(owner=bob, slug="three-critics")
        assert theirs != chain
        assert theirs.owner == bob

    def test_a_copy_that_was_deleted_is_made_anew(self, alice: User):
        model("fast")
        old = actions.open_demo(owner=alice, slug="three-critics")
        actions.start_session(owner=alice, chain=old)
        actions.delete_chain(chain=old)
        new = actions.open_demo(owner=alice, slug="three-critics")
        assert new != old
        assert new.slug == "three-critics-2"

    def test_every_demo_opens_and_is_what_its_file_says(self, alice: User):
        model("fast")
        for demo in demo_chain_files():
            chain = actions.open_demo(owner=alice, slug=demo.slug)
            copy = actions.export_chain(chain=chain)
            assert copy.name == demo.chain.name
            assert {one.model for one in copy.agents} == {"simulated/fast"}
            as_in_file = tuple(replace(one, model="default") for one in copy.agents)
            assert as_in_file == demo.chain.agents

    def test_an_unknown_demo_is_refused(self, alice: User):
        with pytest.raises(actions.NoSuchDemo):
            actions.open_demo(owner=alice, slug="nothing")


class TestKeeping:
    @pytest.fixture
    def compared(self, alice: User) -> Chain:
        run = actions.quick_compare(
            owner=alice, models=[model("fast"), model("slow")], text="Hello", request_id="r1"
        )
        return run.chain_version.chain

    def test_a_comparison_that_is_kept_is_among_the_chains(self, alice: User, compared: Chain):
        actions.keep_chain(chain=compared, name="  Two   models ")
        [kept] = Chain.objects.visible_to(alice).named()
        assert (kept.pk, kept.name, kept.slug) == (compared.pk, "Two models", "two-models")

    def test_a_name_that_is_taken_gets_another_slug(self, alice: User, compared: Chain):
        chain_of(alice, name="Critics")
        assert actions.keep_chain(chain=compared, name="Critics").slug == "critics-2"

    def test_a_chain_needs_a_name_to_be_kept(self, compared: Chain):
        with pytest.raises(actions.ActionError, match="Give the chain a name"):
            actions.keep_chain(chain=compared, name=" ")


class TestDeleting:
    def test_an_unused_chain_goes_with_its_versions(self, alice: User):
        chain = chain_of(alice)
        actions.delete_chain(chain=chain)
        assert not Chain.objects.exists()
        assert not ChainVersion.objects.exists()

    def test_a_chain_with_runs_is_archived(self, alice: User):
        session = session_of(alice)
        run = complete(run_in(session))
        chain = run.chain_version.chain
        actions.delete_chain(chain=chain)
        assert not Chain.objects.active().exists()
        run.refresh_from_db()
        assert run.chain_version.chain == chain

    def test_two_chains_of_one_name_get_two_slugs(self, alice: User):
        slugs = [chain_of(alice, name="Critics").slug for _ in range(3)]
        assert slugs == ["critics", "critics-2", "critics-3"]
