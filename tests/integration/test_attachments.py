"""Files of a message: taken in, carried by runs, read by the engine, and gone with their session."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import RestrictedError
from django.utils import timezone

from chains import actions
from chains.actions.attachments import MAX_FILES, MAX_PICTURE, MAX_TEXT, UNSENT_FOR, file_name
from chains.engine import carried
from chains.engine.loading import load_run
from chains.models import Attachment, ChatSession, LanguageModel, Run, RunAttachment, User
from tests.integration.pages_cast import PARALLEL, agent, complete, model, session_of
from tests.pictures import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice: User) -> ChatSession:
    return session_of(alice, agent("Ada"))


def attach(session: ChatSession, name: str = "notes.txt", data: bytes = b"one\ntwo\n") -> Attachment:
    return actions.attach(session=session, name=name, data=data)


def send(session: ChatSession, *attachments: Attachment, text: str = "Look.", **options: Any) -> Run:
    assert session.chain
    request_id = options.pop("request_id", uuid.uuid4().hex)
    return actions.start_run(
        session=session,
        chain=session.chain,
        text=text,
        request_id=request_id,
        attachments=attachments,
        **options,
    )


def refusal(session: ChatSession, name: str, data: bytes) -> str:
    with pytest.raises(actions.AttachmentRefused) as caught:
        attach(session, name, data)
    assert caught.value.field == "attachments"
    assert not Attachment.objects.exists()
    return str(caught.value)


class TestTexts:
    def test_a_text_is_stored_as_it_is(self, session: ChatSession, alice: User):
        stored = attach(session, "ideas.md", "Zwölf Köche\n".encode())
        assert (stored.owner, stored.session, stored.kind, stored.name) == (
            alice,
            session,
            "text",
            "ideas.md",
        )
        assert (stored.text, stored.size) == ("Zwölf Köche\n", 14)

    def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_it(self, session: ChatSession):
        assert attach(session, "a.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n").text == "a,b\n1,2\n"

    @pytest.mark.parametrize("data", ["naïve".encode("latin-1"), "naïve".encode("cp1252")])
    def test_another_encoding_is_named_as_the_fault(self, session: ChatSession, data: bytes):
        assert refusal(session, "old.txt", data) == "“old.txt” is text in another encoding: save it as UTF-8."

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_two_and_four_byte_encodings_are_told_from_binary_files(
        self, session: ChatSession, encoding: str
    ):
        assert "another encoding" in refusal(session, "wide.txt", "Hello".encode(encoding))

    @pytest.mark.parametrize(
        "data", [b"%PDF-1.7\n\x00\x01", b"PK\x03\x04", b"\x7fELF\x02\x01\x01\x00", b"BM6\x00"]
    )
    def test_a_binary_file_is_refused_with_what_may_be_attached(self, session: ChatSession, data: bytes):
        assert "neither text nor a picture" in refusal(session, "thing.bin", data)

    def test_a_text_of_a_megabyte_fits_and_one_byte_more_does_not(self, session: ChatSession):
        assert "at most" not in refusal(session, "long.txt", b"x" * (MAX_TEXT + 1))
        assert attach(session, "long.txt", b"x" * MAX_TEXT).size == MAX_TEXT

    @pytest.mark.parametrize("data", [b"", b" \n\t", b"\xef\xbb\xbf"])
    def test_an_empty_file_is_refused(self, session: ChatSession, data: bytes):
        assert refusal(session, "empty.txt", data) == "“empty.txt” is empty."

    def test_a_page_or_a_drawing_in_markup_is_a_text_too(self, session: ChatSession):
        stored = attach(session, "x.svg", b"<svg onload=alert(1)></svg>")
        assert (stored.kind, stored.media_type) == ("text", "text/plain")


class TestPictures:
    def test_a_picture_is_stored_as_it_was_drawn_anew(self, session: ChatSession):
        uploaded = picture("JPEG", (3000, 1500), comment=b"secret")
        stored = attach(session, "photo.jpg", uploaded)
        assert (stored.kind, stored.media_type) == ("image", "image/jpeg")
        assert (stored.width, stored.height, stored.text) == (2048, 1024, "")
        assert stored.data
        assert stored.thumbnail
        assert b"secret" not in bytes(stored.data)
        assert stored.size == len(bytes(stored.data))

    def test_what_it_is_shows_in_its_bytes_and_not_in_its_name(self, session: ChatSession):
        assert attach(session, "really-a-text.txt", picture()).kind == "image"
        assert attach(session, "not-a-picture.png", b"words").kind == "text"

    def test_a_damaged_picture_is_refused_by_name(self, session: ChatSession):
        said = refusal(session, "cat.gif", b"GIF89a" + b"\xff" * 20)
        assert said == "“cat.gif” is damaged: it cannot be read as a picture."

    def test_a_picture_that_is_too_large_is_refused_before_it_is_opened(self, session: ChatSession):
        assert "may have 10 MB" in refusal(session, "huge.png", picture() + b"\0" * MAX_PICTURE)


class TestBounds:
    def test_a_message_carries_eight_files(self, session: ChatSession):
        files = [attach(session, f"{number}.txt") for number in range(MAX_FILES)]
        with pytest.raises(actions.AttachmentRefused, match="8 files"):
            attach(session, "9.txt")
        send(session, *files)
        # They are no longer waiting, so others may.
        attach(session, "9.txt")

    def test_a_run_with_more_is_not_started(self, session: ChatSession):
        files = [attach(session, f"{number}.txt") for number in range(MAX_FILES)]
        complete(send(session, *files))
        ninth = attach(session, "9.txt")
        with pytest.raises(actions.AttachmentRefused, match="8 files"):
            send(session, *files, ninth)
        assert Run.objects.count() == 1

    def test_all_files_together_are_bounded(self, session: ChatSession):
        Attachment.objects.filter(pk=attach(session).pk).update(size=20 * 1024 * 1024)
        with pytest.raises(actions.AttachmentRefused, match="20 MB"):
            attach(session, "more.txt")

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("C:\\Users\\me\\plan.txt", "plan.txt"),
            ("../../etc/passwd", "passwd"),
            ("a\nb\u202egpj.exe", "abgpj.exe"),
            ("`rm`.md", "'rm'.md"),
            ("", "file"),
            ("/", "file"),
            ("x" * 200 + ".json", "x" * 115 + ".json"),
            ("x" * 200, "x" * 120),
        ],
    )
    def test_a_name_is_one_line_without_folders(self, given: str, name: str):
        assert file_name(given) == name


class TestCarried:
    def test_a_text_becomes_part_of_the_input(self, session: ChatSession):
        run = send(session, attach(session, "a.py", b"print(1)\n"), attach(session, "b.md", b"```\nx\n```\n"))
        assert load_run(run.pk).input == (
            "Look.\n\nFile: a.py\n\n```py\nprint(1)\n```\n\nFile: b.md\n\n````md\n```\nx\n```\n````"
        )
        assert run.input == "Look."

    def test_a_picture_comes_beside_it_when_some_agent_sees(self, session: ChatSession):
        LanguageModel.objects.update(vision=True)
        stored = attach(session, "cat.png", picture())
        [image] = load_run(send(session, stored).pk).images
        assert (image.name, image.media_type, image.width, image.attachment) == (
            "cat.png",
            "image/png",
            8,
            stored.pk,
        )
        assert image.data

    def test_its_bytes_are_not_read_when_nobody_sees(self, session: ChatSession):
        [image] = load_run(send(session, attach(session, "cat.png", picture())).pk).images
        assert (image.name, image.data) == ("cat.png", "")

    def test_a_follow_up_still_has_the_files_of_earlier_messages(self, session: ChatSession):
        LanguageModel.objects.update(vision=True)
        complete(send(session, attach(session), attach(session, "cat.png", picture())))
        [turn] = load_run(send(session, text="And now?").pk).history
        assert "File: notes.txt" in turn.input
        assert [image.name for image in turn.images] == ["cat.png"]

    def test_the_newest_pictures_are_sent_and_older_ones_named(
        self, session: ChatSession, monkeypatch: pytest.MonkeyPatch
    ):
        LanguageModel.objects.update(vision=True)
        monkeypatch.setattr(carried, "MAX_IMAGES", 2)
        for name in ("1.png", "2.png", "3.png"):
            complete(send(session, attach(session, name, picture())))
        spec = load_run(send(session, attach(session, "4.png", picture())).pk)
        assert [image.name for image in spec.images] == ["4.png"]
        assert [([image.name for image in turn.images], turn.unseen) for turn in spec.history] == [
            ([], ("1.png",)),
            ([], ("2.png",)),
            (["3.png"], ()),
        ]

    def test_turns_whose_texts_no_window_could_hold_are_not_read_at_all(
        self, session: ChatSession, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(carried, "MAX_TEXT", 20)
        for text in ("first", "second", "third"):
            complete(send(session, attach(session, data=text.encode() * 2), text=text))
        spec = load_run(send(session, text="And now?").pk)
        # Third and second make 22 bytes: the second does not fit, and what came before it goes too.
        assert [turn.input.partition("\n")[0] for turn in spec.history] == ["third"]

    def test_files_cost_the_same_queries_for_one_turn_and_for_six(
        self, session: ChatSession, django_assert_num_queries
    ):
        for turns in (1, 6):
            while Run.objects.count() < turns:
                complete(send(session, attach(session), attach(session, "cat.png", picture())))
            run = send(session, attach(session))
            with django_assert_num_queries(7):
                load_run(run.pk)
            complete(run)

    def test_trying_again_carries_the_same_files(self, session: ChatSession):
        first = complete(send(session, attach(session), attach(session, "cat.png", picture())))
        again = actions.run_again(run=first, request_id="again")
        assert list(again.carried.values_list("attachment")) == list(first.carried.values_list("attachment"))
        assert Attachment.objects.count() == 2


class TestWhose:
    def test_files_of_another_session_cannot_be_carried(self, session: ChatSession, alice: User, bob: User):
        elsewhere = attach(session_of(alice, agent("Ada")))
        his = attach(session_of(bob, agent("Ada")))
        for file in (elsewhere, his):
            with pytest.raises(actions.AttachmentRefused, match="not there any more"):
                send(session, file)
        assert not Run.objects.exists()

    def test_only_the_owner_sees_a_file(self, session: ChatSession, alice: User, bob: User):
        stored = attach(session)
        assert list(Attachment.objects.visible_to(alice)) == [stored]
        assert not Attachment.objects.visible_to(bob).exists()

    def test_a_file_is_either_text_or_picture(self, session: ChatSession):
        stored = attach(session)
        with pytest.raises(IntegrityError), transaction.atomic():
            Attachment.objects.filter(pk=stored.pk).update(kind="image")

    def test_a_run_carries_a_file_once(self, session: ChatSession):
        stored = attach(session)
        run = send(session, stored)
        with pytest.raises(IntegrityError), transaction.atomic():
            RunAttachment.objects.create(run=run, attachment=stored, position=9)


class TestGoing:
    def test_one_that_was_not_sent_can_be_let_go(self, session: ChatSession):
        actions.remove_attachment(attachment=attach(session))
        assert not Attachment.objects.exists()

    def test_one_that_was_sent_stays_with_its_message(self, session: ChatSession):
        stored = attach(session)
        send(session, stored)
        actions.remove_attachment(attachment=stored)
        assert Attachment.objects.filter(pk=stored.pk).exists()
        with pytest.raises(RestrictedError):
            stored.delete()

    def test_files_go_with_their_session(self, session: ChatSession):
        send(session, attach(session), attach(session, "cat.png", picture()))
        attach(session, "unsent.txt")
        actions.delete_session(session=session)
        assert not Attachment.objects.exists()
        assert not RunAttachment.objects.exists()

    def test_what_nobody_sent_for_a_week_is_swept(self, session: ChatSession):
        sent, old, young = attach(session), attach(session, "old.txt"), attach(session, "young.txt")
        send(session, sent)
        long_ago = timezone.now() - UNSENT_FOR - timedelta(minutes=1)
        Attachment.objects.filter(pk__in=[sent.pk, old.pk]).update(created_at=long_ago)
        actions.sweep_attachments()
        assert set(Attachment.objects.all()) == {sent, young}

    def test_the_next_file_that_comes_sweeps_too(self, session: ChatSession):
        old = attach(session)
        Attachment.objects.update(created_at=timezone.now() - UNSENT_FOR - timedelta(minutes=1))
        attach(session, "new.txt")
        assert not Attachment.objects.filter(pk=old.pk).exists()


def test_an_edited_message_carries_its_files_to_the_place_of_the_first(session: ChatSession):
    stored = attach(session)
    first = complete(send(session, stored))
    complete(send(session, text="Later"))
    edited = send(session, stored, text="Look closer.", retry_of=first)
    assert edited.retry_of_id == first.pk
    assert load_run(edited.pk).history == ()
    complete(edited, answer="Closer")
    again = complete(send(session, text="Closer still.", retry_of=edited), answer="Closest")
    assert again.retry_of_id == first.pk
    turns = load_run(send(session, text="And now?").pk).history
    assert [(turn.input, turn.output) for turn in turns] == [
        ("Closer still.", "Closest"),
        ("Later", "It is **so**."),
    ]


def test_a_parallel_group_reads_each_file_once(alice: User):
    model()
    session = session_of(alice, agent("Ada", PARALLEL), agent("Ben", PARALLEL))
    LanguageModel.objects.update(vision=True)
    run = send(session, attach(session, "cat.png", picture()))
    assert len(load_run(run.pk).images) == 1
