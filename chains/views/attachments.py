"""Files of messages: take one in, let it go, show it."""

from __future__ import annotations

from urllib.parse import quote

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_cookie

from chains import actions
from chains.actions.attachments import file_name
from chains.forms import MessageForm
from chains.models import Attachment, ChatSession
from chains.views import access
from chains.views.access import Request
from chains.views.composer import session_page

UNPROCESSABLE = 422
# What somebody attached is shown, and never carried out: no script, no form, no origin of ours. The styles
# are those of the browser's own viewer: neither plain text nor a picture has any.
HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


@require_POST
def session_attach(request: Request, pk: int) -> HttpResponse:
    """Take files in for the session's next message; each is answered by its chip, or by what is wrong."""
    session = access.session_for(request, pk)
    files, faults = take_files(request, session)
    context = {"files": files, "faults": faults}
    return render(request, "composer/files.html", context, status=UNPROCESSABLE if faults else 200)


@require_POST
def attachment_remove(request: Request, pk: int) -> HttpResponse:
    """Let a file go that was not sent. What was typed stays."""
    attachment = access.attachment_for(request, pk)
    actions.remove_attachment(attachment=attachment)
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    session = access.session_for(request, attachment.session_id)
    return session_page(request, session, MessageForm(session=session, text=request.POST.get("input", "")))


@require_GET
@vary_on_cookie
@cache_control(private=True, max_age=3600)
def attachment_show(request: Request, pk: int) -> HttpResponse:
    """Show a file as what it is: plain text, or a picture."""
    file = access.attachment_for(request, pk)
    if file.is_image:
        return _sent(file, bytes(file.data or b""), file.media_type)
    return _sent(file, file.text.encode(), "text/plain; charset=utf-8")


@require_GET
@vary_on_cookie
@cache_control(private=True, max_age=3600)
def attachment_thumbnail(request: Request, pk: int) -> HttpResponse:
    """Show a picture in small."""
    file = access.attachment_for(request, pk)
    if not file.thumbnail:
        raise Http404
    return _sent(file, bytes(file.thumbnail), "image/jpeg")


def take_files(request: Request, session: ChatSession) -> tuple[list[Attachment], list[str]]:
    """Store the files that a form brought; return them, and what is wrong with the others."""
    files, faults = [], []
    for upload in request.FILES.getlist("files"):
        assert isinstance(upload, UploadedFile)
        try:
            files.append(actions.attach(session=session, name=upload.name or "", data=upload.read()))
        except actions.AttachmentRefused as error:
            faults.append(str(error))
    return files, faults


def _sent(file: Attachment, content: bytes, content_type: str) -> HttpResponse:
    disposition = f"inline; filename*=UTF-8''{quote(file_name(file.stored_name), safe='')}"
    return HttpResponse(
        content, content_type=content_type, headers=HARMLESS | {"Content-Disposition": disposition}
    )
