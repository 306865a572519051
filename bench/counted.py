"""The application's settings, and beside them a header on every answer: how many queries it took.

A server of its own uses them, because counting takes time.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext

from chainchat.settings import *  # noqa: F403
from chainchat.settings import MIDDLEWARE as MIDDLEWARE_OF_THE_APPLICATION

HEADER = "X-Queries"
View = Callable[[HttpRequest], HttpResponse]
MIDDLEWARE = ["bench.counted.count_queries", *MIDDLEWARE_OF_THE_APPLICATION]


def count_queries(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Say how many statements a request sent to the database, transactions' beginnings and ends too."""

    def counted(request: HttpRequest) -> HttpResponse:
        with CaptureQueriesContext(connection) as queries:
            response = get_response(request)
        response[HEADER] = str(len(queries))
        return response

    return counted
