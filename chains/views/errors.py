"""What a person sees when a request was refused or broke. No user is asked for here, and no database."""

from __future__ import annotations

import sys

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.utils.http import escape_leading_slashes
from django.views import defaults

RETRY_AFTER_S = 5
TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that it was too much at once, or that it was not understood."""
    if isinstance(exception, TOO_MUCH):
        return HttpResponse(loader.get_template("413.html").render(), status=413)
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that something broke. A database that does not answer is no fault of ours, and comes back."""
    if not isinstance(sys.exc_info()[1], (OperationalError, InterfaceError)):
        return defaults.server_error(request)
    address = escape_leading_slashes(request.get_full_path()) if request.method == "GET" else ""
    words = loader.get_template("503.html").render({"address": address})
    return HttpResponse(words, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
