"""Errors as OpenAI's clients read them: a status, and an object with message, type, param and code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from django.http import JsonResponse

# OpenAI's clients send a request again after 409, 429 and 5xx unless this header says no.
DO_NOT_RETRY = {"x-should-retry": "false"}


@dataclass(eq=False)
class ApiError(Exception):
    """Why a request gets no answer. ``message`` is a sentence for people, ``param`` the field at fault."""

    message: str
    status: int = HTTPStatus.BAD_REQUEST
    code: str | None = None
    param: str | None = None
    kind: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """Return the error object."""
        about = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": about}

    def response(self) -> JsonResponse:
        """Return the error as a response of its own."""
        return JsonResponse(self.body(), status=self.status, headers=dict(self.headers))
