"""The agents on a chain's page. What is published cannot change: whatever is sent makes a new version."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.checks import InlineModelAdminChecks
from django.core.checks import CheckMessage
from django.db.models import Model
from django.forms.formsets import DELETION_FIELD_NAME, ORDERING_FIELD_NAME
from django.http import HttpRequest

from chains.chainfile import MAX_AGENTS, ChainFileAgent, agent_slugs
from chains.engine.plan import ConnectionType, Fault, Severity, check_chain
from chains.models import Agent, Chain, ChainVersion, LanguageModel

Catalogue = Mapping[str, LanguageModel]
_COPIED = (
    "name", "slug", "connection_type", "condition", "system_prompt", "prompt", "temperature",
    "max_output_tokens",
)  # fmt: skip

_ROWS = {"condition": 2, "system_prompt": 4, "prompt": 6}


class AgentForm(forms.ModelForm):
    """One agent. Its model is written as ``provider/model``: a list for each of 50 agents would be long."""

    model = forms.CharField(
        max_length=300,
        widget=forms.TextInput(attrs={"list": "catalogue", "size": 40, "autocomplete": "off"}),
        help_text="As provider/model.",
    )

    class Meta:
        model = Agent
        fields = _COPIED

    def __init__(self, *args: Any, catalogue: Catalogue, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._catalogue = catalogue
        self.fields["slug"].required = False
        for name, rows in _ROWS.items():
            self.fields[name].widget.attrs["rows"] = rows
        self.fields["slug"].help_text = "What prompts call it: {{agents.slug}}. Empty: made from the name."

    def clean_model(self) -> LanguageModel:
        """Find the model of this name, and say when it cannot be used."""
        label = self.cleaned_data["model"].strip()
        model = self._catalogue.get(label)
        if model is None:
            near = get_close_matches(label, self._catalogue, n=1)
            hint = f"did you mean {near[0]}?" if near else "pick one from the list."
            raise forms.ValidationError(f"{label} is not in the catalogue: {hint}")
        if not (model.enabled and model.provider.enabled):
            raise forms.ValidationError(f"{label} is switched off: choose another one.")
        return model


class AgentFormSet(forms.BaseModelFormSet):
    """The agents of a chain's newest version. Every form counts as a new one: nothing stored is edited."""

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        instance: Chain,
        queryset: Any = None,
        save_as_new: bool = False,
        **kwargs: Any,
    ) -> None:
        models = LanguageModel.objects.select_related("provider")
        self.catalogue = {model.label: model for model in models}
        initial = [] if data else _initial(instance)
        # What was sent is compared with nothing, or an agent that stayed as it was would count as empty.
        self.extra = max(1, len(initial)) if data is None else 0
        super().__init__(
            data,
            files,
            queryset=Agent.objects.none(),
            initial=initial,
            form_kwargs={"catalogue": self.catalogue},
            **kwargs,
        )
        # The admin asks for these to write its history.
        self.new_objects, self.changed_objects, self.deleted_objects = [], [], []

    @classmethod
    def get_default_prefix(cls) -> str:
        """Return the beginning of the fields' names."""
        return "agents"

    def add_fields(self, form: forms.Form, index: int | None) -> None:
        """Number the agents, so that they can be put into another order."""
        super().add_fields(form, index)
        leave_out = form.fields[DELETION_FIELD_NAME]
        leave_out.label = "Leave this agent out"
        leave_out.help_text = "The version that you save goes without it; earlier versions keep it."
        order = form.fields[ORDERING_FIELD_NAME]
        order.label = "Place"
        order.initial = index + 1 if index is not None and index < len(self.initial_extra or []) else None

    def clean(self) -> None:
        """Check the chain as a whole, and put each fault beside its field."""
        if any(form.errors for form in self._kept_forms()):
            return
        forms_in_order, agents = self._kept_forms(), self.agents()
        faults = check_chain([agent.spec for agent in agents])
        for fault in faults:
            if fault.severity is Severity.FAULT:
                _tell(fault, forms_in_order)

    def agents(self) -> tuple[ChainFileAgent, ...]:
        """Return the agents in their order, as a chain file has them."""
        said = [form.cleaned_data for form in self._kept_forms()]
        slugs = agent_slugs([one["name"] for one in said], given=[one["slug"] or None for one in said])
        return tuple(_agent(one, slug) for one, slug in zip(said, slugs, strict=True))

    def _kept_forms(self) -> list[forms.ModelForm]:
        kept = [form for form in self.forms if form.has_changed() and not _is_left_out(form)]
        return sorted(kept, key=_place)


class AgentInlineChecks(InlineModelAdminChecks):
    """Agents belong to a chain's version, so there is no key for Django to look for."""

    def _check_relation(self, obj: Any, parent_model: type[Model]) -> list[CheckMessage]:
        return []


class AgentInline(admin.StackedInline):
    """The agents of a chain, for those who may change the chain."""

    model = Agent
    form = AgentForm
    formset = AgentFormSet  # type: ignore[assignment]
    checks_class = AgentInlineChecks
    fieldsets = (
        (
            None,
            {
                "fields": (
                    (ORDERING_FIELD_NAME, "name", "slug"),
                    ("model", "connection_type"),
                    "condition",
                    "system_prompt",
                    "prompt",
                    ("temperature", "max_output_tokens"),
                    DELETION_FIELD_NAME,
                )
            },
        ),
    )

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Build the forms; they have no key to their parent."""
        return forms.modelformset_factory(
            Agent,
            form=self.form,
            formset=AgentFormSet,
            fields=_COPIED,
            formfield_callback=partial(self.formfield_for_dbfield, request=request),  # type: ignore[arg-type]
            can_delete=True,
            can_order=True,
            max_num=MAX_AGENTS,
            validate_max=True,
        )

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow it: the page is shown with forms to those alone who may change the chain."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow it."""
        return True

    has_change_permission = has_delete_permission = has_add_permission


def _initial(chain: Chain) -> list[dict[str, object]]:
    version = newest_version(chain) if chain.pk else None
    agents = version.agents.select_related("model__provider") if version else ()
    return [_values(agent) for agent in agents]


def newest_version(chain: Chain) -> ChainVersion | None:
    """Return the chain's newest published version; else its draft, if it has one."""
    return chain.versions.published().first() or chain.versions.first()


def _values(agent: Agent) -> dict[str, object]:
    return {"model": agent.model.label if agent.model else ""} | {
        name: getattr(agent, name) for name in _COPIED
    }


def _agent(said: Mapping[str, Any], slug: str) -> ChainFileAgent:
    values = {name: said[name] for name in _COPIED if name not in ("slug", "connection_type")}
    connection = ConnectionType(said["connection_type"])
    return ChainFileAgent(slug=slug, model=said["model"].label, connection_type=connection, **values)


def _is_left_out(form: forms.ModelForm) -> bool:
    # Its other fields may be wrong: nothing of it is used.
    return bool(form[DELETION_FIELD_NAME].value())


def _place(form: forms.ModelForm) -> float:
    place = form.cleaned_data.get(ORDERING_FIELD_NAME) if hasattr(form, "cleaned_data") else None
    # New ones come last, in the order in which they stand.
    return float("inf") if place is None else place


def _tell(fault: Fault, agents: list[forms.ModelForm]) -> None:
    if fault.agent is None:
        raise forms.ValidationError(fault.message)
    agents[fault.agent].add_error(fault.field, fault.message)
