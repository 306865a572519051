"""What people type: checked here before an action sees it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.db.models import Q

from chains.models import AgentStep, Chain, ChatSession, LanguageModel, User

MAX_MESSAGE = 200_000  # characters
MIN_COMPARED, MAX_COMPARED = 2, 8


def fresh_request_id() -> str:
    """Return the id of one intention to send: sent twice, it starts one run."""
    return uuid.uuid4().hex


class MessageField(forms.CharField):
    """A message to agents: never empty, of bounded length, kept exactly as it was typed."""

    def __init__(self, **options: Any) -> None:
        too_long = MaxLengthValidator(
            MAX_MESSAGE, f"The message is too long: it may have {MAX_MESSAGE:,} characters."
        )
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
    """The composer of a session: a message, and the chain that it runs."""

    input = MessageField()
    request_id = forms.CharField(max_length=64, widget=forms.HiddenInput, initial=fresh_request_id)
    chain = forms.ModelChoiceField(
        Chain.objects.none(),
        required=False,
        error_messages={"invalid_choice": "That chain is not there any more: pick another one."},
    )

    def __init__(self, data: Any = None, *, session: ChatSession) -> None:
        super().__init__(data, initial={"chain": session.chain_id})
        self._session = session
        choice = self.fields["chain"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = runnable_chains(session)
        # Written out: a widget reads its choices more than once, and each time would be a query.
        nothing = [] if session.chain else [("", "Pick a chain")]
        choice.choices = nothing + [(chain.pk, chain.name) for chain in choice.queryset]

    def clean_chain(self) -> Chain:
        """Run the session's chain when none was picked."""
        chain: Chain | None = self.cleaned_data["chain"] or self._session.chain
        if chain is None or chain.archived_at:
            raise forms.ValidationError("Pick a chain to send this to.")
        return chain


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
