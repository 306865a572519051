"""The composer's addresses: files, quotes, editing a message, the outlook, continuing with an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from chains import actions
from chains.forms import MAX_MESSAGE, MessageForm
from chains.models import Attachment, Chain, ChatSession, LanguageModel, Run, User
from chains.uploads import MAX_FILE
from tests.integration.pages_cast import PARALLEL, agent, chain_of, complete, run_in, session_of
from tests.pictures import picture

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice, agent("Ada", PARALLEL), agent("Ben", PARALLEL))


def file(name: str = "notes.txt", data: bytes = b"one\n") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def attach(client: Client, session: ChatSession, *files: SimpleUploadedFile) -> Any:
    return client.post(reverse("session_attach", args=[session.pk]), {"files": list(files)})


def stored(session: ChatSession, name: str = "notes.txt", data: bytes = b"one\n") -> Attachment:
    return actions.attach(session=session, name=name, data=data)


def send(client: Client, session: ChatSession, text: str = "Look.", **data: Any) -> Any:
    headers = data.pop("headers", {})
    form = {"input": text, "request_id": "r1", **data}
    return client.post(reverse("session_send", args=[session.pk]), form, headers=headers)


def show(client: Client, session: ChatSession) -> str:
    return client.get(reverse("session_detail", args=[session.pk])).content.decode()


def composer_of(page: str) -> str:
    return page[page.index('<div class="composer"') :]


def carried(run: Run) -> list[str]:
    return list(run.carried.values_list("attachment__name", flat=True))


class TestAttaching:
    def test_a_file_is_answered_by_its_chip(self, client: Client, session: ChatSession):
        response = attach(client, session, file())
        assert response.status_code == 200
        [kept] = Attachment.objects.all()
        chip = response.content.decode()
        assert f'name="attachments" value="{kept.pk}"' in chip
        assert "notes.txt" in chip
        assert "4 bytes" in chip

    def test_a_picture_shows_itself_and_its_size(self, client: Client, session: ChatSession):
        chip = attach(client, session, file("cat.png", picture(size=(64, 48)))).content.decode()
        assert reverse("attachment_thumbnail", args=[Attachment.objects.get().pk]) in chip
        assert "64 × 48" in chip

    def test_a_file_that_cannot_be_taken_is_answered_by_the_fault(self, client: Client, session: ChatSession):
        response = attach(client, session, file("a.bin", b"\0\1"), file("b.txt", b"fine"))
        assert response.status_code == 422
        page = response.content.decode()
        assert "“a.bin” is neither text nor a picture" in page
        assert "b.txt" in page
        assert Attachment.objects.get().name == "b.txt"

    def test_what_is_far_too_large_is_answered_in_words(self, client: Client, session: ChatSession):
        response = attach(client, session, file("huge.png", picture() + b"\0" * (MAX_FILE + 5_000_000)))
        assert response.status_code == 422
        assert "“huge.png” is too large: a picture may have 10 MB." in response.content.decode()

    def test_files_wait_in_the_composer_until_they_are_sent(self, client: Client, session: ChatSession):
        waiting = stored(session)
        assert f'name="attachments" value="{waiting.pk}"' in show(client, session)
        send(client, session, attachments=[waiting.pk])
        complete(Run.objects.get())
        page = show(client, session)
        assert 'name="attachments"' not in page
        assert f'href="{reverse("attachment_show", args=[waiting.pk])}"' in page

    def test_one_is_taken_away_by_a_script_without_a_page(self, client: Client, session: ChatSession):
        address = reverse("attachment_remove", args=[stored(session).pk])
        assert client.post(address, headers={"X-Requested-With": "fetch"}).status_code == 204
        assert not Attachment.objects.exists()

    def test_without_a_script_what_was_typed_stays(self, client: Client, session: ChatSession):
        address = reverse("attachment_remove", args=[stored(session).pk])
        page = client.post(address, {"input": "Half a thought"}).content.decode()
        assert ">Half a thought</textarea>" in page
        assert "notes.txt" not in page

    def test_another_window_asks_what_waits(self, client: Client, session: ChatSession):
        address = reverse("session_files", args=[session.pk])
        assert "notes.txt" not in client.get(address).content.decode()
        stored(session)
        assert "notes.txt" in client.get(address).content.decode()


class TestSendingFiles:
    def test_files_that_wait_are_sent_with_the_message(self, client: Client, session: ChatSession):
        files = [stored(session, name) for name in ("a.txt", "b.txt")]
        assert send(client, session, attachments=[one.pk for one in files]).status_code == 302
        assert carried(Run.objects.get()) == ["a.txt", "b.txt"]

    def test_without_a_script_they_come_with_the_form(self, client: Client, session: ChatSession):
        waiting = stored(session, "before.txt")
        new = [file("new.txt"), file("cat.png", picture())]
        assert send(client, session, attachments=[waiting.pk], files=new).status_code == 302
        assert carried(Run.objects.get()) == ["before.txt", "new.txt", "cat.png"]

    def test_a_faulty_one_keeps_the_message_and_the_good_ones(self, client: Client, session: ChatSession):
        response = send(client, session, "My words", files=[file("good.txt"), file("bad.bin", b"\0")])
        assert response.status_code == 422
        page = response.content.decode()
        assert "“bad.bin” is neither" in page
        assert ">My words</textarea>" in page
        assert f'name="attachments" value="{Attachment.objects.get(name="good.txt").pk}"' in page
        assert not Run.objects.exists()

    def test_a_form_that_is_sent_twice_stores_its_files_once(self, client: Client, session: ChatSession):
        for _ in range(2):
            send(client, session, files=[file()])
        assert Run.objects.count() == Attachment.objects.count() == 1

    def test_a_file_that_is_gone_is_named_as_the_reason(self, client: Client, session: ChatSession):
        response = send(client, session, attachments=[999_999], headers=HTMX)
        assert response.status_code == 422
        assert "not there any more" in response.content.decode()
        assert not Run.objects.exists()

    def test_nine_files_are_too_many(self, client: Client, session: ChatSession):
        response = send(client, session, files=[file(f"{number}.txt") for number in range(9)])
        assert response.status_code == 422
        assert "8 files" in response.content.decode()
        assert not Run.objects.exists()

    def test_a_message_of_files_alone_is_asked_for_words(self, client: Client, session: ChatSession):
        response = send(client, session, "", files=[file()], headers=HTMX)
        assert response.status_code == 422
        page = response.content.decode()
        assert "Type a message first." in page
        assert "notes.txt" in page


class TestLimits:
    def test_a_form_with_too_much_text_is_answered_with_413_in_words(
        self, client: Client, session: ChatSession
    ):
        response = send(client, session, "x" * 6 * 1024 * 1024)
        assert response.status_code == 413
        assert "too much at once" in response.content.decode()
        assert not Run.objects.exists()

    def test_a_message_of_the_greatest_length_fits_in_any_alphabet(
        self, client: Client, session: ChatSession
    ):
        assert send(client, session, "𝔄" * MAX_MESSAGE).status_code == 302

    def test_a_request_that_is_not_understood_is_still_a_400(self, client: Client):
        response = client.get("/", headers={"Host": "elsewhere.example.org"})
        assert response.status_code == 400
        assert "not understood" in response.content.decode()


class TestShowing:
    def test_a_text_is_plain_text_whatever_it_says(self, client: Client, session: ChatSession):
        kept = stored(session, "page.html", b"<script>alert(1)</script>")
        response = client.get(reverse("attachment_show", args=[kept.pk]))
        assert response.content == b"<script>alert(1)</script>"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        policy = response.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "sandbox"} <= set(policy)
        assert response.headers["Content-Disposition"] == "inline; filename*=UTF-8''page.html"

    def test_a_picture_has_its_own_type_and_a_fitting_name(self, client: Client, session: ChatSession):
        kept = stored(session, "käfer.gif", picture("GIF"))
        response = client.get(reverse("attachment_show", args=[kept.pk]))
        assert response.content == bytes(kept.data or b"")
        assert response.headers["Content-Type"] == "image/png"
        assert response.headers["Content-Disposition"] == "inline; filename*=UTF-8''k%C3%A4fer.gif.png"

    @pytest.mark.parametrize("name", ["attachment_show", "attachment_thumbnail"])
    def test_only_this_browser_may_keep_it(self, client: Client, session: ChatSession, name: str):
        kept = stored(session, "cat.png", picture())
        response = client.get(reverse(name, args=[kept.pk]))
        assert "private" in response.headers["Cache-Control"]
        assert "Cookie" in response.headers["Vary"]

    def test_a_thumbnail_is_a_small_jpeg(self, client: Client, session: ChatSession):
        kept = stored(session, "cat.png", picture(size=(1000, 500)))
        response = client.get(reverse("attachment_thumbnail", args=[kept.pk]))
        assert response.headers["Content-Type"] == "image/jpeg"
        assert response.content.startswith(b"\xff\xd8\xff")

    def test_a_text_has_no_thumbnail(self, client: Client, session: ChatSession):
        assert client.get(reverse("attachment_thumbnail", args=[stored(session).pk])).status_code == 404


class TestQuotes:
    def test_a_quote_becomes_part_of_the_message_with_its_author(self, client: Client, session: ChatSession):
        step = complete(run_in(session)).steps.get(slug="ben")
        send(client, session, "Why?", quote_step=[step.pk], quote_text=["It is so.\r\nAlways."])
        assert Run.objects.latest("id").input == "> **Ben** wrote:\n>\n> It is so.\n> Always.\n\nWhy?"

    def test_the_page_shows_it_as_a_quote_and_the_title_skips_it(self, client: Client, session: ChatSession):
        step = complete(run_in(session)).steps.get(slug="ben")
        send(client, session, "Why?", quote_step=[step.pk], quote_text=["<b>So</b>"])
        page = show(client, session)
        assert '<blockquote class="message-quote"><cite>Ben</cite>&lt;b&gt;So&lt;/b&gt;</blockquote>' in page
        assert '<span class="band-excerpt">Why?</span>' in page

    def test_a_fault_keeps_the_quotes(self, client: Client, session: ChatSession):
        step = complete(run_in(session)).steps.get(slug="ben")
        page = send(client, session, "", quote_step=[step.pk], quote_text=["It is so."], headers=HTMX)
        assert f'name="quote_step" value="{step.pk}"' in page.content.decode()
        assert "It is so.</textarea>" in page.content.decode()

    def test_nobody_can_be_quoted_from_another_session(
        self, client: Client, session: ChatSession, alice: User, bob: User
    ):
        for owner in (alice, bob):
            step = complete(run_in(session_of(owner))).steps.all()[0]
            response = send(client, session, quote_step=[step.pk], quote_text=["Words"], headers=HTMX)
            assert response.status_code == 422
            assert "not there any more" in response.content.decode()
        assert not session.runs.exists()

    def test_with_its_quotes_a_message_has_the_same_bound(self, client: Client, session: ChatSession):
        step = complete(run_in(session)).steps.get(slug="ben")
        response = send(
            client, session, "x" * MAX_MESSAGE, quote_step=[step.pk], quote_text=["y"], headers=HTMX
        )
        assert response.status_code == 422
        assert "With its quotes" in response.content.decode()


class TestEditing:
    def edit(self, client: Client, run: Run, **headers: str) -> str:
        response = client.get(reverse("run_edit", args=[run.pk]), headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    def test_the_message_is_put_into_the_composer_with_its_files(self, client: Client, session: ChatSession):
        kept = stored(session)
        assert session.chain is not None
        run = complete(actions.start_run(
            session=session, chain=session.chain, text="Look here.", request_id="r0", attachments=[kept]
        ))  # fmt: skip
        stored(session, "draft.txt")
        page = self.edit(client, run, **HTMX)
        assert ">Look here.</textarea>" in page
        assert f'name="attachments" value="{kept.pk}"' in page
        assert "draft.txt" not in page
        assert f'name="retry_of" value="{run.pk}"' in page
        assert "the old one stays" in page
        assert "<html" not in page

    def test_without_a_script_it_is_a_page(self, client: Client, session: ChatSession):
        run = complete(run_in(session))
        page = self.edit(client, run)
        assert "<html" in page
        assert ">Is it so?</textarea>" in composer_of(page)

    def test_what_is_sent_is_another_try_and_the_old_run_stays(self, client: Client, session: ChatSession):
        first = complete(run_in(session))
        assert send(client, session, "Is it really so?", retry_of=first.pk).status_code == 302
        second = Run.objects.latest("id")
        assert (second.retry_of, second.input) == (first, "Is it really so?")
        first.refresh_from_db()
        assert (first.input, first.status) == ("Is it so?", "completed")
        assert "edited message" in show(client, session)

    def test_the_same_words_again_are_another_try_and_not_an_edit(self, client: Client, session: ChatSession):
        first = complete(run_in(session))
        send(client, session, "Is it so?", retry_of=first.pk)
        page = show(client, session)
        assert "another try" in page
        assert "edited message" not in page

    def test_a_fault_goes_on_with_the_edit(self, client: Client, session: ChatSession):
        first = complete(run_in(session))
        page = send(client, session, "", retry_of=first.pk, headers=HTMX).content.decode()
        assert f'name="retry_of" value="{first.pk}"' in page

    def test_a_message_of_another_session_cannot_be_edited(
        self, client: Client, session: ChatSession, alice: User, bob: User
    ):
        for owner in (alice, bob):
            other = complete(run_in(session_of(owner)))
            response = send(client, session, retry_of=other.pk, headers=HTMX)
            assert response.status_code == 422
            assert "not there any more" in response.content.decode()
        assert not session.runs.exists()

    def test_quotes_are_chips_again(self, client: Client, session: ChatSession):
        step = complete(run_in(session)).steps.get(slug="ben")
        send(
            client, session, "Why?\n\n> my own", quote_step=[step.pk] * 2, quote_text=["It is\n\nso.", "So."]
        )
        run = complete(Run.objects.latest("id"))
        form = MessageForm(session=session, editing=run)
        assert form["input"].value() == "Why?\n\n> my own"
        assert [(quote.name, quote.text) for quote in form.quotes] == [
            ("Ben", "It is\n\nso."),
            ("Ben", "So."),
        ]

    def test_a_quote_of_nobody_here_stays_text(self, session: ChatSession):
        run = complete(run_in(session, "> **Nobody** wrote:\n>\n> Hm.\n\nWhy?"))
        form = MessageForm(session=session, editing=run)
        assert (form["input"].value(), form.quotes) == (run.input, [])

    def test_cancelling_brings_a_fresh_composer(self, client: Client, session: ChatSession):
        complete(run_in(session))
        page = client.get(reverse("session_composer", args=[session.pk]), headers=HTMX).content.decode()
        assert "retry_of" not in page
        assert re.search(r"<textarea[^>]*></textarea>", page)

    def test_it_starts_from_the_chain_that_ran(self, client: Client, session: ChatSession, alice: User):
        run = complete(run_in(session))
        other = chain_of(alice, agent("Cleo"), name="Other")
        ChatSession.objects.filter(pk=session.pk).update(chain=other)
        page = self.edit(client, run, **HTMX)
        assert re.search(rf'<option value="{run.chain_version.chain_id}" selected>', page)


class TestOutlook:
    def ask(self, client: Client, session: ChatSession, **question: Any) -> str:
        response = client.get(reverse("session_outlook", args=[session.pk]), question, headers=HTMX)
        assert response.status_code == 200
        return response.content.decode()

    def cost(self, client: Client, session: ChatSession, **question: Any) -> str:
        found = re.search(r"data-cost>([^<]*)<", self.ask(client, session, **question))
        assert found
        return unescape(found[1])

    @pytest.fixture
    def priced(self, session: ChatSession) -> ChatSession:
        provider = LanguageModel.objects.all()[0].provider
        provider.kind = "openai"
        provider.save()
        LanguageModel.objects.update(input_price=10, output_price=0)
        return session

    def test_simulated_agents_cost_nothing(self, client: Client, session: ChatSession):
        assert self.cost(client, session) == "$0"

    def test_it_grows_with_the_message(self, client: Client, priced: ChatSession):
        assert self.cost(client, priced, characters=40_000) == "$0.2000"
        assert self.cost(client, priced, characters=400_000) == "$2.00"

    def test_it_grows_with_texts_and_with_pictures_for_those_who_see(
        self, client: Client, priced: ChatSession
    ):
        text = stored(priced, "long.txt", b"x" * 40_000)
        cat = stored(priced, "cat.png", picture())
        assert self.cost(client, priced, characters=4, attachments=[text.pk]) == "$0.2000"
        assert self.cost(client, priced, characters=4, attachments=[cat.pk]) == "< $0.0001"
        LanguageModel.objects.update(vision=True)
        assert self.cost(client, priced, characters=4, attachments=[cat.pk]) == "$0.0050 to $0.0320"

    def test_it_counts_what_was_said_before(self, client: Client, priced: ChatSession):
        complete(run_in(priced, "x" * 20_000), answer="y" * 20_000)
        assert self.cost(client, priced, characters=4) == "$0.2000"

    def test_a_price_that_is_unknown_is_said_to_be(self, client: Client, priced: ChatSession):
        LanguageModel.objects.update(input_price=None)
        assert self.cost(client, priced) == "unknown for 2 calls"

    def test_it_follows_the_chain_that_is_picked(self, client: Client, session: ChatSession, alice: User):
        other = chain_of(alice, agent("Cleo"), agent("Dan"), name="Other")
        page = self.ask(client, session, chain=other.pk, empty="1")
        assert 'id="session-chain" hx-swap-oob="true"' in page
        assert page.count("Cleo") >= 3
        assert "Other" in page
        assert "Ben" not in page
        session.refresh_from_db()
        assert session.chain != other

    def test_nobody_sees_another_persons_chain(self, client: Client, session: ChatSession, bob: User):
        his = chain_of(bob, agent("Secret"), name="Hidden")
        page = self.ask(client, session, chain=his.pk)
        assert "Hidden" not in page
        assert "Secret" not in page

    def test_another_sessions_files_count_nothing(self, client: Client, priced: ChatSession, bob: User):
        his = stored(session_of(bob, agent("Ada")), "long.txt", b"x" * 400_000)
        assert self.cost(client, priced, characters=4, attachments=[his.pk]) == "< $0.0001"

    def test_it_warns_when_no_agent_can_see(self, client: Client, session: ChatSession):
        cat = stored(session, "cat.png", picture())
        assert "No agent of this chain can see pictures" in self.ask(client, session, attachments=[cat.pk])
        LanguageModel.objects.update(vision=True)
        page = self.ask(client, session, attachments=[cat.pk])
        assert "No agent" not in page
        assert "shown to Ada, Ben" in page

    def test_an_agent_that_does_not_get_the_message_is_not_among_those_who_see(
        self, client: Client, alice: User
    ):
        session = session_of(alice, agent("Ada"), agent("Editor"))
        LanguageModel.objects.update(vision=True)
        cat = stored(session, "cat.png", picture())
        page = self.ask(client, session, attachments=[cat.pk])
        assert "shown to Ada." in page

    @pytest.mark.parametrize(
        "nonsense", [{"chain": "x"}, {"characters": "-1"}, {"attachments": ["x", "²", "9" * 20]}]
    )
    def test_nonsense_is_no_fault(self, client: Client, session: ChatSession, nonsense: dict[str, Any]):
        assert self.ask(client, session, **nonsense)


class TestChoosing:
    def choose(self, client: Client, run: Run, slug: str, **data: str) -> Any:
        headers = {} if data.pop("plain", "") else HTMX
        step = run.steps.get(slug=slug)
        return client.post(reverse("step_choose", args=[step.pk]), data or {"chosen": "1"}, headers=headers)

    def test_the_answers_of_a_compare_offer_it(self, client: Client, session: ChatSession):
        complete(run_in(session))
        assert show(client, session).count("Continue with this answer") == 2

    def test_choosing_marks_the_answer_and_says_it_under_the_run(self, client: Client, session: ChatSession):
        run = complete(run_in(session))
        page = self.choose(client, run, "ben").content.decode()
        chosen = run.steps.get(slug="ben")
        assert chosen.is_chosen
        assert f'id="step-{chosen.pk}-foot" hx-swap-oob="true"' in page
        assert "The conversation continues with this answer." in page
        assert "Continue with this one instead" in page
        assert f'data-continues="{chosen.pk}"' in page
        assert 'data-choice="chosen"' in show(client, session)

    def test_it_can_be_undone(self, client: Client, session: ChatSession):
        run = complete(run_in(session))
        self.choose(client, run, "ben")
        page = self.choose(client, run, "ben", chosen="0").content.decode()
        assert not run.steps.filter(is_chosen=True).exists()
        assert "continues with" not in page

    def test_without_a_script_it_leads_back_to_the_run(self, client: Client, session: ChatSession):
        run = complete(run_in(session))
        response = self.choose(client, run, "ben", chosen="1", plain="1")
        assert response.headers["Location"].endswith(f"#run-{run.pk}")

    def test_what_cannot_be_chosen_is_said(self, client: Client, session: ChatSession):
        run = run_in(session)
        response = self.choose(client, run, "ben", chosen="1", plain="1")
        page = client.get(response.headers["Location"]).content.decode()
        assert "only with a complete answer" in page

    def test_asking_an_agent_alone_changes_the_picked_chain(self, client: Client, session: ChatSession):
        run = complete(run_in(session))
        self.choose(client, run, "ben", alone="1", plain="1")
        session.refresh_from_db()
        assert session.chain == Chain.objects.get(name="Ben alone")
        assert ">Ben alone</option>" in show(client, session)

    def test_a_chain_with_a_last_word_offers_no_choice(self, client: Client, alice: User):
        session = session_of(alice)
        complete(run_in(session))
        assert "Continue with this answer" not in show(client, session)
