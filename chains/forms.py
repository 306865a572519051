"""What people type: checked here before an action sees it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

from django import forms
from django.core.validators import MaxLengthValidator
from django.db.models import Q
from django.http import QueryDict
from django.utils.functional import cached_property

from chains.engine.quotes import Quote, passages, with_quotes
from chains.models import AgentStep, Attachment, Chain, ChatSession, LanguageModel, Run, User, is_row_id

MAX_MESSAGE = 200_000  # characters
MAX_QUOTES = 20
TOO_LONG = f"is too long: it may have {MAX_MESSAGE:,} characters."
CHAIN_GONE = "That chain is not there any more."
FILE_GONE = "A file that was attached is not there any more: attach it again."
MIN_COMPARED, MAX_COMPARED = 2, 8


def fresh_request_id() -> str:
    """Return the id of one intention to send: sent twice, it starts one run."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class GivenQuote:
    """A passage that somebody quotes; without a step if its answer is not there any more."""

    text: str
    step: AgentStep | None

    @property
    def is_gone(self) -> bool:
        """Whether nobody can say whose words it is."""
        return self.step is None

    @property
    def name(self) -> str:
        """The agent whose words it is."""
        return self.step.name if self.step else "Somebody"


class MessageField(forms.CharField):
    """A message to agents: never empty, of bounded length, kept exactly as it was typed."""

    def __init__(self, **options: Any) -> None:
        too_long = MaxLengthValidator(MAX_MESSAGE, f"The message {TOO_LONG}")
        super().__init__(
            strip=False,
            error_messages={"required": "Type a message first."},
            validators=[too_long],
            **options,
        )

    def to_python(self, value: Any) -> str:
        """Count a message of nothing but white space as empty, and use one kind of line end."""
        text = (super().to_python(value) or "").replace("\r\n", "\n")
        return text if text.strip() else ""


class MessageForm(forms.Form):
    """The composer of a session: a message, what it quotes and carries, and the chain that it runs.

    With ``editing`` it starts from that run's message, and what it sends is another try of it.
    """

    input = MessageField()
    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput, initial=fresh_request_id)
    chain = forms.ModelChoiceField(
        Chain.objects.none(),
        required=False,
        error_messages={"invalid_choice": "That chain is not there any more: pick another one."},
    )
    attachments = forms.ModelMultipleChoiceField(
        Attachment.objects.none(),
        required=False,
        error_messages={"invalid_choice": FILE_GONE, "invalid_pk_value": FILE_GONE},
    )
    retry_of = forms.ModelChoiceField(
        Run.objects.none(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "The message that you edit is not there any more."},
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        session: ChatSession,
        editing: Run | None = None,
        text: str = "",
    ) -> None:
        self._session = session
        self._quoted: list[GivenQuote] = []
        if editing:
            text, self._quoted = _unquoted(editing)
        start = {"chain": session.chain_id, "input": text, "retry_of": editing}
        super().__init__(data, initial=start)
        chains, files, runs = (self.fields[name] for name in ("chain", "attachments", "retry_of"))
        assert isinstance(chains, forms.ModelChoiceField)
        assert isinstance(files, forms.ModelMultipleChoiceField)
        assert isinstance(runs, forms.ModelChoiceField)
        files.queryset = session.attachments.described()
        runs.queryset = session.runs.all()
        chains.queryset = runnable_chains(session)
        # Written out: a widget reads its choices more than once, and each time would be a query.
        rows = list(chains.queryset)
        nothing = [] if session.chain else [("", "Pick a chain")]
        chains.choices = nothing + [(chain.pk, chain.name) for chain in rows]
        if editing and editing.chain_version.chain in rows:
            self.initial["chain"] = editing.chain_version.chain_id

    def clean_chain(self) -> Chain:
        """Run the session's chain when none was picked."""
        chain: Chain | None = self.cleaned_data["chain"] or self._session.chain
        if chain is None or chain.archived_at:
            raise forms.ValidationError("Pick a chain to send this to.")
        return chain

    def clean(self) -> dict[str, Any]:
        """Write what was quoted into the message."""
        if any(quote.is_gone for quote in self.quotes):
            self.add_error("input", "An answer that you quoted is not there any more: take the quote away.")
        if text := self.cleaned_data.get("input"):
            quotes = [Quote(quote.name, quote.text) for quote in self.quotes]
            self.cleaned_data["input"] = with_quotes(text, quotes)
            if len(self.cleaned_data["input"]) > MAX_MESSAGE:
                self.add_error("input", f"With its quotes {TOO_LONG}")
        return self.cleaned_data

    @cached_property
    def quotes(self) -> list[GivenQuote]:
        """The passages that were quoted, each with the agent whose words they are."""
        if not self.is_bound or not isinstance(self.data, QueryDict):
            return self._quoted
        given = [
            (step, text.replace("\r\n", "\n"))
            for step, text in zip(
                self.data.getlist("quote_step"), self.data.getlist("quote_text"), strict=False
            )
            if text.strip()
        ]
        ids = {int(step) for step, _ in given if is_row_id(step)}
        steps = AgentStep.objects.filter(run__session=self._session).only("name", "connection_type", "run")
        found = {str(pk): step for pk, step in steps.in_bulk(ids).items()}
        return [GivenQuote(text, found.get(step)) for step, text in given[:MAX_QUOTES]]

    @cached_property
    def carried(self) -> list[Attachment]:
        """The files that the composer shows: those that were sent, else those of the message at hand."""
        files = self.fields["attachments"]
        assert isinstance(files, forms.ModelMultipleChoiceField)
        assert files.queryset is not None
        if isinstance(self.data, QueryDict) and self.is_bound:
            ids = [value for value in self.data.getlist("attachments") if is_row_id(value)]
            return list(files.queryset.filter(pk__in=ids))
        if editing := self.initial["retry_of"]:
            return list(files.queryset.filter(uses__run=editing).order_by("uses__position"))
        return list(files.queryset.filter(uses__isnull=True)) if self._session.has_unsent else []

    @property
    def editing(self) -> Run | None:
        """The run whose message is edited."""
        if not self.is_bound:
            return cast(Run | None, self.initial["retry_of"])
        runs = self.fields["retry_of"]
        try:
            return cast(Run | None, runs.clean(self["retry_of"].value()))
        except forms.ValidationError:
            return None

    @property
    def picked(self) -> Chain | None:
        """The chain that is picked, if there is one that can run."""
        value = str(self["chain"].value() or self._session.chain_id or "")
        chains = self.fields["chain"]
        assert isinstance(chains, forms.ModelChoiceField)
        assert chains.queryset is not None
        return next((chain for chain in chains.queryset if str(chain.pk) == value), self._session.chain)


class TrialForm(forms.Form):
    """The message on which a draft is tried."""

    input = MessageField()
    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput, initial=fresh_request_id)


class RetryForm(forms.Form):
    """How a run goes on: for one agent perhaps with another model."""

    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput, initial=fresh_request_id)
    model = forms.ModelChoiceField(
        LanguageModel.objects.none(),
        required=False,
        empty_label=None,
        error_messages={"invalid_choice": "That model is not there any more: pick another one."},
    )

    def __init__(self, data: Any = None, *, step: AgentStep | None = None) -> None:
        super().__init__(data, initial={"model": step.model_id if step else None})
        choice = self.fields["model"]
        assert isinstance(choice, forms.ModelChoiceField)
        if step:
            choice.queryset = LanguageModel.objects.usable()
            gone = [] if step.model.is_usable else [("", f"{step.model.label} (switched off)")]
            choice.choices = [*gone, *((model.pk, model.label) for model in choice.queryset)]


class CompareForm(forms.Form):
    """The quick compare: one message to two to eight models."""

    models = forms.ModelMultipleChoiceField(
        LanguageModel.objects.none(),
        error_messages={
            "required": f"Pick at least {MIN_COMPARED} models to compare.",
            "invalid_choice": "One of the models cannot be used any more: pick again.",
            "invalid_pk_value": "One of the models cannot be used any more: pick again.",
        },
    )
    input = MessageField()
    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput, initial=fresh_request_id)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        choice = self.fields["models"]
        assert isinstance(choice, forms.ModelMultipleChoiceField)
        choice.queryset = LanguageModel.objects.usable()

    def clean_models(self) -> list[LanguageModel]:
        """Hold the number of models between two and eight."""
        models = list(self.cleaned_data["models"])
        if len(models) < MIN_COMPARED:
            raise forms.ValidationError(f"Pick at least {MIN_COMPARED} models to compare.")
        if len(models) > MAX_COMPARED:
            raise forms.ValidationError(f"Pick at most {MAX_COMPARED} models: you picked {len(models)}.")
        return models


class TitleForm(forms.ModelForm):
    """A session's title."""

    title = forms.CharField(
        max_length=120,
        error_messages={
            "required": "A session needs a title.",
            "max_length": "A title may have 120 characters.",
        },
    )

    class Meta:
        model = ChatSession
        fields = ["title"]


class KeepForm(forms.Form):
    """The name under which a quick compare is kept as a chain."""

    name = forms.CharField(
        max_length=100,
        error_messages={
            "required": "Give the chain a name.",
            "max_length": "A name may have 100 characters.",
        },
    )
    chain = forms.ModelChoiceField(
        Chain.objects.none(), error_messages=dict.fromkeys(("required", "invalid_choice"), CHAIN_GONE)
    )

    def __init__(self, *args: Any, session: ChatSession, **options: Any) -> None:
        super().__init__(*args, **options)
        chains = self.fields["chain"]
        assert isinstance(chains, forms.ModelChoiceField)
        chains.queryset = runnable_chains(session)


class StartForm(forms.Form):
    """Which of the user's chains a new session is for."""

    chain = forms.ModelChoiceField(Chain.objects.none())

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        choice = self.fields["chain"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = Chain.objects.visible_to(user).active()


def runnable_chains(session: ChatSession) -> Any:
    """Return what the session's next message may run: its owner's named chains, and those made for it."""
    mine = Chain.objects.visible_to(session.owner).active().filter(versions__published_at__isnull=False)
    made_for_it = Q(pk=session.chain_id) | Q(pk__in=session.runs.values("chain_version__chain"))
    return mine.filter(Q(is_unnamed=False) | made_for_it).distinct()


def _unquoted(run: Run) -> tuple[str, list[GivenQuote]]:
    """Part a sent message again: what somebody typed, and the passages of agents that it begins with."""
    parts = list(passages(run.input))
    quotes = list(takewhile(lambda part: part.is_quote and part.name, parts))
    steps = AgentStep.objects.filter(run__session=run.session_id, name__in={quote.name for quote in quotes})
    authors = {step.name: step for step in steps.only("name", "connection_type", "run").order_by("id")}
    written = with_quotes("", [Quote(quote.name, quote.text) for quote in quotes])
    # Somebody may have written such a quote by hand, in another form or of nobody here.
    if not run.input.startswith(written) or any(quote.name not in authors for quote in quotes):
        return run.input, []
    return run.input.removeprefix(written), [GivenQuote(one.text, authors[one.name]) for one in quotes]
