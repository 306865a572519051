"""Who may look at what: rows that nobody edits, and texts that not everybody on the staff may read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter, ModelAdmin, ShowFacets
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from chains.providers.errors import without_quotes

READ_TEXTS = "chains.read_texts"
# What Django's own filters put behind a field's name. Anything longer may lead on to another table's texts.
_ENDS_OF_FILTERS = re.compile(r"(__id)?(__(exact|in|isnull|isempty|gte?|lte?|year|month|day))?")


def may_read(request: HttpRequest) -> bool:
    """Whether this person may read what people and models wrote."""
    return request.user.has_perm(READ_TEXTS)


class ReadOnly:
    """Rows, alone or inside a page, that only a person at work or the engine changes."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False


class Failed(Protocol):
    """A row that says why it failed."""

    error: str


class Texts(BaseModelAdmin):
    """Keeps ``texts`` from those who may not read them: not on pages, not in lists.

    ``long_columns`` stay in the database until the page of one row asks for them.
    """

    texts: tuple[str, ...] = ()
    long_columns: tuple[str, ...] = ()

    @admin.display(description="error")
    def reason(self, row: Failed) -> str:
        """Say why it failed, without what the provider said: that may repeat a prompt."""
        return without_quotes(row.error) or "-"

    @admin.display(description="error, with what the provider said")
    def full_error(self, row: Failed) -> str:
        """Say why it failed."""
        return row.error or "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave in the database what is long, and what this person does not get to see."""
        rows: QuerySet[Any] = super().get_queryset(request)
        texts = () if may_read(request) else filter(self._is_column, self.texts)
        return rows.defer(*self.long_columns, *texts)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave out the texts, and the headings above nothing."""
        fieldsets = super().get_fieldsets(request, obj)
        if may_read(request):
            return list(fieldsets)
        kept = [
            (name, options | {"fields": self._without_texts(options["fields"])})
            for name, options in fieldsets
        ]
        return [(name, options) for name, options in kept if options["fields"]]

    def _without_texts(self, fields: Sequence[Any]) -> list[Any]:
        return [field for field in fields if field not in self.texts]

    def _is_column(self, name: str) -> bool:
        try:
            return bool(self.model._meta.get_field(name).concrete)
        except FieldDoesNotExist:
            return False


class FilledFilter(EmptyFieldListFilter):
    """Asks whether a column holds something, as a question that is answered with yes or no."""

    question = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = self.question

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Say yes and no for what Django calls not empty and empty; a count may stand behind it."""
        every, empty, filled = super().choices(changelist)
        yield every
        yield {**filled, "display": str(filled["display"]).replace("Not empty", "Yes")}
        yield {**empty, "display": str(empty["display"]).replace("Empty", "No")}


class CountedList(ChangeList):
    """A list that leaves nothing out shows all: it needs no link to that, and no second count to know it."""

    def get_results(self, request: HttpRequest) -> None:
        """Take the rows that were counted for all there are."""
        super().get_results(request)
        if not (self.query or self.get_filters_params()):
            self.full_result_count = self.result_count


class TextsInLists(Texts, ModelAdmin):
    """The same for a table's own list: it is not searched, sorted or filtered by texts either."""

    text_searches: tuple[str, ...] = ()
    other_lookups: tuple[str, ...] = ()
    show_full_result_count = False
    list_per_page = 50
    # A count for each value of each filter is a query each: only for those who ask.
    show_facets = ShowFacets.ALLOW

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Offer to show all only where something was left out."""
        return CountedList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Leave out the texts."""
        columns = super().get_list_display(request)
        return list(columns) if may_read(request) else self._without_texts(columns)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Search texts for those who may read them."""
        fields = super().get_search_fields(request)
        return [*fields, *self.text_searches] if may_read(request) else list(fields)

    def lookup_allowed(  # type: ignore[override]
        self, lookup: str, value: str, request: HttpRequest
    ) -> bool:
        """Refuse addresses that ask what a text contains: ``?input__startswith=`` would spell it out."""
        if not may_read(request):
            names = [*map(_name_of, self.list_filter), *self.other_lookups, self.date_hierarchy, "id"]
            return any(_filters_by(lookup, name) for name in names if name)
        return super().lookup_allowed(lookup, value, request)


def _filters_by(lookup: str, name: str) -> bool:
    end = lookup.removeprefix(name)
    return lookup.startswith(name) and _ENDS_OF_FILTERS.fullmatch(end) is not None


def _name_of(list_filter: Any) -> str:
    return str(list_filter[0] if isinstance(list_filter, tuple) else list_filter)
