"""Importing a chain: a file or a pasted text, a look at what it would become, then the import."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from chains import actions, queries
from chains.chainfile import MAX_BYTES, ChainFileError, FileFault
from chains.views.access import Request
from chains.views.sidebar import sidebar

UNPROCESSABLE = 422


class ImportForm(forms.Form):
    """A chain file, uploaded or pasted. What is uploaded counts more than what stands in the field."""

    file = forms.FileField(required=False, error_messages={"empty": "The file is empty: pick another one."})
    text = forms.CharField(required=False, strip=False)

    def clean_file(self) -> UploadedFile | None:
        """Refuse a file that is too large before any of it is read."""
        file: UploadedFile | None = self.cleaned_data["file"]
        if file and (file.size or 0) > MAX_BYTES:
            raise forms.ValidationError(f"The file has {file.size:,} bytes: at most {MAX_BYTES:,} are read.")
        return file

    def clean_text(self) -> str:
        """Take back the two characters that browsers send for the end of a line: they are not in the file."""
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Ask for one of the two."""
        if not self.errors and not self.cleaned_data["file"] and not self.cleaned_data["text"].strip():
            self.add_error("text", "Choose a chain file, or paste one.")
        return self.cleaned_data

    @property
    def data_given(self) -> bytes | str:
        """What is to be read as a chain file."""
        file = self.cleaned_data["file"]
        return file.read() if file else str(self.cleaned_data["text"])


@require_http_methods(["GET", "POST"])
def chain_import(request: Request) -> HttpResponse:
    """Take a chain file, show what it would become, and import it when that is what was asked for."""
    if request.method == "GET":
        return _page(request, {})
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        faults = [FileFault("", str(error)) for errors in form.errors.values() for error in errors]
        return _page(request, {"text": request.POST.get("text", ""), "faults": faults})
    data = form.data_given
    text = _decoded(data) or form.cleaned_data["text"]
    try:
        if request.POST.get("do") in ("version", "new"):
            return _imported(request, data)
        preview = actions.preview_import(owner=request.user, data=data)
    except ChainFileError as error:
        return _page(request, {"text": text, "faults": error.faults})
    except actions.ActionError as error:
        return _page(request, {"text": text, "faults": [FileFault("", str(error))]})
    plan = queries.file_plan(preview.file)
    return _page(request, {"text": text, "preview": preview, "plan": plan})


def _imported(request: Request, data: bytes | str) -> HttpResponse:
    as_new = request.POST["do"] == "new"
    chain = actions.import_text(owner=request.user, data=data, as_new=as_new)
    messages.success(request, f"“{chain}” is among your chains.")
    return redirect(f"{reverse('library')}?sort=new#chain-{chain.pk}" if as_new else "library")


def _page(request: Request, context: dict[str, Any]) -> HttpResponse:
    """Render the page, or only what a script asks for: the look, and the field when a file filled it."""
    status = UNPROCESSABLE if context.get("faults") else 200
    context |= {"max_bytes": MAX_BYTES, "has_file": "file" in request.FILES}
    if request.htmx:
        return render(request, "library/import_looked.html", context, status=status)
    context["groups"] = sidebar(request)
    return render(request, "library/import.html", context, status=status)


def _decoded(data: bytes | str) -> str:
    """Return a file's text for the field; nothing if it is no text, so that what was typed stays."""
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
